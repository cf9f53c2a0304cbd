/**
 * What a ledger tells of a run: the times of each finished job, the slots that each site had and when, and when jobs waited. Pure. Durations are those
 * that sites report with a completion, by their own clocks; the rest are times of central.
 */
import type { JobId, SiteName } from "../../src/core/job.js";
import type { LedgerEvent, Summary } from "../../src/ledger/events.js";
import { upcast } from "../../src/ledger/upcast.js";

/** From, until; ms since 1970. */
export type Span = readonly [fromMs: number, untilMs: number];

/** A job that finished; of its attempts the last. */
export interface FinishedJob {
  readonly job: JobId;
  readonly site: SiteName;
  readonly submittedMs: number;
  readonly leasedMs: number;
  readonly stageInS: number;
  /** From when its files were there until its work began, s. */
  readonly delayS: number;
  readonly runS: number;
  readonly stageOutS: number;
  readonly finishedMs: number;
}

/** Slots of a site, from when it joined until it left, or central took its leases back. */
export interface SlotSpan {
  readonly site: SiteName;
  readonly slots: number;
  readonly span: Span;
}

export interface Story {
  readonly finished: readonly FinishedJob[];
  readonly slots: readonly SlotSpan[];
  /** When at least one job waited for a site. */
  readonly backlog: readonly Span[];
  /** Attempts by how they ended. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** From the first submission to the last event of a job. */
  readonly whole: Span;
}

/** The events of a ledger as `xpcs ledger backup` writes it. @throws VERSION_MISMATCH · CORRUPT_DATA */
export function eventsOf(text: string): LedgerEvent[] {
  const lines = text.split("\n").filter((line) => /^\[\d/.test(line));
  return lines.map((line) => upcast(...(JSON.parse(line) as [number, unknown])));
}

const secondsOf = (summary: Summary, name: string): number => Number(summary[name] ?? 0);

/** When work of the job began: what its site brought, and waited for, comes after the lease. */
export function runSpan({ leasedMs, stageInS, delayS, runS }: FinishedJob): Span {
  const fromMs = leasedMs + 1000 * (stageInS + delayS);
  return [fromMs, fromMs + 1000 * runS];
}

/** Follows the slots of sites. */
class SlotWatch {
  readonly spans: SlotSpan[] = [];
  readonly #sizes = new Map<SiteName, number>();
  readonly #open = new Map<SiteName, number>();

  join(site: SiteName, slots: number, at: number): void {
    this.leave(site, at);
    this.#sizes.set(site, slots);
    this.#open.set(site, at);
  }

  /** It shows that it is there. */
  back(site: SiteName, at: number): void {
    if (!this.#open.has(site)) this.#open.set(site, at);
  }

  leave(site: SiteName, at: number): void {
    const fromMs = this.#open.get(site);
    if (fromMs === undefined) return;
    this.#open.delete(site);
    this.spans.push({ site, slots: this.#sizes.get(site) ?? 0, span: [fromMs, at] });
  }

  end(at: number): void {
    for (const site of [...this.#open.keys()]) this.leave(site, at);
  }
}

/** When a number was above 0. */
class Above {
  readonly spans: Span[] = [];
  #count = 0;
  #sinceMs = 0;

  add(by: number, at: number): void {
    if (this.#count === 0 && by > 0) this.#sinceMs = at;
    this.#count += by;
    if (this.#count === 0 && by < 0) this.spans.push([this.#sinceMs, at]);
  }

  end(at: number): void {
    if (this.#count > 0) this.spans.push([this.#sinceMs, at]);
  }
}

/**
 * @param events in their order, of a ledger without jobs that have parents, are canceled or fail
 * @param isOf which jobs count; sites are those of the whole ledger
 */
export function storyOf(events: readonly LedgerEvent[], isOf: (job: JobId) => boolean): Story {
  const submitted = new Map<JobId, number>();
  const leases = new Map<JobId, { site: SiteName; at: number }>();
  const finished: FinishedJob[] = [];
  const outcomes: Record<string, number> = {};
  const slots = new SlotWatch();
  const waiting = new Above();
  let lastMs = 0;
  for (const event of events) {
    const { at } = event;
    if (event.type === "siteJoined") slots.join(event.site, event.slots, at);
    if (event.type === "siteLeft") slots.leave(event.site, at);
    if (event.type === "submitted") {
      const jobs = event.jobs.filter(isOf);
      for (const job of jobs) submitted.set(job, at);
      waiting.add(jobs.length, at);
    }
    if (!("job" in event) || !isOf(event.job)) continue;
    lastMs = at;
    const lease = leases.get(event.job);
    if (event.type === "leased") {
      leases.set(event.job, { site: event.site, at });
      slots.back(event.site, at);
      waiting.add(-1, at);
    } else if (event.type === "resumed" && lease !== undefined) {
      outcomes.lost = (outcomes.lost ?? 0) - 1;
      slots.back(lease.site, at);
      waiting.add(-1, at);
    } else if (event.type === "attemptEnded" && lease !== undefined) {
      outcomes[event.outcome] = (outcomes[event.outcome] ?? 0) + 1;
      if (event.outcome === "lost") slots.leave(lease.site, at);
      if (event.next === "retry") waiting.add(1, at);
    } else if (event.type === "completed" && lease !== undefined) {
      outcomes.finished = (outcomes.finished ?? 0) + 1;
      finished.push({
        job: event.job,
        site: lease.site,
        submittedMs: submitted.get(event.job) ?? lease.at,
        leasedMs: lease.at,
        stageInS: secondsOf(event.summary, "stageInS"),
        delayS: secondsOf(event.summary, "slotWaitS"),
        runS: event.runMs / 1000,
        stageOutS: secondsOf(event.summary, "stageOutS"),
        finishedMs: at,
      });
    }
  }
  slots.end(lastMs);
  waiting.end(lastMs);
  const firstMs = Math.min(...submitted.values());
  return { finished, slots: slots.spans, backlog: waiting.spans, outcomes, whole: [firstMs, lastMs] };
}
