/**
 * One experiment as lines of text: its sites, its jobs with their attempts and the digests of their outputs, and the ledger events that made them. A
 * tail tells how many there were and their digest. Reading it replays the events: they must give the jobs.
 */
import { createHash } from "node:crypto";
import { XpcsError } from "../core/errors.js";
import { DEFAULT_EXPERIMENT, experimentOf, type JobId } from "../core/job.js";
import { archivedJob } from "./checkpoint.js";
import { jobOf } from "./event-text.js";
import type { LedgerEvent } from "./events.js";
import { reduce } from "./reduce.js";
import { badLine, badTail, sealedLines } from "./sealed-lines.js";
import { emptyState, type JobRecord, type SiteRecord } from "./state.js";
import type { StoreSnapshot } from "./store.js";
import { upcast } from "./upcast.js";
import { differingFields } from "./verify.js";

const FORMAT = 1;

/** An experiment between two commits. */
export interface ExperimentMoment {
  readonly experiment: string;
  /** Of the last event before this moment. */
  readonly sequence: number;
  /** Those that are not in the archive. */
  readonly live: readonly JobRecord[];
  readonly sites: ReadonlyMap<string, SiteRecord>;
  readonly store: StoreSnapshot;
}

/** The jobs of the experiment in the archive. */
async function* archivedOf({ experiment, store }: ExperimentMoment): AsyncGenerator<JobRecord> {
  const spelled = JSON.stringify(experiment);
  for await (const { name, json } of store.entries(["archive"])) {
    if (!name.startsWith(archivedJob("")) || (experiment !== DEFAULT_EXPERIMENT && !json.includes(spelled))) continue;
    const job = JSON.parse(json) as JobRecord;
    if (experimentOf(job.spec) === experiment) yield job;
  }
}

/** The lines of the experiment, without their ends. @throws CORRUPT_DATA */
export async function* experimentLines(moment: ExperimentMoment): AsyncGenerator<string> {
  const { experiment, sequence, live, sites, store } = moment;
  const digest = createHash("sha256");
  const counts = { jobs: 0, events: 0 };
  const lineOf = (value: unknown): string => {
    const line = JSON.stringify(value);
    digest.update(`${line}\n`);
    return line;
  };
  yield JSON.stringify({ xpcsExperiment: FORMAT, experiment, sequence });
  const ids = new Set<JobId>();
  const visited = new Set<string>();
  const enter = (job: JobRecord) => {
    ids.add(job.id);
    for (const { site } of job.attempts) visited.add(site);
    return lineOf(["job", job]);
  };
  for await (const job of archivedOf(moment)) yield enter(job);
  for (const job of live) yield enter(job);
  for (const name of visited) {
    const site = sites.get(name);
    if (site !== undefined) yield lineOf(["site", site]);
  }
  for await (const { name, json } of store.entries(["past", "event"])) {
    if (!ids.has(jobOf(json) ?? "")) continue;
    counts.events += 1;
    yield lineOf(["event", Number(name), JSON.parse(json)]);
  }
  counts.jobs = ids.size;
  yield JSON.stringify({ ...counts, sha256: digest.digest("hex") });
}

interface Head {
  readonly xpcsExperiment?: unknown;
  readonly experiment?: unknown;
  readonly sequence?: unknown;
}

interface Tail {
  readonly jobs?: unknown;
  readonly events?: unknown;
}

export interface ExperimentFile {
  readonly experiment: string;
  readonly sequence: number;
  /** In the order of submission. */
  readonly jobs: readonly JobRecord[];
  readonly sites: readonly SiteRecord[];
  readonly events: number;
  /** Jobs whose first events the ledger had forgotten: their record is there, and was not replayed. */
  readonly withoutHistory: number;
}

const FILE = "archived experiment";
const bad = (line: number, what: string) => badLine(FILE, line, what);

/** Replays the events of jobs whose submission is among them. */
function replay(events: readonly { readonly sequence: number; readonly event: LedgerEvent }[]): ReadonlyMap<JobId, JobRecord> {
  const state = emptyState();
  for (const { sequence, event } of events) {
    if (event.type !== "submitted" && !("job" in event && state.jobs.has(event.job))) continue;
    state.sequence = sequence - 1;
    reduce(state, event);
  }
  return state.jobs;
}

/** How many jobs could not be compared. @throws CORRUPT_DATA a job is not what its events made */
function compare(jobs: readonly JobRecord[], replayed: ReadonlyMap<JobId, JobRecord>): number {
  let without = 0;
  for (const job of jobs) {
    const made = replayed.get(job.id);
    // The place in the order of all jobs is not the file's to know.
    const { index: _, place: __, submittedAt: ___, ...rest } = job;
    if (made === undefined) without += 1;
    const fields = made === undefined ? [] : differingFields(rest, made);
    if (fields.length > 0)
      throw new XpcsError("CORRUPT_DATA", `job ${job.id} of the archived experiment differs from its events in ${fields.join(", ")}`);
  }
  return without;
}

/**
 * Reads and verifies a whole file.
 *
 * @throws CORRUPT_DATA with the line · VERSION_MISMATCH
 */
export async function readExperiment(lines: AsyncIterable<string>): Promise<ExperimentFile> {
  const jobs: JobRecord[] = [];
  const sites: SiteRecord[] = [];
  const events: { sequence: number; event: LedgerEvent }[] = [];
  let head: Head = {};
  for await (const { line, value } of sealedLines(lines, FILE)) {
    if (line === 1) {
      head = (value ?? {}) as Head;
      if (head.xpcsExperiment !== FORMAT || typeof head.experiment !== "string" || typeof head.sequence !== "number")
        throw bad(line, `is not the head of an archived experiment of format ${FORMAT}`);
    } else if (Array.isArray(value)) {
      const [kind, one, two] = value as [unknown, unknown, [number, unknown]];
      if (kind === "job") jobs.push(one as JobRecord);
      else if (kind === "site") sites.push(one as SiteRecord);
      else if (kind === "event" && Array.isArray(two)) events.push({ sequence: Number(one), event: upcast(two[0], two[1]) });
      else throw bad(line, "is of no known kind");
    } else {
      const tail = value as Tail;
      if (tail.jobs !== jobs.length || tail.events !== events.length) throw badTail(FILE, line);
    }
  }
  const withoutHistory = compare(jobs, replay(events));
  const { experiment, sequence } = head as { experiment: string; sequence: number };
  jobs.sort((a, b) => a.index - b.index);
  return { experiment, sequence, jobs, sites, events: events.length, withoutHistory };
}
