/**
 * Which jobs changed since a cursor, and waking whoever waits for it. Recent changes, progress included, come from a ring in memory; older
 * cursors, and those from before a restart of central, are answered from the sequence numbers that jobs carry in the ledger.
 * A cursor is `<ledger sequence>.<incarnation>.<place in the ring>`; without an incarnation the place is one in the order of submission.
 */
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { JobId } from "../core/job.js";
import type { State } from "../ledger/state.js";

const RING = 8_192;

export interface Changes {
  /** Each once, oldest change first. */
  readonly jobs: readonly JobId[];
  /** The cursor after the first n of them. */
  cursorAfter(n: number): string;
}

export class ChangeFeed {
  readonly #state: State;
  /** Tells this run of central from others: places in the ring mean nothing elsewhere. */
  readonly #incarnation: string;
  readonly #ring: { readonly place: number; readonly sequence: number; readonly job: JobId }[] = [];
  #place = 0;
  /** The place that those who wait were last told of. */
  #woken = 0;
  #waiting = new Set<() => void>();
  #stopped = false;

  constructor(state: State, incarnation: string) {
    this.#state = state;
    this.#incarnation = incarnation;
  }

  changed(job: JobId): void {
    this.#place += 1;
    this.#ring.push({ place: this.#place, sequence: this.#state.sequence, job });
    if (this.#ring.length >= 2 * RING) this.#ring.splice(0, RING);
  }

  /** Tells those who wait. After the commit: nobody may see what could still be lost. */
  wake(): void {
    // Looking is a turn too: waking without news would make two who wait wake each other for ever.
    if (this.#woken === this.#place) return;
    this.#woken = this.#place;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const run of waiting) run();
  }

  /** Resolves at the next wake, or after `waitMs`. */
  wait(clock: Clock, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const timer = clock.after(waitMs, done);
      this.#waiting.add(done);
    });
  }

  /** Lets those who wait go; from now on nobody should. */
  stop(): void {
    this.#stopped = true;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const run of waiting) run();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  now(): string {
    return `${this.#state.sequence}.${this.#incarnation}.${this.#place}`;
  }

  /** @throws INVALID_ARGUMENT no cursor of this interface */
  since(cursor: string): Changes {
    const match = /^(\d{1,15})\.([\w-]{0,32})\.(\d{1,15})$/.exec(cursor);
    if (match === null) throw new XpcsError("INVALID_ARGUMENT", `"${cursor}" is no cursor: start with null`);
    const place = Number(match[3]);
    const oldest = this.#ring[0]?.place ?? this.#place + 1;
    if (match[2] === this.#incarnation && place >= oldest - 1) return this.#fromRing(place);
    return this.#fromLedger(Number(match[1]), match[2] === "" ? place : 0);
  }

  #fromRing(place: number): Changes {
    const last = new Map<JobId, { readonly place: number; readonly sequence: number }>();
    const oldest = this.#ring[0]?.place ?? 0;
    for (const entry of this.#ring.slice(Math.max(0, place + 1 - oldest))) {
      last.delete(entry.job);
      last.set(entry.job, entry);
    }
    const entries = [...last];
    return {
      jobs: entries.map(([job]) => job),
      cursorAfter: (n) => {
        if (n >= entries.length) return this.now();
        const at = entries[n - 1]?.[1];
        if (at === undefined) return `${this.#state.sequence}.${this.#incarnation}.${place}`;
        // The jobs of one event have one sequence number: while some of them are to come, the ledger begins with that event again.
        const passed = at.sequence === entries[n]![1].sequence ? at.sequence - 1 : at.sequence;
        return `${passed}.${this.#incarnation}.${at.place}`;
      },
    };
  }

  /** @param from of the jobs that the event at `sequence` changed, those from this place in the order of submission are to come; 0: none */
  #fromLedger(sequence: number, from: number): Changes {
    const jobs = [...this.#state.jobs.values()]
      .filter(({ changed, index }) => changed > sequence || (from > 0 && changed === sequence && index >= from))
      .sort((a, b) => a.changed - b.changed || a.index - b.index);
    return {
      jobs: jobs.map(({ id }) => id),
      // No incarnation: the rest is answered from the ledger again.
      cursorAfter: (n) => {
        if (n >= jobs.length) return this.now();
        const at = jobs[n - 1];
        return at === undefined ? `${sequence}..${from}` : `${at.changed}..${at.index + 1}`;
      },
    };
  }
}
