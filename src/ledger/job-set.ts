/**
 * A set of jobs by their place in the order of submission, walked from the newest. A small or scattered set is a sorted list; a larger one is
 * blocks of bits, so that a set of most of a million jobs takes 128 kB and a step over a thousand absent ones costs as much as one job.
 */

/** So few are always a list, so many never: changing a list costs as much as it is long. */
const LIST_MIN = 64;
const LIST_MAX = 4_096;
/** A list becomes blocks when so many of its members share a block: a block takes as much memory as 24 members of a list. */
const CROWDED = 24;
/** Jobs of one block: 32 words. */
const BLOCK = 1_024;
const WORDS = BLOCK / 32;

/** Place of the first number in the ascending `list` that is not below `value`. */
export function lowerBound(list: readonly number[], value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isCrowded(list: readonly number[]): boolean {
  if (list.length <= LIST_MIN) return false;
  const blocks = Math.floor(list.at(-1)! / BLOCK) - Math.floor(list[0]! / BLOCK) + 1;
  return list.length > LIST_MAX || list.length >= CROWDED * blocks;
}

export class JobSet {
  /** Ascending; null when there are blocks. */
  #list: number[] | null = [];
  #blocks: (Uint32Array | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    if (this.#list !== null) return this.#list[lowerBound(this.#list, index)] === index;
    const block = this.#blocks[Math.floor(index / BLOCK)];
    return block !== undefined && (block[(index % BLOCK) >>> 5]! & (1 << (index & 31))) !== 0;
  }

  add(index: number): void {
    if (this.has(index)) return;
    this.#size += 1;
    if (this.#list !== null) {
      this.#list.splice(lowerBound(this.#list, index), 0, index);
      if (isCrowded(this.#list)) this.#toBlocks(this.#list);
    } else this.#set(index);
  }

  delete(index: number): void {
    if (!this.has(index)) return;
    this.#size -= 1;
    if (this.#list !== null) this.#list.splice(lowerBound(this.#list, index), 1);
    else {
      const at = Math.floor(index / BLOCK);
      const block = this.#blocks[at]!;
      block[(index % BLOCK) >>> 5]! &= ~(1 << (index & 31));
      if (block.every((word) => word === 0)) this.#blocks[at] = undefined;
      if (this.#size === 0) {
        this.#list = [];
        this.#blocks = [];
      }
    }
  }

  #toBlocks(list: readonly number[]): void {
    this.#list = null;
    for (const index of list) this.#set(index);
  }

  #set(index: number): void {
    const at = Math.floor(index / BLOCK);
    const block = this.#blocks[at] ?? new Uint32Array(WORDS);
    this.#blocks[at] = block;
    block[(index % BLOCK) >>> 5]! |= 1 << (index & 31);
  }

  /** False when none of the members `32 * word` to `32 * word + 31` and others of their block can be there. */
  mayHave(word: number): boolean {
    return this.#list !== null || this.#blocks[Math.floor(word / WORDS)] !== undefined;
  }

  /** The members `32 * word` to `32 * word + 31` as bits, the first as the lowest. */
  word(word: number): number {
    if (this.#list === null) return this.#blocks[Math.floor(word / WORDS)]?.[word % WORDS] ?? 0;
    let bits = 0;
    for (let at = lowerBound(this.#list, 32 * word); this.#list[at]! < 32 * (word + 1); at += 1) bits |= 1 << (this.#list[at]! & 31);
    return bits >>> 0;
  }

  /** Its largest member below `limit`, or -1. */
  before(limit: number): number {
    if (this.#list !== null) return this.#list[lowerBound(this.#list, limit) - 1] ?? -1;
    for (let at = Math.min(this.#blocks.length - 1, Math.floor((limit - 1) / BLOCK)); at >= 0; at -= 1) {
      const block = this.#blocks[at];
      if (block === undefined) continue;
      const last = Math.min(BLOCK, limit - at * BLOCK) - 1;
      for (let word = last >>> 5; word >= 0; word -= 1) {
        const mask = word === last >>> 5 ? 0xffff_ffff >>> (31 - (last & 31)) : 0xffff_ffff;
        const bits = (block[word]! & mask) >>> 0;
        if (bits !== 0) return at * BLOCK + word * 32 + 31 - Math.clz32(bits);
      }
    }
    return -1;
  }
}

/** What `JobSet` and a union of them have in common. */
export type Words = Pick<JobSet, "mayHave" | "word">;

/** The largest number below `limit` that is in all of `sets`, or -1: 32 at a time, and past whole blocks that one of them lacks. */
export function lastCommon(sets: readonly Words[], limit: number): number {
  let mask = 0xffff_ffff >>> (31 - ((limit - 1) & 31));
  for (let word = Math.floor((limit - 1) / 32); word >= 0; word -= 1) {
    if (sets.every((set) => set.mayHave(word))) {
      let bits = mask;
      for (const set of sets) bits &= set.word(word);
      if (bits !== 0) return 32 * word + 31 - Math.clz32(bits);
    } else word -= word % WORDS;
    mask = 0xffff_ffff;
  }
  return -1;
}
