/**
 * A fake central for tests of a site: grants what it is told to, keeps epochs, records what the site says. It imitates the
 * promises of WorkSource that a site relies on (epochs, STALE_LEASE, news), not the ledger; a link can be cut at will.
 */
import { XpcsError } from "../../src/core/errors.js";
import type { Lease, OutputFile, Resources, Work } from "../../src/core/job.js";
import { silentLogger } from "../../src/core/log.js";
import { type LeaseRef, type SiteNews, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { type Connection, connect } from "../../src/wire/connect.js";
import { expose } from "../../src/wire/expose.js";
import type { Link } from "../../src/wire/link.js";
import { memoryLinkPair } from "../../src/wire/memory-link.js";

export interface Said {
  readonly completed: {
    readonly lease: LeaseRef;
    readonly outputs: readonly OutputFile[];
    readonly summary: Readonly<Record<string, unknown>>;
  }[];
  readonly failed: { readonly lease: LeaseRef; readonly code: string; readonly reason: string }[];
  readonly returned: LeaseRef[];
  readonly states: string[];
  /** When the files of each lease would be there, with each renewal. */
  readonly files: { readonly job: string; readonly inMs: number | undefined; readonly atMs: number }[];
  /** What was pushed, by stream; ASCII. */
  readonly logs: Record<string, string>;
  joins: number;
  left: boolean;
  /** Why it takes no work, as of the last renewal; null: it does. */
  draining: string | null;
}

export interface FakeCentral {
  readonly said: Said;
  /** Grants work under the next epoch of its job, at the site's next poll. */
  grant(job: string, work: Work, resources?: Resources, more?: Pick<Lease, "owner" | "experiment" | "inputBytes">): LeaseRef;
  /** As if the lease had expired and been granted to another site. */
  takeAway(job: string): void;
  cancel(lease: LeaseRef): void;
  /** Asks for it back, if it has not begun. */
  recall(lease: LeaseRef): void;
  /** Cuts the link; while `away`, nobody answers the phone. */
  goAway(): void;
  comeBack(): void;
  /** Called before a completion is recorded; may throw to lose the reply. */
  onComplete: (() => void) | null;
  readonly dial: () => Promise<Connection<WorkSource>>;
}

const LEASE_MS = 2_000;

/** A central without jobs; its sites renew every `renewMs`. @param isOld it knows no bound of jobs */
export function createFakeCentral({ renewMs = 100, isOld = false } = {}): FakeCentral {
  const epochs = new Map<string, number>();
  const finished = new Set<string>();
  const queue: Lease[] = [];
  const canceled: LeaseRef[] = [];
  const recalled: LeaseRef[] = [];
  const links = new Set<Link>();
  const said: Said = { completed: [], failed: [], returned: [], states: [], files: [], logs: {}, joins: 0, left: false, draining: null };
  let away = false;
  /** Counts outages: a poll from before one gets nothing that was granted after it. */
  let outages = 0;
  /** A newer poll answers the older one with nothing. */
  let polls = 0;
  let wake = (): void => {};

  const isCurrent = ({ job, epoch }: LeaseRef): boolean => epochs.get(job) === epoch;
  const newsFor = (held: readonly LeaseRef[]): SiteNews => ({
    lost: held.filter((lease) => !isCurrent(lease) || finished.has(lease.job)),
    cancel: held.filter((lease) => canceled.some(({ job, epoch }) => job === lease.job && epoch === lease.epoch)),
    recall: recalled,
    drain: false,
  });
  const checkCurrent = (lease: LeaseRef): void => {
    if (!isCurrent(lease)) throw new XpcsError("STALE_LEASE", `${lease.job}.${lease.epoch} was granted again`);
  };

  const source: WorkSource = {
    async join({ held }) {
      said.joins += 1;
      return { leaseMs: LEASE_MS, renewMs, news: newsFor(held) };
    },
    async lease({ slots, jobsMax = slots, waitMs }) {
      const most = isOld ? slots : Math.min(slots, jobsMax);
      const before = outages;
      wake();
      polls += 1;
      const mine = polls;
      if (queue.length === 0 || most === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
          realClock.after(waitMs, resolve);
        });
      const current = before === outages && mine === polls;
      return { leases: current ? queue.splice(0, most) : [], news: { ...newsFor([]), cancel: canceled } };
    },
    async renew({ held, draining = null }) {
      said.draining = draining;
      for (const { job, epoch, state, filesInMs } of held) {
        said.states.push(`${job}.${epoch} ${state}`);
        said.files.push({ job, inMs: filesInMs, atMs: realClock.monotonicMs() });
      }
      return { news: newsFor(held) };
    },
    async complete({ lease, outputs, summary }) {
      checkCurrent(lease);
      fake.onComplete?.();
      if (!finished.has(lease.job)) said.completed.push({ lease, outputs, summary });
      finished.add(lease.job);
      return { news: newsFor([]) };
    },
    async fail({ lease, code, reason }) {
      checkCurrent(lease);
      said.failed.push({ lease, code, reason });
      return { news: newsFor([]) };
    },
    async giveBack({ leases }) {
      said.returned.push(...leases);
      return { news: newsFor([]) };
    },
    async pushLive() {
      return {};
    },
    async pushLog({ stream, data }) {
      const before = said.logs[stream] ?? "";
      said.logs[stream] = before + new TextDecoder().decode(data);
      return { size: said.logs[stream].length };
    },
    async backlog() {
      return { waitingSlots: queue.length, pilots: [] };
    },
    async leave() {
      said.left = true;
      return {};
    },
  };

  const fake: FakeCentral = {
    said,
    grant(job, work, resources, more) {
      const epoch = (epochs.get(job) ?? 0) + 1;
      epochs.set(job, epoch);
      queue.push({ job, epoch, work, ...(resources && { resources }), ...more, leaseMs: LEASE_MS });
      wake();
      return { job, epoch };
    },
    takeAway(job) {
      epochs.set(job, (epochs.get(job) ?? 0) + 1);
    },
    cancel(lease) {
      canceled.push(lease);
      wake();
    },
    recall(lease) {
      recalled.push(lease);
      wake();
    },
    goAway() {
      away = true;
      outages += 1;
      for (const link of links) link.close();
      links.clear();
    },
    comeBack() {
      away = false;
    },
    onComplete: null,
    async dial() {
      if (away) throw new XpcsError("UNAVAILABLE", "central is away");
      const [near, far] = memoryLinkPair();
      links.add(far);
      expose(source, WORK_SOURCE_METHODS, far, { logger: silentLogger });
      return connect(near, WORK_SOURCE_METHODS, { clock: realClock });
    },
  };
  return fake;
}
