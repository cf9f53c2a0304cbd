/**
 * Whether another pilot is worth its wait, and how long it should be: from when the scheduler expects a pilot of each walltime to begin, and from what waits. Pure.
 */

/** When a batch job of that walltime would begin. */
export interface ExpectedStart {
  readonly walltimeS: number;
  /** Null: the scheduler does not tell. */
  readonly waitS: number | null;
}

export interface WorkAhead {
  /** The longest time that a job which waits may take, s; null: nobody knows. */
  readonly longestS: number | null;
  /** What waits, in seconds of one slot; null: nobody knows. */
  readonly slotS: number | null;
  /** Slots of pilots that have begun. */
  readonly slotsBegun: number;
  /** What a pilot needs of its walltime beside its jobs, s. */
  readonly overheadS: number;
}

export interface PilotShape {
  /** Not worth it: the pilots that run have done the work before. */
  readonly skip: boolean;
  readonly walltimeS: number;
  /** Why it is not the file's; null: it is. */
  readonly why: string | null;
}

/** Walltimes that are tried: the file's, and halves of it. */
const TRIED_MAX = 4;
/** Beginning sooner by less than this is no reason for anything. */
const WORTH_S = 60;

/** The walltimes to ask the scheduler about, the longest first. @param minS null: never shorter */
export function walltimesToTry(walltimeS: number, minS: number | null): number[] {
  const tried = [walltimeS];
  while (minS !== null && tried.length < TRIED_MAX) {
    const half = Math.floor(tried.at(-1)! / 2 / 60) * 60;
    if (half < Math.max(60, minS)) break;
    tried.push(half);
  }
  return tried;
}

const waitOf = ({ waitS }: ExpectedStart): number => waitS ?? Number.POSITIVE_INFINITY;
const told = (waitS: number): string => (waitS === 0 ? "now" : `in about ${Math.round(waitS)} s`);

/**
 * The pilot to submit now.
 *
 * @param starts the longest walltime, which is the file's, first
 */
export function shapePilot(starts: readonly [ExpectedStart, ...ExpectedStart[]], work: WorkAhead): PilotShape {
  const { longestS, slotS, slotsBegun, overheadS } = work;
  const [full] = starts;
  const enough = longestS === null ? [full] : [full, ...starts.slice(1).filter(({ walltimeS }) => walltimeS >= longestS + overheadS)];
  const soonestS = Math.min(...enough.map(waitOf));
  const best = enough.find((start) => waitOf(start) <= soonestS + WORTH_S || waitOf(start) === soonestS)!;
  if (slotS !== null && slotsBegun > 0 && Number.isFinite(soonestS)) {
    const doneS = slotS / slotsBegun;
    if (soonestS > doneS)
      return {
        skip: true,
        walltimeS: full.walltimeS,
        why: `another would begin ${told(soonestS)}, and the pilots that run have done all of it in about ${Math.ceil(doneS)} s`,
      };
  }
  if (best === full) return { skip: false, walltimeS: full.walltimeS, why: null };
  const otherwise = full.waitS === null ? "one of the full time would have to wait" : `one of ${full.walltimeS} s ${told(full.waitS)}`;
  return {
    skip: false,
    walltimeS: best.walltimeS,
    why: `of ${best.walltimeS} s, since that begins ${told(best.waitS!)}, ${otherwise}, and no job that waits takes more than ${longestS} s`,
  };
}
