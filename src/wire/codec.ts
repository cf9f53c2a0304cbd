/**
 * Frame to bytes and back: one version byte, then one msgpack value. msgpackr is configured here and nowhere else,
 * because its defaults turn a typed array into truncated bytes and share record structures between frames, so that one
 * lost frame would garble all that follow (test/wire/codec.test.ts). Without its native reader of strings: those are slices, of which one that is
 * kept keeps the whole frame in memory.
 */
import { Packr, RESERVE_START_SPACE } from "msgpackr/pack";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { checkFrame } from "./frame-guard.js";

/** First byte of each frame; changes when the frame itself changes, not with the methods. */
export const FRAME_VERSION = 1;

const packr = new Packr({ moreTypes: true, useRecords: false, mapsAsObjects: true });

/**
 * Encodes one plain-data value.
 *
 * @throws INVALID_ARGUMENT the frame would exceed `LIMITS.frameBytesMax`
 */
export function encodeFrame(value: unknown): Uint8Array {
  const frame = packr.pack(value, RESERVE_START_SPACE | 1);
  if (frame.length > LIMITS.frameBytesMax) {
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `the message has ${frame.length} bytes and a link carries at most ${LIMITS.frameBytesMax}: send less at once`,
    );
  }
  frame[0] = FRAME_VERSION;
  return frame;
}

/**
 * Decodes one frame.
 *
 * @throws CORRUPT_DATA too long, too deep, truncated, or not plain data; VERSION_MISMATCH another frame version
 */
export function decodeFrame(bytes: Uint8Array): unknown {
  if (bytes.length > LIMITS.frameBytesMax) {
    throw new XpcsError("CORRUPT_DATA", `frame refused: ${bytes.length} bytes, at most ${LIMITS.frameBytesMax} are allowed`);
  }
  if (bytes.length < 2) throw new XpcsError("CORRUPT_DATA", `frame refused: ${bytes.length} bytes are no frame`);
  if (bytes[0] !== FRAME_VERSION) {
    throw new XpcsError(
      "VERSION_MISMATCH",
      `frame version ${bytes[0]}, and this program speaks ${FRAME_VERSION}: run the same version at both ends`,
    );
  }
  checkFrame(bytes, 1, LIMITS.messageDepthMax);
  try {
    return packr.unpack(bytes.subarray(1));
  } catch (error) {
    throw new XpcsError("CORRUPT_DATA", `frame refused: ${error instanceof Error ? error.message : String(error)}`);
  }
}
