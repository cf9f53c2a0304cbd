/**
 * A ledger of many jobs that never ran, for the listing: made as an exported ledger, which `xpcs ledger import` takes. Nine in ten have finished at one
 * of four sites; the rest are in all other states. Every field of the listing has many values, some of which never meet.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createIdSource } from "../../src/actors/ids.js";
import type { JobSpec, Work } from "../../src/index.js";
import { EVENT_VERSION, type LedgerEvent } from "../../src/ledger/events.js";
import { analysis } from "./jobs.js";

const SITES = ["aurora", "beamline", "perlmutter", "polaris"] as const;
const OWNERS = ["ana", "ben", "chi", "dev", "eva", "finn", "gia", "hugo"] as const;
const SAMPLES = 50;
const FIRST_MS = Date.UTC(2026, 0, 1);
/** A million jobs are a year. */
const STEP_MS = 31_536;

/** Time of submission of the job at a place, ms since 1970. */
export function submittedMs(at: number): number {
  return FIRST_MS + at * STEP_MS;
}

function workOf(at: number): Work {
  if (at % 10 === 7) return { app: "xpcs.noop", durationMs: 1 };
  if (at % 10 === 3) return { app: "diagonalise", parameters: { size: 5000 }, inputs: {}, outputs: {}, overwrite: false };
  return analysis(at).work;
}

function specOf(at: number): JobSpec {
  return {
    work: workOf(at),
    experiment: `2026-${1 + (at % 3)}/group-${at % 20}`,
    tags: { sample: `s${at % SAMPLES}`, scan: String(at % 1_000) },
    attemptsMax: 3,
  };
}

const SHA256 = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9";

/** All that happened to the job at place `at`. */
function eventsOf(at: number, job: string): LedgerEvent[] {
  const by = OWNERS[at % OWNERS.length]!;
  const ms = submittedMs(at);
  const submitted: LedgerEvent = { type: "submitted", at: ms, jobs: [job], specs: [specOf(at)], key: `key-${at}`, digest: SHA256, by };
  // In hundredths: the last 10 have not finished.
  const kind = Math.floor(at / 16) % 100;
  if (kind >= 98) return [submitted];
  if (kind >= 95) return [submitted, { type: "canceled", at: ms + 1_000, job, by }];
  const site = SITES[Math.floor(at / 2) % SITES.length]!;
  const leased: LedgerEvent = { type: "leased", at: ms + 500, job, epoch: 1, site, instance: "i", why: `only ${site} can run it now` };
  if (kind >= 90) {
    const ended = { outcome: "failed", code: "COMMAND_FAILED", reason: "it ended with exit code 1", next: "fail", notBefore: 0 } as const;
    return [submitted, leased, { type: "attemptEnded", at: ms + 9_000, job, epoch: 1, ...ended }];
  }
  const outputs = [{ path: `/data/results/A${at}_results.hdf`, bytes: 1_000_000 + at, sha256: SHA256 }];
  return [submitted, leased, { type: "completed", at: ms + 9_000, job, epoch: 1, outputs, summary: { frames: 20_000 }, runMs: 8_000 }];
}

/** Writes an exported ledger of `count` jobs: those of `madeIds`. */
export async function writeMadeLedger(path: string, count: number): Promise<void> {
  const file = createWriteStream(path);
  const digest = createHash("sha256");
  let events = 0;
  let text = `${JSON.stringify({ xpcsLedger: 1 })}\n`;
  const add = (event: LedgerEvent): void => {
    const line = `${JSON.stringify([EVENT_VERSION, event])}\n`;
    digest.update(line);
    events += 1;
    text += line;
  };
  for (const site of SITES)
    add({ type: "siteJoined", at: FIRST_MS, site, instance: "i", host: site, slots: 64, apps: ["xpcs.corr", "xpcs.noop", "diagonalise"] });
  for (const [at, id] of madeIds(count).entries()) {
    for (const event of eventsOf(at, id)) add(event);
    if (text.length < 1_000_000) continue;
    if (!file.write(text)) await once(file, "drain");
    text = "";
  }
  file.end(`${text}${JSON.stringify({ events, sha256: digest.digest("hex") })}\n`);
  await once(file, "close");
}

/** The ids of the first `count` jobs, oldest first; always the same. */
export function madeIds(count: number): string[] {
  let seed = 1;
  const bytes = (size: number): Uint8Array =>
    Uint8Array.from({ length: size }, () => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed >>> 24;
    });
  const next = createIdSource(bytes);
  return Array.from({ length: count }, (_, at) => next(submittedMs(at)));
}
