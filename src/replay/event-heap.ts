/** What happens next on virtual time: a binary heap of times, first come first served among equals. */

export class EventHeap {
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #runs: (() => void)[] = [];
  #order = 0;

  get size(): number {
    return this.#times.length;
  }

  /** Time of the next one; infinite: there is none. */
  get nextMs(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  add(atMs: number, run: () => void): void {
    this.#order += 1;
    this.#times.push(atMs);
    this.#orders.push(this.#order);
    this.#runs.push(run);
    let at = this.#times.length - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#isBefore(at, above)) break;
      this.#swap(at, above);
      at = above;
    }
  }

  /** Takes the next one out. Only where there is one. */
  take(): () => void {
    const run = this.#runs[0]!;
    const last = this.#times.length - 1;
    this.#swap(0, last);
    this.#times.pop();
    this.#orders.pop();
    this.#runs.pop();
    let at = 0;
    for (;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let first = at;
      if (left < last && this.#isBefore(left, first)) first = left;
      if (right < last && this.#isBefore(right, first)) first = right;
      if (first === at) return run;
      this.#swap(at, first);
      at = first;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [timeA, timeB] = [this.#times[a]!, this.#times[b]!];
    return timeA < timeB || (timeA === timeB && this.#orders[a]! < this.#orders[b]!);
  }

  #swap(a: number, b: number): void {
    for (const list of [this.#times, this.#orders]) [list[a], list[b]] = [list[b]!, list[a]!];
    [this.#runs[a], this.#runs[b]] = [this.#runs[b]!, this.#runs[a]!];
  }
}
