/** What the source of a stream is, from how it is written: the one place that reads it. */
import { XpcsError } from "./errors.js";

/** `blocks`: event blocks over a websocket. `path`: a file or folder. */
export type StreamSource = { readonly kind: "blocks"; readonly url: string } | { readonly kind: "path"; readonly path: string };

/** The forms of a source, for messages and help. */
export const SOURCE_FORMS = "ws://HOST:PORT, a file that grows, or a folder of files";

/**
 * Reads a source as people write it.
 * @throws INVALID_ARGUMENT it has a scheme that is none of ours, or names no host
 */
export function parseStreamSource(source: string): StreamSource {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) return { kind: "path", path: source };
  if (scheme === "ws" || scheme === "wss") return { kind: "blocks", url: source };
  throw new XpcsError("INVALID_ARGUMENT", `${source} is no source of a stream: ${SOURCE_FORMS}`);
}

/** True for a source that is dialed, false for a file or a folder. @throws INVALID_ARGUMENT */
export function isDialed(source: string): boolean {
  return parseStreamSource(source).kind !== "path";
}
