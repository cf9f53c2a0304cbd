/** Readers of option values for commander: text in, checked value out. */
import { InvalidArgumentError } from "commander";
import { LIMITS } from "../core/limits.js";

/** A whole number within bounds. */
export function integerOption(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || value < min || value > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`It must be a whole number ${range}.`);
    }
    return value;
  };
}

/** A finite number above zero. */
export function positiveOption(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("It must be a number above zero.");
  return value;
}

/** A share such as `1%`, as a number from 0 to 1. */
export function percentOption(text: string): number {
  const value = Number(/^(\d+(?:\.\d+)?)%$/.exec(text)?.[1]) / 100;
  if (!(value <= 1)) throw new InvalidArgumentError("It must be a share from 0% to 100%, such as 1%.");
  return value;
}

const SECONDS = { s: 1, min: 60, h: 3_600, d: 86_400 } as const;

/** A duration such as `90s`, `45min`, `12h` or `30d`, in seconds; `never` is Infinity (of null commander makes an empty text). */
export function durationOption(text: string): number {
  if (text === "never") return Infinity;
  const match = /^(\d{1,9})(s|min|h|d)$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * SECONDS[match[2] as keyof typeof SECONDS];
  if (seconds <= 0) throw new InvalidArgumentError("It must be a time such as 12h or 30d, or never.");
  return seconds;
}

const SHORT_S: Readonly<Record<string, number>> = { ms: 1e-3, s: 1, min: 60 };

/** A time such as `500ms`, `2s` or `1min`, in seconds, from 50 ms to `maxS`. */
export function everyOption(maxS: number): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|min)$/.exec(text);
    const seconds = match === null ? 0 : Number(match[1]) * SHORT_S[match[2]!]!;
    if (!(seconds >= 0.05 && seconds <= maxS))
      throw new InvalidArgumentError(`It must be a time such as 500ms or 2s, from 50ms to ${maxS} s.`);
    return seconds;
  };
}

/** A finite number of at least zero. */
export function secondsOption(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("It must be a time in seconds, 0 or more.");
  return value;
}

/** Collects an option that may be given several times. */
export function collectTexts(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text];
}

/** Collects repeated `--tag key=value` options into one record. */
export function collectPairs(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must have the form key=value.");
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time as ISO 8601 UTC: one with its zone, `now`, or a span such as 90s, 15m, +2h, 1d from now on (`sign` 1) or back (-1). */
export function timeOption(sign: 1 | -1): (text: string) => string {
  return (text) => {
    const span = /^\+?(\d+(?:\.\d+)?)([smhd])$/.exec(text);
    if (text === "now") return new Date().toISOString();
    const spelled = /T.*(Z|[+-]\d\d:?\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
    const at = new Date(span === null ? spelled : Date.now() + sign * Number(span[1]) * UNIT_MS[span[2]!]!);
    if (Number.isNaN(at.getTime()))
      throw new InvalidArgumentError(
        `It must be a time such as 2026-11-25T18:00:00Z, or a span ${sign > 0 ? "from now" : "back"} such as 90s, 15m, 2h.`,
      );
    return at.toISOString();
  };
}

/** "53-57,60" as numbers, each once, ascending. */
export function rangeOption(text: string): number[] {
  const numbers = new Set<number>();
  for (const part of text.split(",")) {
    const [, first, last] = /^\s*(\d{1,9})(?:-(\d{1,9}))?\s*$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last ?? first)];
    if (!(to >= from && to - from < LIMITS.rangeMax)) throw new InvalidArgumentError("It must be a list of numbers such as 53-57,60.");
    for (let number = from; number <= to; number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** A site's name. */
export function siteNameOption(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(text))
    throw new InvalidArgumentError("It must be letters, digits, dots, dashes and underscores, 64 at most.");
  return text;
}
