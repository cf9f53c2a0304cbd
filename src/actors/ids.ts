/**
 * Ids of jobs: 15 characters that sort by time of submission and cannot be guessed from a neighbour. 8 for the ms since 2020 (until 2054),
 * 2 for the place within that ms, 5 random; Crockford's base 32 in lower case, so no letter looks like a digit.
 */
import type { JobId } from "../core/job.js";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const EPOCH_MS = Date.UTC(2020, 0, 1);
const PER_MS = 32 * 32;

function base32(value: number, digits: number): string {
  let text = "";
  let rest = value;
  for (let digit = 0; digit < digits; digit += 1) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** Ids for which random bytes are drawn at once: one by one, drawing is most of the work. */
const DRAWN = 256;
const RANDOM = 5;

/** Random characters, `RANDOM` at a time. */
function randomTexts(randomBytes: (size: number) => Uint8Array): () => string {
  let drawn: Uint8Array = new Uint8Array(0);
  let at = 0;
  return () => {
    if (at >= drawn.length) {
      drawn = randomBytes(DRAWN * RANDOM);
      at = 0;
    }
    let text = "";
    for (const end = at + RANDOM; at < end; at += 1) text += ALPHABET[drawn[at]! & 31];
    return text;
  };
}

/**
 * Makes ids that grow even when the wall clock does not.
 *
 * @param randomBytes n random bytes, from the composition root
 */
export function createIdSource(randomBytes: (size: number) => Uint8Array): (nowMs: number) => JobId {
  const random = randomTexts(randomBytes);
  let lastMs = 0;
  let place = 0;
  return (nowMs) => {
    const ms = Math.max(0, Math.floor(nowMs) - EPOCH_MS);
    if (ms > lastMs) {
      lastMs = ms;
      place = 0;
    } else {
      place += 1;
      if (place === PER_MS) {
        lastMs += 1;
        place = 0;
      }
    }
    return base32(lastMs, 8) + base32(place, 2) + random();
  };
}
