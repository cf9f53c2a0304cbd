/** Numbers and times as people read them. */
import type { Measured } from "../xpcs/bin-fits.js";
import type { ResultBin } from "../xpcs/result-layouts.js";

const STEPS = [
  [1, "s"],
  [60, "min"],
  [3_600, "h"],
  [86_400, "d"],
] as const;

/** "0.35 s", "12 s", "3.2 min". */
export function duration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return "–";
  const [size, unit] = STEPS.findLast(([step]) => Math.abs(seconds) >= 1.5 * step) ?? STEPS[0];
  const value = seconds / size;
  return `${Math.abs(value) < 10 ? value.toPrecision(2) : Math.round(value)} ${unit}`;
}

/** "3 min ago" of an ISO time. */
export function ago(iso: string | null, nowMs: number): string {
  return iso === null ? "–" : `${duration(Math.max(0, (nowMs - Date.parse(iso)) / 1_000))} ago`;
}

/** "12 MB" of 10^6 bytes. */
export function bytes(count: number | null): string {
  if (count === null) return "–";
  for (const [size, unit] of [
    [1e12, "TB"],
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ] as const)
    if (count >= size) return `${(count / size).toPrecision(3)} ${unit}`;
  return `${count} B`;
}

/** "0.0200 ± 0.00022". @param error null: the data do not determine it */
export function withError(value: number, error: number | null): string {
  return `${value.toPrecision(3)}${error === null ? "" : ` ± ${error.toPrecision(2)}`}`;
}

/** The same of a fit's parameter, where the fit has it. */
export function measuredText(measured: Measured | undefined): string {
  return measured === undefined ? "–" : withError(measured.value, measured.error);
}

/** "q 0.00479 φ 30" of a q bin. */
export function qText({ bin, q, phi }: ResultBin): string {
  if (q === null) return `bin ${bin}`;
  return `q ${q.toPrecision(3)}${phi === null ? "" : ` φ ${phi.toFixed(0)}`}`;
}

/** A name of the address as the title of a field. */
export function titled(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}
