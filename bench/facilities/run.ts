/** One run: files, facilities, jobs, what goes wrong on the way; then what must hold, and what was measured. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { allPages } from "../../src/core/job-pages.js";
import { connect, isFinal, type JobView, type XpcsClient } from "../../src/index.js";
import { watchNames } from "../../test/chaos/files-seen.js";
import { seeded } from "../../test/ledger/world.js";
import { withClient } from "../runtime/jobs.js";
import { checkAll } from "./checks.js";
import { FACILITIES, type Facilities, isOf, prepareFacilities } from "./facilities.js";
import { planFaults, type Victims } from "./faults.js";
import { type Figures, figuresOf, firstRunsS } from "./figures.js";
import { drawSizes, type Inputs, SIZES, type Size, writeInputs } from "./inputs.js";
import { ledgerEvents } from "./ledger-events.js";
import { type Story, storyOf } from "./story.js";

const EXPERIMENT = "2026-3/facilities";
const ALONE_EXPERIMENT = "2026-3/alone";
/** Pilots that begin alone, before all others. */
const ALONE = 3;
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
  /** From the begin of a pilot's script until its first work, of pilots that began beside the others. */
  readonly firstRunsS: readonly number[];
  /** The same of pilots that had the machine for themselves, before. */
  readonly firstRunsAloneS: readonly number[];
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

interface Beamline {
  readonly folder: string;
  readonly results: string;
  /** Submits files; resolves with the jobs. */
  readonly submit: (files: readonly string[], experiment: string) => Promise<string[]>;
  readonly inputs: Inputs;
}

async function beamlineOf(folder: string, sizes: readonly Size[], facilities: Facilities, client: XpcsClient): Promise<Beamline> {
  const results = join(folder, "results");
  mkdirSync(results, { recursive: true });
  const inputs = await writeInputs(join(folder, "data"), sizes);
  const settings = ["--qmap", inputs.qmap, "--frame-time", `${inputs.frameTimeS}`, "--out", results, ...ANALYSIS];
  return {
    folder,
    results,
    inputs,
    async submit(files, experiment) {
      await facilities.submit([...files, ...settings, "--experiment", experiment, "--attempts", `${ATTEMPTS}`]);
      return (await allPages(client.jobs, { experiment })).map(({ id }) => id);
    },
  };
}

/** One pilot after the other, each alone on the machine: a job comes, its pilot begins, works, and leaves. */
async function pilotsAlone(
  { inputs, submit }: Beamline,
  facilities: Facilities,
  client: XpcsClient,
  signal: AbortSignal,
): Promise<string[]> {
  let ids: string[] = [];
  for (const file of inputs.files.slice(0, ALONE)) {
    ids = await submit([file], ALONE_EXPERIMENT);
    await client.wait(ids, { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) });
    await facilities.pilotsLeft();
  }
  return ids;
}

function figures(story: Story): Figures[] {
  return [...FACILITIES.map((name) => figuresOf(name, story, isOf(name))), figuresOf("all", story, () => true)];
}

/** Runs it. @throws something went wrong that was not meant to */
export async function runFacilities(options: RunOptions): Promise<RunReport> {
  const { root, folder, jobs, seed, slurm, say, signal } = options;
  const rng = seeded(seed);
  const facilities = await prepareFacilities(root, folder, join(folder, "beamline"));
  let report: RunReport | null = null;
  try {
    const { central } = facilities;
    report = await withClient(connect(central.url, { token: central.operatorToken }), async (client) => {
      const sizes = [...Array.from({ length: ALONE }, () => SIZES[0]!), ...drawSizes(jobs, rng)];
      const beamline = await beamlineOf(join(folder, "beamline"), sizes, facilities, client);
      const { results, inputs } = beamline;
      const names = watchNames(results);
      await facilities.start("slurm");
      const alone = await pilotsAlone(beamline, facilities, client, signal);
      for (const name of FACILITIES) if (name !== "slurm") await facilities.start(name);
      const ids = await beamline.submit(inputs.files.slice(ALONE), EXPERIMENT);
      say(`${ids.length} jobs are submitted; seed ${seed}`);
      const faults = await watchJobs(client, ids, options, { ...facilities, slurm, rng });
      const left = await facilities.pilotsLeft();
      for (const name of FACILITIES) await facilities.stop(name);
      const events = await ledgerEvents(client);
      const broken = await checkAll({ events, ids: [...alone, ...ids], results, names: names.counts, patienceS: PATIENCE_MS / 1000 });
      names.close();
      if (ids.length !== jobs) broken.push(`${jobs} jobs were submitted, and central has ${ids.length}`);
      if (left.length > 0) broken.push(`batch jobs were left: ${left.join(" ")}`);
      const [isAlone, isMain] = [new Set(alone), new Set(ids)];
      const story = storyOf(events, (job) => isMain.has(job));
      const { starts, ends } = facilities.pilots();
      return {
        ...{ seed, jobs, faults, broken },
        outcomes: story.outcomes,
        published: names.counts.size - alone.length,
        wholeS: (story.whole[1] - story.whole[0]) / 1000,
        figures: figures(story),
        pilotEnds: ends,
        pilotStarts: starts.length,
        firstRunsS: firstRunsS(starts, story),
        firstRunsAloneS: firstRunsS(
          starts,
          storyOf(events, (job) => isAlone.has(job)),
        ),
      };
    });
    return report;
  } finally {
    const keep = report === null || report.broken.length > 0;
    if (keep) say(`files, ledger and logs are kept in ${folder}`);
    await facilities.end(keep);
  }
}
