/** When a site of its own accord leaves: it has been idle for long enough, or its batch job is about to end. */
import type { Clock } from "../core/clock.js";
import type { Site } from "../sites/site.js";

const LOOK_MS = 500;
/** For the goodbye, and for the scheduler's clock. */
const MARGIN_S = 15;

export interface PilotLife {
  /** Null: it stays when it is idle. */
  readonly idleS: number | null;
  /** End of its batch job, s since 1970; null: it is in none. */
  readonly endsS: number | null;
  /** For jobs that run, before they are given back. */
  readonly graceS: number;
  readonly clock: Clock;
}

/** Seconds that a job may take there, from now on; null: no limit. */
export function secondsLeft({ endsS, clock }: Pick<PilotLife, "endsS" | "clock">): number | null {
  return endsS === null ? null : Math.max(0, Math.floor(endsS - clock.nowMs() / 1000 - MARGIN_S));
}

function reasonToLeave(site: Pick<Site, "idleMs">, { idleS, endsS, graceS, clock }: PilotLife): string | null {
  if (idleS !== null && site.idleMs() >= idleS * 1000) return `nothing to do for ${idleS} s`;
  const leftS = secondsLeft({ endsS, clock });
  return leftS !== null && leftS <= graceS ? `its batch job ends in ${leftS + MARGIN_S} s` : null;
}

/** Calls `leave` once, with the reason. @returns stops watching */
export function watchLife(site: Pick<Site, "idleMs">, life: PilotLife, leave: (reason: string) => void): () => void {
  const look = (): void => {
    const reason = reasonToLeave(site, life);
    if (reason === null) timer = life.clock.after(LOOK_MS, look);
    else leave(reason);
  };
  let timer = life.clock.after(LOOK_MS, look);
  return () => timer.cancel();
}
