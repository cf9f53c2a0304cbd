/** Links that have not shown a token yet: so many at a time, and the oldest makes room, so that silent peers cannot keep others out. */
import { XpcsError } from "../core/errors.js";
import type { Link } from "../wire/link.js";

export class Newcomers {
  readonly #max: number;
  /** Oldest first. */
  readonly #links = new Set<Link>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts a fresh link until it closes or `release` is called; may close the oldest one. */
  admit(link: Link): void {
    this.#links.add(link);
    link.onClose(() => this.#links.delete(link));
    const [oldest] = this.#links;
    if (oldest === undefined || this.#links.size <= this.#max) return;
    oldest.close(new XpcsError("OVERLOADED", `more than ${this.#max} links wait to show a token: the oldest makes room`));
  }

  /** The link has shown a token. */
  release(link: Link): void {
    this.#links.delete(link);
  }
}
