/**
 * A shift: what comes when, at which sites, and what goes wrong. Recorded (recorded.ts), made up (synthetic.ts) or published figures (bench/experiment);
 * world.ts runs it.
 */
import type { JobId, JobSpec, SelfTest, SiteCapacity, SiteName } from "../core/job.js";

/** Jobs of one request. */
export interface Arrival {
  /** ms since the beginning of the shift; they never decrease. */
  readonly atMs: number;
  readonly specs: readonly JobSpec[];
}

/** How long a job's stages take at a site, as nature has it: the router does not know. */
export interface JobTimes {
  /** Before the first byte of a transfer for it moves, ms. */
  readonly setUpMs: number;
  /** At which a transfer for it goes when nothing else is in its way, bytes/ms. */
  readonly rateBytesPerMs: number;
  readonly runMs: number;
  readonly outMs: number;
  readonly resultBytes: number;
}

/** How inputs get to a site. Jobs that wait share transfers; transfers share the link. */
export interface LinkModel {
  /** Of all transfers together, bytes/ms; infinite: nothing is shared. */
  readonly bytesPerMs: number;
  /** Transfers at a time. */
  readonly transfersMax: number;
  /** Jobs whose files one transfer takes along. */
  readonly jobsPerTransfer: number;
  /** The site asks for no more jobs than can go along with the transfers that are free, so many bytes with each; absent: it asks whatever they do. */
  readonly bytesPerTransfer?: number;
  /** How often the site looks for files that wait, and begins transfers, ms; 0: as soon as it can. */
  readonly lookMs: number;
  /** A transfer goes on with all of its files, also those of jobs that are elsewhere now, as a task of a transfer service does; absent: without those. */
  readonly whole?: boolean;
  /**
   * Of a transfer that begins then, the `nth` that does, from 0; absent: as the job that comes first in it says.
   *
   * @param atMs since the beginning of the shift
   */
  readonly ofTransfer?: (atMs: number, nth: number) => Pick<JobTimes, "setUpMs" | "rateBytesPerMs">;
  /** When nothing moves, in order. */
  readonly stalls?: readonly { readonly fromMs: number; readonly untilMs: number }[];
}

/** When a site is there, ms since the beginning of the shift. */
export interface Presence {
  readonly fromMs: number;
  readonly untilMs: number;
  /** With a goodbye, giving its work back; else it falls silent, and its work is lost. */
  readonly leaves: boolean;
}

export interface SiteModel {
  readonly name: SiteName;
  readonly slots: number;
  /** Slots' worth of jobs that it takes beyond its slots. */
  readonly prefetch: number;
  readonly apps: readonly string[];
  readonly capacity?: SiteCapacity;
  readonly selfTest?: SelfTest;
  /** In order; they do not overlap. */
  readonly presence: readonly Presence[];
  /** From then on its runs take so many times as long, those that run too; in order. */
  readonly slower: readonly { readonly fromMs: number; readonly factor: number }[];
  /** Null: inputs are there already. */
  readonly link: LinkModel | null;
  /** @param job its place in the shift, from 0 */
  times(job: number, spec: JobSpec): JobTimes;
}

export interface Shift {
  readonly name: string;
  /** When it begins, ms since 1970. */
  readonly startMs: number;
  readonly sites: readonly SiteModel[];
  /** Made anew for each run. */
  arrivals(): Iterator<Arrival>;
}

/** There all the time. */
export const ALWAYS: readonly Presence[] = [{ fromMs: 0, untilMs: Number.POSITIVE_INFINITY, leaves: false }];

/** Id of the job at a place in a shift, from 0. */
export function replayId(job: number): JobId {
  return String(job).padStart(15, "0");
}

/**
 * The same jobs, so many times as fast one after the other; what sites do on the way comes as much sooner, and deadlines leave as much time as before.
 */
export function scaled(shift: Shift, scale: number): Shift {
  if (scale === 1) return shift;
  const { startMs } = shift;
  const sites = shift.sites.map((site) => ({
    ...site,
    presence: site.presence.map(({ fromMs, untilMs, leaves }) => ({ fromMs: fromMs / scale, untilMs: untilMs / scale, leaves })),
    slower: site.slower.map(({ fromMs, factor }) => ({ fromMs: fromMs / scale, factor })),
  }));
  function* arrivals(): Generator<Arrival> {
    const given = shift.arrivals();
    for (let next = given.next(); next.done !== true; next = given.next()) {
      const { atMs, specs } = next.value;
      const sooner = (spec: JobSpec): JobSpec => {
        if (spec.deadline === undefined) return spec;
        const leftMs = Date.parse(spec.deadline) - startMs - atMs;
        return { ...spec, deadline: new Date(startMs + atMs / scale + leftMs).toISOString() };
      };
      yield { atMs: atMs / scale, specs: specs.map(sooner) };
    }
  }
  return { ...shift, name: `${shift.name}, ${scale} times as fast`, sites, arrivals };
}
