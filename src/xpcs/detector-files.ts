/**
 * Bytes of detector files for simulated events, as the readers of the field expect them (docs/formats.md): Rigaku 64-bit
 * events, and IMM with sparse or dense frames. Reading detector files is the native core's.
 */
import type { EventList } from "./simulate.js";

const IMM_HEADER_BYTES = 1024;

/**
 * Rigaku .bin: little-endian 64-bit words: frame in bits 40-63, which goes round, row-major pixel in bits 16-36, count in bits 0-11.
 * @param from number of the first frame
 */
export function rigakuBytes(events: EventList, from = 0): Uint8Array {
  const words = new Uint32Array(2 * events.frame.length);
  for (let i = 0; i < events.frame.length; i++) {
    const pixel = events.pixel[i]!;
    words[2 * i] = (events.count[i]! & 0xfff) | (pixel << 16);
    words[2 * i + 1] = ((pixel >>> 16) & 0x1f) | ((events.frame[i]! + from) << 8);
  }
  return new Uint8Array(words.buffer);
}

export interface ImmOptions {
  readonly height: number;
  readonly width: number;
  readonly dense: boolean;
  /** Seconds between frames, for the `elapsed` field. */
  readonly frameTimeS: number;
}

/** IMM: per frame a 1024-byte header, then int32 pixels and int16 counts (sparse), or a uint16 per pixel (dense). */
export function immBytes(events: EventList, options: ImmOptions): Uint8Array {
  const pixels = options.height * options.width;
  const firstOf = frameStarts(events);
  const bytes = new Uint8Array(
    options.dense ? events.frames * (IMM_HEADER_BYTES + 2 * pixels) : events.frames * IMM_HEADER_BYTES + events.frame.length * 6,
  );
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let frame = 0; frame < events.frames; frame++) {
    const begin = firstOf[frame]!;
    const end = firstOf[frame + 1]!;
    const stored = options.dense ? pixels : end - begin;
    writeImmHeader(view, at, frame, stored, options);
    at += IMM_HEADER_BYTES;
    for (let i = begin; i < end; i++) {
      const count = events.count[i]!;
      if (options.dense) view.setUint16(at + 2 * events.pixel[i]!, count, true);
      else {
        view.setInt32(at + 4 * (i - begin), events.pixel[i]!, true);
        view.setInt16(at + 4 * stored + 2 * (i - begin), count, true);
      }
    }
    at += stored * (options.dense ? 2 : 6);
  }
  return bytes;
}

/** Index of the first event of each frame [frames + 1]. */
function frameStarts(events: EventList): Uint32Array {
  const starts = new Uint32Array(events.frames + 1);
  for (const frame of events.frame) starts[frame + 1]!++;
  for (let f = 0; f < events.frames; f++) starts[f + 1]! += starts[f]!;
  return starts;
}

function writeImmHeader(view: DataView, at: number, frame: number, stored: number, options: ImmOptions): void {
  view.setInt32(at, 2, true); // mode
  view.setInt32(at + 4, options.dense ? 0 : 6, true); // compression
  view.setInt32(at + 56, frame, true); // number
  view.setInt32(at + 88, options.height - 1, true); // row_end
  view.setInt32(at + 96, options.width - 1, true); // col_end
  view.setInt32(at + 100, 1, true); // row_bin
  view.setInt32(at + 104, 1, true); // col_bin
  view.setInt32(at + 108, options.height, true);
  view.setInt32(at + 112, options.width, true);
  view.setInt32(at + 116, 2, true); // bytes per pixel
  view.setFloat64(at + 128, frame * options.frameTimeS, true); // elapsed
  view.setFloat64(at + 136, options.frameTimeS, true); // preset
  view.setUint32(at + 152, stored, true); // dlen
  view.setInt32(at + 160, frame, true); // buffer_number
  view.setInt32(at + 616, 12, true); // immversion
  view.setInt32(at + 620, Math.round(frame * options.frameTimeS * 1e6), true); // corecotick
  for (let i = 1012; i < IMM_HEADER_BYTES; i++) view.setUint8(at + i, 0xff);
}
