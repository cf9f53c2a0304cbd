/**
 * Asks the HTTP API of a facility for a scheduler's adapter: each request within a time limit, with a credential that no error shows, and no more of them in a
 * minute than the site's rules allow. One try; whoever asks tries again. Where the API asks for a pause, nothing is asked before it is over.
 */
import type { Clock } from "../core/clock.js";
import { isCode, XpcsError } from "../core/errors.js";
import { VERSION } from "../core/version.js";
import { createHttpClient, type HttpAnswer } from "../wire/http-client.js";
import { pauseMs } from "../wire/retry-after.js";
import type { ApiSettings } from "./api-settings.js";
import { createTurns } from "./batch-turns.js";
import type { ApiAnswer, ApiRequest, Credential, Machine } from "./schedulers/define.js";

export interface ApiMachineOptions {
  readonly settings: ApiSettings;
  readonly credential: Credential;
  /** Of one request, ms. */
  readonly timeoutMs: number;
  /** Requests in any minute; more wait. */
  readonly perMinute: number;
  readonly clock: Clock;
  /** Name of the person here. */
  readonly user: string;
}

interface Encoded {
  readonly body?: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

async function encoded({ json, form, file }: ApiRequest): Promise<Encoded> {
  if (json !== undefined) return { body: Buffer.from(JSON.stringify(json)), headers: { "content-type": "application/json" } };
  if (form !== undefined) {
    const body = Buffer.from(new URLSearchParams(form).toString());
    return { body, headers: { "content-type": "application/x-www-form-urlencoded" } };
  }
  if (file === undefined) return { headers: {} };
  const parts = new FormData();
  parts.append("file", new Blob([file.text]), file.name);
  const response = new Response(parts);
  return { body: new Uint8Array(await response.arrayBuffer()), headers: { "content-type": response.headers.get("content-type")! } };
}

/** The outside of an adapter of an API. @throws REFUSED clear text off loopback */
export function createApiMachine({ settings, credential, timeoutMs, perMinute, clock, user }: ApiMachineOptions): Machine {
  const base = new URL(settings.url);
  const client = createHttpClient({ url: base, speaks: "other", proxy: "environment" });
  const myTurn = createTurns(perMinute, clock);
  let pausedUntilMs = Number.NEGATIVE_INFINITY;
  const noCommands = (): Promise<never> => Promise.reject(new XpcsError("INTERNAL", "this machine has an API, and no commands"));

  function noteRefusal({ status, headers }: HttpAnswer): void {
    const pause = [429, 503].includes(status) ? pauseMs(headers["retry-after"], clock.nowMs()) : null;
    if (pause !== null) pausedUntilMs = clock.monotonicMs() + pause;
  }

  async function once(request: ApiRequest, { body, headers }: Encoded, token: string): Promise<ApiAnswer> {
    await myTurn();
    const leftMs = pausedUntilMs - clock.monotonicMs();
    if (leftMs > 0)
      throw new XpcsError("UNAVAILABLE", `${base.origin} asked for a pause: it is asked again in ${Math.ceil(leftMs / 1000)} s`);
    const stop = new AbortController();
    const timer = clock.after(timeoutMs, () => stop.abort());
    const query = new URLSearchParams(request.query).toString();
    try {
      const answer = await client.ask({
        method: request.method,
        path: `${base.pathname.replace(/\/+$/, "")}${request.path}${query === "" ? "" : `?${query}`}`,
        headers: {
          ...{ accept: "application/json", "user-agent": `xpcs-runtime/${VERSION}`, authorization: `Bearer ${token}` },
          ...request.headers,
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
        signal: stop.signal,
      });
      noteRefusal(answer);
      const text = await answer.text();
      return { status: answer.status, text: text.replaceAll(token, "***") };
    } catch (error) {
      if (stop.signal.aborted) throw new XpcsError("DEADLINE_EXCEEDED", `${base.origin} gave no answer within ${timeoutMs / 1000} s`);
      // What is cut off says nothing of what was done.
      throw isCode(error, "PERMISSION_DENIED") ? new XpcsError("UNAVAILABLE", (error as Error).message) : error;
    } finally {
      timer.cancel();
    }
  }

  return {
    user,
    clock,
    run: noCommands,
    start: noCommands,
    api: () => settings,
    async ask(request) {
      const sent = await encoded(request);
      const token = await credential.token();
      const answer = await once(request, sent, token);
      if (answer.status !== 401) return answer;
      credential.refused(token);
      const another = await credential.token();
      // A request that is refused so was not carried out.
      return another === token ? answer : once(request, sent, another);
    },
  };
}
