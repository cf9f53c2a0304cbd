/** `npm run test:chaos -- [--minutes N] [--seed N] [--json]`: runs a soak, prints what it did, and exits 0 when every promise held, else 1. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type SoakReport, soak } from "./soak.js";

const USAGE = "usage: npm run test:chaos -- [--minutes N] [--seed N] [--json]";

function refuse(message: string): never {
  console.error(`chaos: ${message}\n${USAGE}`);
  process.exit(2);
}

function numberOf(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isFinite(value) || value <= 0) refuse(`--${name} ${text} is no number above 0`);
  return value;
}

function parse(): { minutes: number; seed: number; json: boolean } {
  try {
    const options = { minutes: { type: "string" }, seed: { type: "string" }, json: { type: "boolean" } } as const;
    const { minutes, seed, json } = parseArgs({ options }).values;
    return {
      minutes: numberOf("minutes", minutes, 10),
      seed: numberOf("seed", seed, 1 + Math.floor(Math.random() * 1e9)),
      json: json === true,
    };
  } catch (error) {
    return refuse((error as Error).message);
  }
}

const counts = (record: Readonly<Record<string, number>>) =>
  Object.entries(record)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");

function summary(report: SoakReport): string {
  const { memory, surprises, starts } = report;
  return [
    `seed ${report.seed}, ${report.minutes} minutes`,
    `faults: ${counts(report.faults)}${report.diskWasSmall ? "" : " (no small disk could be mounted: none was filled)"}`,
    `jobs: ${report.jobs} of ${report.acknowledgedKeys} acknowledged keys: ${counts(report.states)}; ${report.cancels} cancels acknowledged; ${report.pilots} pilots began`,
    `attempts: ${counts(report.attempts)}`,
    `ledger: ${report.ledgerEvents} events; ${report.publications} results published; all ended ${report.convergedS.toFixed(1)} s after the last fault`,
    ...Object.entries(memory).map(
      ([name, { firstMb, lastMb, firstFiles, lastFiles, minutes, flat }]) =>
        `${name}: ${starts[name]} starts; the longest lived ${minutes.toFixed(1)} min: ${firstMb.toFixed(0)} MB and ${firstFiles} files, then ` +
        `${lastMb.toFixed(0)} MB and ${lastFiles} files: ${flat === null ? "too short to tell" : flat ? "flat" : "GREW"}`,
    ),
    ...Object.entries(surprises).flatMap(([name, ends]) =>
      ends.length === 0 ? [] : [`${name} ended ${ends.length} times by itself, last: ${ends.at(-1)}`],
    ),
    ...(report.ok ? ["nothing lost, nothing published twice"] : report.broken.map((what) => `BROKEN ${what}`)),
  ].join("\n");
}

const { minutes, seed, json } = parse();
const folder = mkdtempSync(join(tmpdir(), "xpcs-soak-"));
const report = await soak({ minutes, seed, folder, say: (text) => console.error(text) });
console.log(json ? JSON.stringify(report) : summary(report));
process.exit(report.ok ? 0 : 1);
