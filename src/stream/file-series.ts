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
  /** Of the series, not taken yet, in order; those before `#at` are taken since the last look. */
  #waiting: (readonly [number: number, name: string])[] = [];
  #at = 0;
  #late: string[] = [];
  #others: string[] = [];
  /** Numbers that were not waited for, [from, to); the first range are those before the first file. */
  readonly #missed: [number, number][] = [];
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
    if (this.#series === null) {
      const first = [...names].sort(inOrder.compare).find((name) => this.#numberOf(name) !== null);
      this.#series = first === undefined ? null : this.#numberOf(first)!.series;
    }
    const found = new Map<number, string>();
    [this.#others, this.#late, this.#at] = [[], [], 0];
    for (const name of names) {
      const parts = this.#numberOf(name);
      const same = parts === null ? undefined : found.get(parts.number);
      if (parts === null || parts.series !== this.#series) this.#others.push(name);
      else if (this.#next !== null && parts.number < this.#next) this.#seeOld(name, parts.number);
      else if (same === undefined || name < same) {
        if (same !== undefined) this.#others.push(same);
        found.set(parts.number, name);
      } else this.#others.push(name);
    }
    this.#waiting = [...found].sort(([a], [b]) => a - b);
  }

  /** Its turn is over: it was taken, or counts as missing. */
  #seeOld(name: string, number: number): void {
    if (this.#missed.some(([from, to]) => number >= from && number < to)) this.#late.push(name);
  }

  /** Of the series, and not taken yet: the expected one and those after it, in order. */
  waiting(): string[] {
    return this.#waiting.slice(this.#at).map(([, name]) => name);
  }

  /** Not of the series, at the last look. */
  get others(): readonly string[] {
    return this.#others;
  }

  /** Came when their numbers were missing already, at the last look. */
  get late(): readonly string[] {
    return this.#late;
  }

  /**
   * The file to take now, which counts as taken; null: none yet.
   * @param isComplete asked of files in order, until one is @param force nothing more comes: what is missing is not waited for
   */
  next(nowMs: number, isComplete: (name: string) => boolean, force: boolean): NextFile | null {
    const first = this.#waiting[this.#at];
    if (first === undefined) return null;
    const expected = this.#next ?? first[0];
    for (let at = this.#at; at < this.#waiting.length; at += 1) {
      const [number, name] = this.#waiting[at]!;
      if (!isComplete(name)) continue;
      if (number === expected) return this.#take(at, 0);
      this.#sinceMs ??= nowMs;
      return force || nowMs - this.#sinceMs >= this.#missingMs ? this.#take(at, number - expected) : null;
    }
    this.#sinceMs = null;
    return null;
  }

  #take(at: number, missed: number): NextFile {
    const [number, name] = this.#waiting[at]!;
    if (this.#next === null) this.#missed.push([0, number]);
    else if (missed > 0) this.#missed.push([number - missed, number]);
    [this.#next, this.#at, this.#sinceMs] = [number + 1, at + 1, null];
    return { name, number, missed };
  }
}
