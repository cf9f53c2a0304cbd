/** Sites on probation: they get one job at a time, with pauses, until one of these is finished. Pure. */
import { spanText } from "../core/time-text.js";
import type { RoutedJob, SiteLoad } from "./policy.js";

export interface SiteProbation {
  readonly reason: string;
  /** Until a job may try it, ms; none or less: now. */
  readonly triedInMs: number;
}

/** Why a site on probation gets no job now; null: it may have one. */
export function keptAway({ name, probation, running, queued }: SiteLoad): string | null {
  if (probation === undefined) return null;
  const tries = running + queued > 0;
  if (!tries && probation.triedInMs <= 0) return null;
  const next = tries ? "a job is trying it" : `a job tries it in ${spanText(probation.triedInMs)}`;
  return `site ${name} is on probation (${probation.reason}): ${next}`;
}

/** A job that has no further attempt does not try a site on probation where another site can have it. */
export function isForOthers({ attemptsLeft = 2 }: RoutedJob, { probation }: SiteLoad): boolean {
  return probation !== undefined && attemptsLeft < 2;
}
