/** Values of the messages of DECTRIS streams, checked before anything is made of them: the same for both streams. */
import { XpcsError } from "../core/errors.js";

const TEXT_MAX = 256;
const FRAME_TIME_MAX_S = 1e6;

/** A message that is not what the vendor documents. */
export function badMessage(what: string): XpcsError {
  return new XpcsError("CORRUPT_DATA", `not a message of a DECTRIS stream: ${what}`);
}

/** A value of a message, for a sentence about it. */
export function brief(value: unknown): string {
  if (value === undefined || value === null) return "missing";
  if (typeof value === "object" && !Array.isArray(value)) return "of another kind";
  const plain = JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner));
  return plain.length > 60 ? `${plain.slice(0, 60)}...` : plain;
}

/** A whole number from 0 on. @param what such as "its series" @throws CORRUPT_DATA */
export function wholeNumber(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw badMessage(`${what} is ${brief(value)}`);
  return value;
}

/** Text that may be shown. @param what such as "a channel's name" @throws CORRUPT_DATA */
export function plainText(value: unknown, what: string): string {
  if (typeof value !== "string" || value.length > TEXT_MAX || /\p{Cc}/u.test(value)) throw badMessage(`${what} is ${brief(value)}`);
  return value;
}

/** Of a message that starts a series: s; 0: not said. @throws CORRUPT_DATA */
export function frameTimeOf(value: unknown): number {
  const frameTimeS = value ?? 0;
  if (typeof frameTimeS !== "number" || !(frameTimeS >= 0 && frameTimeS <= FRAME_TIME_MAX_S))
    throw badMessage(`its frame_time is ${brief(frameTimeS)}`);
  return frameTimeS;
}
