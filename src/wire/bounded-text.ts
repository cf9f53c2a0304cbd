/** A body as text, read no further than its bound, whatever its headers say. */

/** @returns null: there is more than `bytesMax` */
export async function boundedText(pieces: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string | null> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > bytesMax) return null;
    kept.push(piece);
  }
  return Buffer.concat(kept).toString("utf8");
}
