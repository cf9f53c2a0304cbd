/** One run: files, facilities, jobs, what goes wrong on the way; then what must hold, and what was measured. */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { allPages } from "../../src/core/job-pages.js";
import { connect, isFinal, type JobView, type XpcsClient } from "../../src/index.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { digestOf, watchNames } from "../../test/chaos/files-seen.js";
import { seeded } from "../../test/ledger/world.js";
import { Broken, checkConverged, checkEvents, checkOutputs } from "../../test/sim/promises.js";
import { withClient } from "../runtime/jobs.js";
import { FACILITIES, type Facilities, isOf, startFacilities } from "./facilities.js";
import { planFaults, type Victims } from "./faults.js";
import { type Figures, figuresOf, firstRunsS } from "./figures.js";
import { drawSizes, writeInputs } from "./inputs.js";
import { eventsOf, type Story, storyOf } from "./story.js";

const EXPERIMENT = "2026-3/facilities";
/** Its time grows with the square of the frames, and its results stay small. */
const ANALYSIS = ["--type", "both", "--compression", "gzip"];
const ATTEMPTS = 10;
/** No job that ends for so long is the end of the run. */
const PATIENCE_MS = 150_000;

export interface RunOptions {
  /** The project's folder. */
  readonly root: string;
  /** Removed first, and at the end if all went well. */
  readonly folder: string;
  readonly jobs: number;
  readonly seed: number;
  readonly faults: boolean;
  /** Environment of Slurm's commands; those of Grid Engine are found by that of this process, too. */
  readonly slurm: Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

export interface RunReport {
  readonly seed: number;
  readonly jobs: number;
  /** What went wrong on purpose, in order. */
  readonly faults: readonly string[];
  /** What should hold and does not. */
  readonly broken: readonly string[];
  readonly outcomes: Readonly<Record<string, number>>;
  readonly published: number;
  readonly wholeS: number;
  /** Each facility, then all. */
  readonly figures: readonly Figures[];
  /** By facility. */
  readonly pilotEnds: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly pilotStarts: number;
  /** From the begin of a pilot's script until its first work, of each that was measured. */
  readonly firstRunsS: readonly number[];
}

async function textOf(parts: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const part of parts) pieces.push(part);
  return Buffer.concat(pieces).toString("utf8");
}

/** Does the planned faults as the jobs end, one after the other; resolves with what was done when all jobs have ended. */
async function watchJobs(client: XpcsClient, ids: readonly string[], options: RunOptions, victims: Victims): Promise<string[]> {
  const { faults, say, signal } = options;
  const planned = faults ? planFaults(victims.rng) : [];
  const done: string[] = [];
  const ended = new Set<string>();
  let doing: Promise<void> = Promise.resolve();
  let failed: unknown = null;
  const startedMs = Date.now();
  const giveUp = new AbortController();
  let timer = setTimeout(() => giveUp.abort(), PATIENCE_MS);
  const note = (text: string): void =>
    say(`${((Date.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${ended.size} of ${ids.length} jobs have ended  ${text}`);
  const onChange = ({ id, state }: JobView): void => {
    if (!isFinal(state) || ended.has(id)) return;
    ended.add(id);
    clearTimeout(timer);
    timer = setTimeout(() => giveUp.abort(), PATIENCE_MS);
    if (ended.size % 20 === 0) note("");
    while (planned.length > 0 && planned[0]!.at * ids.length <= ended.size) {
      const { act } = planned.shift()!;
      doing = doing.then(async () => {
        if (failed !== null) return;
        const what = await act(victims);
        done.push(what);
        note(what);
      });
      doing.catch((error: unknown) => {
        failed = error;
        giveUp.abort();
      });
    }
  };
  try {
    await client.wait(ids, { onChange, signal: AbortSignal.any([giveUp.signal, signal]) });
  } catch (error) {
    if (failed !== null) throw failed;
    if (!giveUp.signal.aborted || signal.aborted) throw error;
    note(`no other ended within ${PATIENCE_MS / 1000} s`);
  } finally {
    clearTimeout(timer);
  }
  await doing;
  return done;
}

/** P2 to P5 over the ledger and the files, and that each result came once. */
async function checkAll(events: readonly LedgerEvent[], names: ReadonlyMap<string, number>, ids: readonly string[]): Promise<string[]> {
  const broken: string[] = [];
  const check = async (run: () => unknown): Promise<void> => {
    try {
      await run();
    } catch (error) {
      broken.push(error instanceof Broken ? error.message : `defect: ${(error as Error).stack ?? String(error)}`);
    }
  };
  await check(async () => {
    const each = async function* (): AsyncGenerator<{ event: LedgerEvent }> {
      for (const event of events) yield { event };
    };
    const { state } = await checkEvents(each(), new Set());
    await check(() => checkConverged(state, PATIENCE_MS / 1000));
    await check(() => checkOutputs(state, digestOf));
    for (const id of ids) {
      const job = state.jobs.get(id);
      const [output] = job?.outputs ?? [];
      const times = names.get(basename(output?.path ?? ""));
      if (job?.state !== "finished") broken.push(`job ${id} is ${job?.state ?? "not there"}: ${job?.reason ?? ""}`);
      else if (times !== 1) broken.push(`P5: ${output?.path} of job ${id} appeared ${times ?? 0} times`);
    }
  });
  return broken;
}

async function submitAll(
  facilities: Facilities,
  client: XpcsClient,
  beamline: string,
  options: RunOptions,
  rng: () => number,
): Promise<string[]> {
  const { files, qmap, frameTimeS } = await writeInputs(join(beamline, "data"), drawSizes(options.jobs, rng));
  const settings = ["--qmap", qmap, "--frame-time", `${frameTimeS}`, "--out", join(beamline, "results"), ...ANALYSIS];
  await facilities.submit([...files, ...settings, "--experiment", EXPERIMENT, "--attempts", `${ATTEMPTS}`]);
  return (await allPages(client.jobs, { experiment: EXPERIMENT })).map(({ id }) => id);
}

function figures(story: Story): Figures[] {
  return [...FACILITIES.map((name) => figuresOf(name, story, isOf(name))), figuresOf("all", story, () => true)];
}

/** Runs it. @throws something went wrong that was not meant to */
export async function runFacilities(options: RunOptions): Promise<RunReport> {
  const { root, folder, seed, slurm, say } = options;
  const rng = seeded(seed);
  const beamline = join(folder, "beamline");
  const facilities = await startFacilities(root, folder, beamline);
  let report: RunReport | null = null;
  try {
    for (const name of ["data", "results"]) mkdirSync(join(beamline, name), { recursive: true });
    const names = watchNames(join(beamline, "results"));
    const { central } = facilities;
    const seen = await withClient(connect(central.url, { token: central.operatorToken }), async (client) => {
      const ids = await submitAll(facilities, client, beamline, options, rng);
      say(`${ids.length} jobs are submitted; seed ${seed}`);
      const done = await watchJobs(client, ids, options, { ...facilities, slurm, rng });
      return { ids, done, left: await facilities.rest(), events: eventsOf(await textOf(client.backup())) };
    });
    const broken = await checkAll(seen.events, names.counts, seen.ids);
    names.close();
    if (seen.ids.length !== options.jobs) broken.push(`${options.jobs} jobs were submitted, and central has ${seen.ids.length}`);
    if (seen.left.length > 0) broken.push(`batch jobs were left: ${seen.left.join(" ")}`);
    const story = storyOf(seen.events);
    const { starts, ends } = facilities.pilots();
    report = {
      seed,
      jobs: options.jobs,
      faults: seen.done,
      broken,
      outcomes: story.outcomes,
      published: names.counts.size,
      wholeS: (story.whole[1] - story.whole[0]) / 1000,
      figures: figures(story),
      pilotEnds: ends,
      pilotStarts: starts.length,
      firstRunsS: firstRunsS(starts, story),
    };
    return report;
  } finally {
    const keep = report === null || report.broken.length > 0;
    if (keep) say(`files, ledger and logs are kept in ${folder}`);
    await facilities.end(keep);
  }
}
