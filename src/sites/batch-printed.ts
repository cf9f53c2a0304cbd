/** What several schedulers print and take alike: JSON, times as hours, minutes and seconds, sizes, exit codes. */
import { XpcsError } from "../core/errors.js";
import type { CommandResult, Ending } from "./schedulers/define.js";

/** @throws CORRUPT_DATA */
export function jsonPrinted(program: string, { stdout }: CommandResult): unknown {
  try {
    return JSON.parse(stdout);
  } catch (error) {
    throw new XpcsError("CORRUPT_DATA", `what ${program} printed is no JSON: ${(error as Error).message}`);
  }
}

/** `hours:minutes:seconds`; hours may be more than 24. */
export function clockText(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Seconds of `hours:minutes:seconds`; null: that is something else. */
export function clockSeconds(text: string): number | null {
  const found = /^(\d+):(\d+):(\d+)$/.exec(text.trim());
  return found === null ? null : Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3]);
}

const UNITS = "KMGT";

/** Bytes of a size in powers of 1024: `2G`, `527672488kb`, `512`; null: that is something else. */
export function printedBytes(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)([KMGT]?)B?$/i.exec(text);
  return found === null ? null : Number(found[1]) * 1024 ** (found[2] === "" ? 0 : UNITS.indexOf(found[2]!.toUpperCase()) + 1);
}

/** How a job ended of which nothing but its exit code, 0 to 255, is known. */
export function endedWith(exitCode: number): Ending {
  return { outcome: exitCode === 0 ? "done" : "failed", exitCode, sentence: `it ended with exit code ${exitCode}` };
}
