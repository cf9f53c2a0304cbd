/** A row of the runtime's table: a question with its goal, and what was measured. Measures nothing. */
import { type Spread, spreadOf } from "../judge.js";

export type Unit = "µs" | "ms" | "s" | "/s" | "x" | "B";

export interface Goal {
  readonly name: string;
  readonly title: string;
  /** In `unit`. */
  readonly goal: number;
  readonly unit: Unit;
  /** Which side of the goal is good. */
  readonly better: "less" | "more";
  /** The same of Balsam, published or measured (docs/runtime-numbers.md); "-": none. */
  readonly balsam: string;
}

export interface Measured {
  /** Over the rounds; the median is judged. */
  readonly value: Spread;
  /** What belongs beside the number: the disk's own time, the part of central, the slowest of many. */
  readonly beside: string;
}

export interface RuntimeRow extends Goal, Measured {}

/** Rounds as one measurement. */
export function measuredOf(values: readonly number[], beside: string): Measured {
  return { value: spreadOf(values), beside };
}

/** The row of a goal that was measured. */
export function measuredRow({ name, title, goal, unit, better, balsam }: Goal, measured: Measured): RuntimeRow {
  return { name, title, goal, unit, better, balsam, ...measured };
}

/** A value as the table shows it. */
export function shown(value: number, unit: Unit): string {
  if (!Number.isFinite(value)) return "not measured";
  if (unit === "x") return `${value.toFixed(2)} x`;
  if (unit === "/s") return `${value >= 100 ? Math.round(value) : value.toPrecision(3)}/s`;
  if (unit === "B") return `${Math.round(value)} B`;
  return `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${unit}`;
}

/** True when the median is on the good side of the goal. */
export function isReached({ value, goal, better }: RuntimeRow): boolean {
  return better === "less" ? value.median <= goal : value.median >= goal;
}

/** One line about a goal that was not met, or null. */
export function rowShortfall(row: RuntimeRow): string | null {
  if (isReached(row)) return null;
  const { name, value, unit, better, goal } = row;
  return `${name}: ${shown(value.median, unit)}, the goal is at ${better === "less" ? "most" : "least"} ${shown(goal, unit)}`;
}
