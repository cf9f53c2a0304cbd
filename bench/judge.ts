/** Numbers from repeated measurements, and what they say about a goal. Pure. */
import type { Goal, SeriesShape } from "./cases.js";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/**
 * @param values at least one
 */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

export type Status = "stretch" | "reached" | "short" | "not measured";

export interface Verdict extends Goal {
  /** In the goal's unit; null when it could not be measured. */
  readonly value: number | null;
  readonly status: Status;
}

/** Memory is better when it is less, all else when it is more. */
export function judge(goal: Goal, value: number | null): Verdict {
  if (value === null) return { ...goal, value, status: "not measured" };
  const beats = (level: number): boolean => (goal.what === "memory" ? value <= level : value >= level);
  return { ...goal, value, status: beats(goal.stretch) ? "stretch" : beats(goal.reach) ? "reached" : "short" };
}

/**
 * Peak memory that a whole sparse file may take: 12 bytes an event, 64 a pixel, 150 MB.
 * @returns bytes
 */
export function memoryBound(events: number, shape: SeriesShape): number {
  return 12 * events + 64 * shape.rows * shape.columns + 150e6;
}

/** One line about a goal that was not met, or null. */
export function shortfall(name: string, verdict: Verdict): string | null {
  if (verdict.status === "reached" || verdict.status === "stretch") return null;
  const value = verdict.value === null ? "not measured" : format(verdict.what, verdict.value);
  return `${name}: ${value}, the goal is ${verdict.what === "memory" ? "at most" : "at least"} ${format(verdict.what, verdict.reach)}`;
}

function format(what: Goal["what"], value: number): string {
  if (what === "eventsPerCoreS") return `${(value / 1e6).toFixed(1)} M events/s per core`;
  return what === "ratio" ? `${value.toFixed(1)} x XPCS-Eigen` : `${(value * 100).toFixed(0)} % of the memory bound`;
}
