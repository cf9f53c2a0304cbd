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
    this.#rise(atMs, this.#order, run);
  }

  /** Takes the next one out. Only where there is one. */
  take(): () => void {
    const first = this.#runs[0]!;
    const [time, order, run] = [this.#times.pop()!, this.#orders.pop()!, this.#runs.pop()!];
    if (this.#times.length > 0) this.#sink(time, order, run);
    return first;
  }

  /** From the last place upwards to its own. */
  #rise(time: number, order: number, run: () => void): void {
    let at = this.#times.length - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#times[above]! <= time) break;
      this.#move(above, at);
      at = above;
    }
    this.#put(at, time, order, run);
  }

  /** From the first place downwards to its own. */
  #sink(time: number, order: number, run: () => void): void {
    const size = this.#times.length;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= size) break;
      if (below + 1 < size && this.#isBefore(below + 1, this.#times[below]!, this.#orders[below]!)) below += 1;
      if (!this.#isBefore(below, time, order)) break;
      this.#move(below, at);
      at = below;
    }
    this.#put(at, time, order, run);
  }

  #isBefore(at: number, time: number, order: number): boolean {
    return this.#times[at]! < time || (this.#times[at]! === time && this.#orders[at]! < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#orders[from]!, this.#runs[from]!);
  }

  #put(at: number, time: number, order: number, run: () => void): void {
    this.#times[at] = time;
    this.#orders[at] = order;
    this.#runs[at] = run;
  }
}
