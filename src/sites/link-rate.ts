/**
 * How fast bytes cross between a site and central's data server, each way: some are sent that nobody keeps. A few requests at a time, as the transfer by HTTP
 * has (transfers/http.ts); the first ones, which find the way, do not count.
 */
import type { Clock } from "../core/clock.js";
import { isCode, XpcsError } from "../core/errors.js";
import type { HttpClient } from "../wire/http-client.js";
import { together } from "./staging/together.js";

export interface LinkRateOptions {
  readonly client: HttpClient;
  /** With the site's token. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface LinkRates {
  /** From central to the site, bytes/s. */
  readonly inBytesPerS: number;
  readonly outBytesPerS: number;
}

const PATH = "/v1/data/probe";
const CONNECTIONS = 4;
/** A slow link needs small pieces, so that the time is kept to; a fast one large ones. */
const PIECES_BYTES = [64e3, 1e6, 8e6] as const;
/** A piece that takes less is followed by a larger one. */
const QUICK_MS = 250;
/** Each way, and at least one round of pieces. */
const LONG_MS = 2_000;

type Cross = (bytes: number, signal: AbortSignal) => Promise<void>;

/** Bytes per second of rounds of `CONNECTIONS` pieces. */
async function rateOf(cross: Cross, { clock, signal }: LinkRateOptions): Promise<number> {
  const round = async (bytes: number): Promise<number> => {
    const startMs = clock.monotonicMs();
    await together(
      signal,
      Array.from({ length: CONNECTIONS }, () => (stop: AbortSignal) => cross(bytes, stop)),
    );
    return Math.max(clock.monotonicMs() - startMs, 0.001);
  };
  await round(1);
  let size = 0;
  let tookMs = await round(PIECES_BYTES[0]);
  while (tookMs < QUICK_MS && size + 1 < PIECES_BYTES.length) {
    size += 1;
    tookMs = await round(PIECES_BYTES[size]!);
  }
  let rounds = 1;
  while (tookMs < LONG_MS) {
    tookMs += await round(PIECES_BYTES[size]!);
    rounds += 1;
  }
  return (1000 * rounds * CONNECTIONS * PIECES_BYTES[size]!) / tookMs;
}

/**
 * The rates both ways, one after the other; takes some 5 s, more on a link below 1 MB/s.
 *
 * @throws UNSUPPORTED this central does not answer such requests · PERMISSION_DENIED · UNAVAILABLE · CANCELED
 */
export async function measureLink(options: LinkRateOptions): Promise<LinkRates> {
  const { client, headers } = options;
  const body = Buffer.alloc(Math.max(...PIECES_BYTES), "xpcs");
  const receive: Cross = async (bytes, signal) => {
    let received = 0;
    const answer = await client.ask({ method: "GET", path: `${PATH}?bytes=${bytes}`, headers, signal });
    await answer.each((piece) => {
      received += piece.length;
    });
    if (received !== bytes) throw new XpcsError("UNAVAILABLE", `central sent ${received} bytes, and not ${bytes}`);
  };
  const send: Cross = async (bytes, signal) => {
    await (await client.ask({ method: "PUT", path: PATH, headers, body: body.subarray(0, bytes), signal })).json();
  };
  try {
    return { inBytesPerS: await rateOf(receive, options), outBytesPerS: await rateOf(send, options) };
  } catch (error) {
    if (!isCode(error, "NOT_FOUND")) throw error;
    throw new XpcsError("UNSUPPORTED", "this central does not measure links: upgrade it");
  }
}
