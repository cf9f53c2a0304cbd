/** What pilots leave to be read: when their scripts began, how each ended, and their processes in /proc. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PilotStart } from "./figures.js";

/** Lines for the scripts of batch jobs: each notes its begin, and keeps its pilot's log when the folder of the batch job goes. */
export function scriptLines(folder: string): string[] {
  mkdirSync(join(folder, "logs"), { recursive: true });
  const tag = '"$(basename "$PWD")"';
  return [`echo ${tag} "$(date +%s%N)" >>'${folder}/starts'`, `ln output.log '${folder}/logs/'${tag}`];
}

const siteOf = (tag: string): string => tag.slice("xpcs.".length, tag.lastIndexOf("."));

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");

export function pilotStarts(folder: string): PilotStart[] {
  const lines = textOf(join(folder, "starts")).split("\n").filter(Boolean);
  return lines.map((line) => {
    const [tag = "", ns = ""] = line.split(" ");
    return { site: siteOf(tag), atMs: Number(ns) / 1e6 };
  });
}

interface LogLine {
  readonly event: string;
  readonly site: string;
  readonly outcome: string;
  readonly reason: string;
}

function logLines(text: string): LogLine[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as LogLine);
}

/** Why pilots left of their own accord. */
function departures(folder: string): Map<string, number> {
  const counts = new Map<string, number>();
  const logs = join(folder, "logs");
  for (const name of existsSync(logs) ? readdirSync(logs) : []) {
    const reason = logLines(textOf(join(logs, name))).find(({ event }) => event === "site-leaves")?.reason;
    if (reason === undefined) continue;
    const word = reason.startsWith("nothing to do") ? "idle" : "walltime";
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/**
 * How often the pilots of a site ended, and how: "idle" and "walltime" by their own logs, else the outcome in the log of the site that keeps them.
 *
 * @param log of that site
 */
export function pilotEnds(folder: string, log: string): Record<string, number> {
  const left = departures(folder);
  const ends: Record<string, number> = Object.fromEntries(left);
  let orderly = [...left.values()].reduce((sum, count) => sum + count, 0);
  for (const { event, outcome } of logLines(textOf(log))) {
    if (event === "pilot-withdrawn") ends.withdrawn = (ends.withdrawn ?? 0) + 1;
    if (event !== "pilot-ended" || outcome === "canceled") continue;
    if (outcome === "done" && orderly > 0) orderly -= 1;
    else ends[outcome] = (ends[outcome] ?? 0) + 1;
  }
  return ends;
}

export interface PilotProcess {
  readonly pid: number;
  readonly site: string;
  /** The node of a Slurm that it runs on. */
  readonly node: string | null;
}

/** The pilots of a site that run on this machine, as processes. @param central the address that they dial */
export function pilotProcesses(site: string, central: string): PilotProcess[] {
  const found: PilotProcess[] = [];
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      const named = words[words.indexOf("--name") + 1] ?? "";
      if (words[2] !== "site" || !named.startsWith(`${site}-`) || !words.includes(central)) continue;
      const environment = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
      const node = environment.find((variable) => variable.startsWith("SLURMD_NODENAME="))?.split("=")[1] ?? null;
      found.push({ pid: Number(name), site: named, node });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}
