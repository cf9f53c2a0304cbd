/** A site turns slower on the way: how soon fewer jobs go there. */
import type { SiteModel } from "../../src/replay/shift.js";
import type { Facility } from "./facilities.js";
import { type Contender, runOnce, type Setting } from "./published-run.js";

export const SLOW_SITE: Facility = "cori";
export const SLOW_FACTOR = 3;
/** By then the share of the jobs that go there has moved. */
export const MOVED_WITHIN_S = 120;

export interface MoveResult {
  /** Share of the jobs that went to the site: before it turned slower, in the five minutes from two minutes after that on, and from ten minutes after on. */
  readonly before: number;
  readonly soon: number;
  readonly settled: number;
}

/** When jobs went where. */
interface Went {
  readonly atMs: number;
  readonly site: string;
}

function shareOf(went: readonly Went[], fromMs: number, untilMs: number): number {
  const within = went.filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
  return within.filter(({ site }) => site === SLOW_SITE).length / within.length;
}

/** The site turns slower when a third of the jobs have come. */
export function runSlower(contender: Contender, setting: Setting, seed: number): MoveResult {
  const lengthMs = (setting.jobs / 16) * setting.periodMs;
  const turnMs = lengthMs / 3;
  const slower: Partial<SiteModel> = { slower: [{ fromMs: turnMs, factor: SLOW_FACTOR }] };
  const went: Went[] = [];
  runOnce(contender, { ...setting, more: { [SLOW_SITE]: slower } }, seed, ({ leasedMs: atMs }, site) => went.push({ atMs, site }));
  const soonMs = turnMs + 1_000 * MOVED_WITHIN_S;
  return {
    before: shareOf(went, lengthMs / 12, turnMs),
    soon: shareOf(went, soonMs, soonMs + 300_000),
    settled: shareOf(went, turnMs + 600_000, lengthMs),
  };
}
