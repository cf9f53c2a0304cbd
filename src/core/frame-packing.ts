/** How a detector packed the bytes of one whole frame: row-major, little-endian unsigned words. */

export interface FramePacking {
  /** `lz4-block`: one LZ4 block. `lz4`, `bslz4`: as the HDF5 filters 32004 and 32008 pack a chunk. */
  readonly packing: "none" | "lz4-block" | "lz4" | "bslz4";
  /** Of one pixel. */
  readonly wordBytes: 1 | 2 | 4;
  /** That bitshuffle took as one element; elsewhere `wordBytes`. */
  readonly elementBytes: number;
}
