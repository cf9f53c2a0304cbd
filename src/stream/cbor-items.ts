/** How many items a CBOR message has, before any is made of it: a few megabytes of tiny ones take gigabytes of memory to decode. Reads heads alone. */

/** Bytes of the argument behind a head, by its lowest five bits from 24 on. */
const ARGUMENT_BYTES = [1, 2, 4, 8] as const;
const INDEFINITE = 31;
const BYTE_STRING = 2;
const TEXT = 3;

/**
 * True when the message has more than `most` heads. What is no CBOR ends the count: the decoder says what is wrong with it.
 * @source RFC 8949, section 3
 */
export function hasMoreItems(bytes: Uint8Array, most: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, items = 1; at < bytes.length; items++) {
    if (items > most) return true;
    const head = bytes[at]!;
    const [major, low] = [head >> 5, head & 31];
    at += 1;
    let argument = low;
    if (low >= 24 && low !== INDEFINITE) {
      const length = ARGUMENT_BYTES[low - 24];
      if (length === undefined || at + length > bytes.length) return false;
      argument =
        length === 1
          ? view.getUint8(at)
          : length === 2
            ? view.getUint16(at)
            : length === 4
              ? view.getUint32(at)
              : Number(view.getBigUint64(at));
      at += length;
    }
    if ((major === BYTE_STRING || major === TEXT) && low !== INDEFINITE) at += argument;
  }
  return false;
}
