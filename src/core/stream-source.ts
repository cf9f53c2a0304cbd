/** What the source of a stream is, from how it is written: the one place that reads it. */
import { XpcsError } from "./errors.js";

/** `blocks`: event blocks over a websocket. `dectris`: Stream V1 or V2 of a DECTRIS detector. `path`: a file or folder. */
export type StreamSource =
  | { readonly kind: "blocks"; readonly url: string }
  /** `channel`: the threshold that is wanted; null: the only one. */
  | { readonly kind: "dectris"; readonly host: string; readonly port: number; readonly channel: string | null }
  | { readonly kind: "path"; readonly path: string };

/** Where DECTRIS detectors send Stream V2; V1 goes to 9999. */
const DECTRIS_PORT = 31_001;

/** The forms of a source, for messages and help. */
export const SOURCE_FORMS = "ws://HOST:PORT, dectris://HOST[:PORT][?channel=NAME], a file that grows, or a folder of files";

/**
 * Reads a source as people write it.
 * @throws INVALID_ARGUMENT it has a scheme that is none of ours, or names no host
 */
export function parseStreamSource(source: string): StreamSource {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) return { kind: "path", path: source };
  if (scheme === "ws" || scheme === "wss") return { kind: "blocks", url: source };
  if (scheme === "dectris") return readDectris(source);
  throw new XpcsError("INVALID_ARGUMENT", `${source} is no source of a stream: ${SOURCE_FORMS}`);
}

function readDectris(source: string): StreamSource {
  const refuse = (what: string) => new XpcsError("INVALID_ARGUMENT", `${source} ${what}: dectris://HOST[:PORT][?channel=NAME]`);
  if (!URL.canParse(source)) throw refuse("is no address of a detector");
  const { hostname, port, pathname, username, hash, searchParams } = new URL(source);
  if (hostname === "" || username !== "" || hash !== "" || (pathname !== "" && pathname !== "/"))
    throw refuse("is no address of a detector");
  const other = [...searchParams.keys()].find((key) => key !== "channel");
  if (other !== undefined) throw refuse(`has an option ${other} that is not known`);
  return {
    kind: "dectris",
    host: hostname,
    port: port === "" ? DECTRIS_PORT : Number(port),
    channel: searchParams.get("channel") || null,
  };
}

/** True for a source that is dialed, false for a file or a folder. @throws INVALID_ARGUMENT */
export function isDialed(source: string): boolean {
  return parseStreamSource(source).kind !== "path";
}
