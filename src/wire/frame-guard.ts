/**
 * Walks the bytes of a msgpack value before anything is built from them. A decoder allocates what a header
 * claims and recurses as deep as the bytes say; a peer that is not trusted must not choose either.
 * Refuses: nesting beyond the limit, lengths beyond the frame, map keys that are no strings, every extension type
 * that plain data does not need, bytes after the value. Does not decode.
 */
import { XpcsError } from "../core/errors.js";

/** Extensions of plain data: `undefined` (0) and typed arrays (0x74). */
const EXTENSIONS = new Set([0x00, 0x74]);

function refuse(offset: number, what: string): never {
  throw new XpcsError("CORRUPT_DATA", `frame refused: ${what} at byte ${offset}`);
}

/** How the bytes after the first one of a value are to be read. */
const SCALAR = 0;
const STRING = 1;
const ARRAY = 2;
const MAP = 3;
const EXTENSION = 4;
const NOTHING = 5;

/** By the first byte: kind; bytes that hold a length (0: the length is `FIXED`); bytes that follow, or elements. */
const KIND = new Uint8Array(256);
const LENGTH_BYTES = new Uint8Array(256);
const FIXED = new Uint8Array(256);

function define(first: number, last: number, kind: number, lengthBytes: number, fixed: (head: number) => number = () => 0): void {
  for (let head = first; head <= last; head += 1) {
    KIND[head] = kind;
    LENGTH_BYTES[head] = lengthBytes;
    FIXED[head] = fixed(head);
  }
}

define(0x00, 0x7f, SCALAR, 0);
define(0x80, 0x8f, MAP, 0, (head) => head & 0x0f);
define(0x90, 0x9f, ARRAY, 0, (head) => head & 0x0f);
define(0xa0, 0xbf, STRING, 0, (head) => head & 0x1f);
define(0xc0, 0xc0, SCALAR, 0);
define(0xc1, 0xc1, NOTHING, 0);
define(0xc2, 0xc3, SCALAR, 0);
for (const [at, bytes] of [1, 2, 4].entries()) {
  define(0xc4 + at, 0xc4 + at, SCALAR, bytes);
  define(0xc7 + at, 0xc7 + at, EXTENSION, bytes);
  define(0xd9 + at, 0xd9 + at, STRING, bytes);
}
define(0xca, 0xca, SCALAR, 0, () => 4);
define(0xcb, 0xcb, SCALAR, 0, () => 8);
define(0xcc, 0xcf, SCALAR, 0, (head) => 2 ** (head - 0xcc));
define(0xd0, 0xd3, SCALAR, 0, (head) => 2 ** (head - 0xd0));
define(0xd4, 0xd8, EXTENSION, 0, (head) => 2 ** (head - 0xd4));
define(0xdc, 0xdc, ARRAY, 2);
define(0xdd, 0xdd, ARRAY, 4);
define(0xde, 0xde, MAP, 2);
define(0xdf, 0xdf, MAP, 4);
define(0xe0, 0xff, SCALAR, 0);

function bigEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let end = at + size; at < end; at += 1) value = value * 256 + bytes[at]!;
  return value;
}

/** Values that are still to come in each open container, innermost last, and whether it is a map: of one walk at a time. */
const left = new Float64Array(256);
const inMap = new Uint8Array(256);

/**
 * Checks that `bytes` from `start` hold exactly one msgpack value of plain data.
 *
 * @param depthMax below 256
 * @throws CORRUPT_DATA naming the byte
 */
export function checkFrame(bytes: Uint8Array, start: number, depthMax: number): void {
  const end = bytes.length;
  let at = start;
  let depth = 0;
  do {
    if (at >= end) refuse(at, "truncated value");
    const from = at;
    const head = bytes[at]!;
    const kind = KIND[head]!;
    const lengthBytes = LENGTH_BYTES[head]!;
    if (kind === NOTHING) refuse(at, `byte 0x${head.toString(16)} starts no value`);
    at += 1 + lengthBytes + (kind === EXTENSION ? 1 : 0);
    if (at > end) refuse(from, "truncated value");
    const length = lengthBytes === 0 ? FIXED[head]! : bigEndian(bytes, from + 1, lengthBytes);
    if (kind === EXTENSION && !EXTENSIONS.has(bytes[at - 1]!))
      refuse(at - 1, `extension type 0x${bytes[at - 1]!.toString(16)} is not allowed`);
    if (depth > 0) {
      const parent = depth - 1;
      if (inMap[parent] === 1 && left[parent]! % 2 === 0 && kind !== STRING) refuse(from, "a map key that is no string");
      left[parent]! -= 1;
    }
    if (kind === ARRAY || kind === MAP) {
      const children = kind === MAP ? 2 * length : length;
      if (children > end - at) refuse(from, "more elements than the frame has bytes");
      if (children > 0) {
        if (depth >= depthMax) refuse(at, `nesting deeper than ${depthMax}`);
        left[depth] = children;
        inMap[depth] = kind === MAP ? 1 : 0;
        depth += 1;
      }
    } else {
      at += length;
      if (at > end) refuse(from, "a value that ends beyond the frame");
    }
    while (depth > 0 && left[depth - 1] === 0) depth -= 1;
  } while (depth > 0);
  if (at !== end) refuse(at, "bytes after the value");
}
