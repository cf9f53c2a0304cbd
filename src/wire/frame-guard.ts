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

interface Item {
  /** Bytes of the header and, for scalars and strings, of the content. */
  readonly size: number;
  /** Values that follow inside it: array elements, or twice the entries of a map. */
  readonly children: number;
  readonly isMap: boolean;
  readonly isString: boolean;
}

const scalar = (size: number): Item => ({ size, children: 0, isMap: false, isString: false });
const text = (size: number): Item => ({ size, children: 0, isMap: false, isString: true });
const array = (size: number, length: number): Item => ({ size, children: length, isMap: false, isString: false });
const map = (size: number, entries: number): Item => ({ size, children: 2 * entries, isMap: true, isString: false });

function extension(view: DataView, typeAt: number, size: number): Item {
  const type = view.getUint8(typeAt);
  if (!EXTENSIONS.has(type)) refuse(typeAt, `extension type 0x${type.toString(16)} is not allowed`);
  return scalar(size);
}

/** @throws RangeError when the header itself is cut off */
function readItem(view: DataView, at: number): Item {
  const head = view.getUint8(at);
  if (head <= 0x7f || head >= 0xe0) return scalar(1);
  if (head <= 0x8f) return map(1, head & 0x0f);
  if (head <= 0x9f) return array(1, head & 0x0f);
  if (head <= 0xbf) return text(1 + (head & 0x1f));
  switch (head) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return scalar(1);
    case 0xc4:
      return scalar(2 + view.getUint8(at + 1));
    case 0xc5:
      return scalar(3 + view.getUint16(at + 1));
    case 0xc6:
      return scalar(5 + view.getUint32(at + 1));
    case 0xc7:
      return extension(view, at + 2, 3 + view.getUint8(at + 1));
    case 0xc8:
      return extension(view, at + 3, 4 + view.getUint16(at + 1));
    case 0xc9:
      return extension(view, at + 5, 6 + view.getUint32(at + 1));
    case 0xca:
    case 0xce:
    case 0xd2:
      return scalar(5);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return scalar(9);
    case 0xcc:
    case 0xd0:
      return scalar(2);
    case 0xcd:
    case 0xd1:
      return scalar(3);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return extension(view, at + 1, 2 + 2 ** (head - 0xd4));
    case 0xd9:
      return text(2 + view.getUint8(at + 1));
    case 0xda:
      return text(3 + view.getUint16(at + 1));
    case 0xdb:
      return text(5 + view.getUint32(at + 1));
    case 0xdc:
      return array(3, view.getUint16(at + 1));
    case 0xdd:
      return array(5, view.getUint32(at + 1));
    case 0xde:
      return map(3, view.getUint16(at + 1));
    case 0xdf:
      return map(5, view.getUint32(at + 1));
    default:
      return refuse(at, `byte 0x${head.toString(16)} starts no value`);
  }
}

/**
 * Checks that `bytes` from `start` hold exactly one msgpack value of plain data.
 *
 * @throws CORRUPT_DATA naming the byte
 */
export function checkFrame(bytes: Uint8Array, start: number, depthMax: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // One entry per open container: values still to come, and whether the next one is a key.
  const open: { left: number; readonly isMap: boolean }[] = [];
  let at = start;
  try {
    do {
      const item = readItem(view, at);
      const parent = open.at(-1);
      if (parent !== undefined) {
        if (parent.isMap && parent.left % 2 === 0 && !item.isString) refuse(at, "a map key that is no string");
        parent.left -= 1;
      }
      at += item.size;
      if (at > bytes.length) refuse(at - item.size, "a value that ends beyond the frame");
      if (item.children > bytes.length - at) refuse(at - item.size, "more elements than the frame has bytes");
      if (item.children > 0) open.push({ left: item.children, isMap: item.isMap });
      if (open.length > depthMax) refuse(at, `nesting deeper than ${depthMax}`);
      while (open.length > 0 && open.at(-1)?.left === 0) open.pop();
    } while (open.length > 0);
  } catch (error) {
    if (error instanceof RangeError) refuse(at, "truncated value");
    throw error;
  }
  if (at !== bytes.length) refuse(at, "bytes after the value");
}
