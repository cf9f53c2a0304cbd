/**
 * Keeps central's disk and memory bounded: jobs that ended long ago go into the archive, old ledger events and logs are forgotten. All of it beside
 * the turns, a little at a time; what a job is and what became of it is never forgotten here.
 */
import type { Clock, Timer } from "../core/clock.js";
import { toXpcsError } from "../core/errors.js";
import type { JobId } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { atOf, eventOf, jobOf } from "../ledger/event-text.js";
import type { Central } from "./central.js";

/** How long central keeps what it has; null: for ever, or without a bound. */
export interface Keeping {
  /** Jobs stay in the live listing for so long after their end, ms. */
  readonly liveMs: number | null;
  readonly eventsMs: number | null;
  readonly eventsBytes: number | null;
  readonly logsMs: number | null;
  readonly logsBytes: number | null;
}

const DAY_MS = 86_400_000;
const GB = 1e9;
export const DEFAULT_KEEPING: Keeping = {
  ...{ liveMs: 30 * DAY_MS, eventsMs: 365 * DAY_MS, eventsBytes: 10 * GB, logsMs: 90 * DAY_MS, logsBytes: 10 * GB },
};

/** Between two looks at all logs, or at all past events, ms: each reads them all. */
const SWEEP_MS = 3_600_000;

export class Housekeeping {
  readonly #central: Central;
  readonly #keeping: Keeping;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #sweptMs = Number.NEGATIVE_INFINITY;

  constructor(central: Central, keeping: Keeping, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#central = central;
    this.#keeping = keeping;
    this.#clock = clock;
    this.#logger = logger;
  }

  start(): void {
    this.#timer = this.#clock.after(LIMITS.tidyMs, () => {
      void this.tidy();
      this.start();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** Does all that is due; after what it is doing. */
  tidy(): Promise<void> {
    return this.#next(async () => {
      await this.#archive();
      if (await this.#isBaseDue()) await this.#forgetEvents();
      if (this.#clock.monotonicMs() - this.#sweptMs < SWEEP_MS) return;
      this.#sweptMs = this.#clock.monotonicMs();
      const { logsMs, logsBytes } = this.#keeping;
      await this.#central.logs.trim(logsMs === null ? 0 : this.#clock.nowMs() - logsMs, logsBytes ?? Number.POSITIVE_INFINITY);
    });
  }

  /** Forgets the logs and the events of jobs that were removed. */
  forgetJobs(ids: readonly JobId[]): Promise<void> {
    return this.#next(async () => {
      await this.#central.logs.remove(ids);
      await this.#forgetEvents();
    });
  }

  #next(work: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(async () => {
      if (this.#stopped) return;
      try {
        await work();
      } catch (error) {
        const { code, message } = toXpcsError(error);
        if (!this.#stopped) this.#logger.error("housekeeping-failed", { code, reason: message });
      }
    });
    return this.#running;
  }

  async #archive(): Promise<void> {
    const { liveMs } = this.#keeping;
    if (liveMs === null) return;
    const endedBefore = this.#clock.nowMs() - liveMs;
    const some = () => this.#central.turn(() => this.#central.execute({ type: "archive", endedBefore, jobsMax: LIMITS.archiveJobsMax }));
    while (!this.#stopped && (await some()).length > 0);
  }

  /** Events become past in large numbers at a time, or when they are older than they need be. */
  async #isBaseDue(): Promise<boolean> {
    const { ledger } = this.#central;
    if (ledger.sizeSinceBase >= LIMITS.baseEvents) return true;
    const { eventsMs } = this.#keeping;
    const firstMs = eventsMs === null ? null : await ledger.firstEventMs();
    return firstMs !== null && firstMs < this.#clock.nowMs() - eventsMs!;
  }

  async #forgetEvents(): Promise<void> {
    const { ledger } = this.#central;
    const { eventsMs, eventsBytes } = this.#keeping;
    await this.#central.turn(() => this.#central.wantCheckpoint());
    await ledger.rebase();
    const oldestMs = eventsMs === null ? 0 : this.#clock.nowMs() - eventsMs;
    const removed = new Set<JobId>();
    const { forgotten, bytes } = await ledger.forget((json, bytesSoFar) => {
      // Asked of the newest first: a removal comes before the events of its jobs.
      if (json.includes('"type":"removed"')) {
        const event = eventOf(json);
        if (event.type === "removed") for (const job of event.jobs) removed.add(job);
      }
      return (
        atOf(json) < oldestMs || bytesSoFar + json.length > (eventsBytes ?? Number.POSITIVE_INFINITY) || removed.has(jobOf(json) ?? "")
      );
    });
    this.#logger.info("events-forgotten", { forgotten, bytes });
  }
}
