/**
 * The files of one series that arrive in a folder, in the order of their numbers: which is the next, and which are missing. Pure: names and times in,
 * decisions out.
 */

/** `#` in a pattern stands for the number; without one it is the last digits of a name. */
export type NumberOf = (name: string) => { readonly series: string; readonly number: number } | null;

/** By the last digits before the ending: `scan_0007.imm` is number 7 of `scan_#.imm`. */
export const lastDigits: NumberOf = (name) => {
  const dot = name.lastIndexOf(".");
  const parts = /^(.*?)(\d+)(\D*)$/s.exec(dot > 0 ? name.slice(0, dot) : name);
  if (parts === null) return null;
  const [, before, digits, after] = parts;
  return { series: `${before}#${after}${dot > 0 ? name.slice(dot) : ""}`, number: Number(digits) };
};

export interface NextFile {
  readonly name: string;
  readonly number: number;
  /** Numbers before it that are not waited for any longer. */
  readonly missed: number;
}

const inOrder = new Intl.Collator("en", { numeric: true });

export class FileSeries {
  readonly #numberOf: NumberOf;
  readonly #missingMs: number;
  #series: string | null = null;
  #names = new Map<number, string>();
  /** Numbers that were not waited for, [from, to); the first range are those before the first file. */
  readonly #missed: [number, number][] = [];
  #others: readonly string[] = [];
  /** The number that is expected; null: any. */
  #next: number | null = null;
  /** Since when a later one is complete. */
  #sinceMs: number | null = null;

  /** @param missingMs a number that has not come for so long, and a later one is complete, is missing */
  constructor(numberOf: NumberOf, missingMs: number) {
    this.#numberOf = numberOf;
    this.#missingMs = missingMs;
  }

  /** What is in the folder now. The first in natural order says which series it is. */
  see(names: readonly string[]): void {
    this.#names = new Map();
    const others: string[] = [];
    for (const name of [...names].sort(inOrder.compare)) {
      const found = this.#numberOf(name);
      if (found !== null) this.#series ??= found.series;
      const twice = found !== null && this.#names.has(found.number);
      if (found === null || found.series !== this.#series || twice) others.push(name);
      else this.#names.set(found.number, name);
    }
    this.#others = others;
  }

  /** Of the series, and not taken yet: the expected one and those after it, in order. */
  waiting(): string[] {
    return this.#candidates().map(([, name]) => name);
  }

  /** Not of the series. */
  get others(): readonly string[] {
    return this.#others;
  }

  /** Came when their numbers were missing already. */
  get late(): string[] {
    const missed = (number: number): boolean => this.#missed.some(([from, to]) => number >= from && number < to);
    return [...this.#names].filter(([number]) => missed(number)).map(([, name]) => name);
  }

  /**
   * The file to take now, which counts as taken; null: none yet.
   * @param isComplete asked of files in order, until one is @param force nothing more comes: what is missing is not waited for
   */
  next(nowMs: number, isComplete: (name: string) => boolean, force: boolean): NextFile | null {
    const candidates = this.#candidates();
    const first = candidates[0];
    if (first === undefined) return null;
    const expected = this.#next ?? first[0];
    for (const [number, name] of candidates) {
      if (!isComplete(name)) continue;
      if (number === expected) return this.#take(number, name, 0);
      this.#sinceMs ??= nowMs;
      if (force || nowMs - this.#sinceMs >= this.#missingMs) return this.#take(number, name, number - expected);
      return null;
    }
    this.#sinceMs = null;
    return null;
  }

  #take(number: number, name: string, missed: number): NextFile {
    if (this.#next === null) this.#missed.push([0, number]);
    else if (missed > 0) this.#missed.push([number - missed, number]);
    this.#next = number + 1;
    this.#sinceMs = null;
    return { name, number, missed };
  }

  #candidates(): [number, string][] {
    const from = this.#next ?? 0;
    return [...this.#names].filter(([number]) => number >= from).sort(([a], [b]) => a - b);
  }
}
