/**
 * Question: how fast is `xpcs corr` as a whole process, against XPCS-Eigen and against the machine's bounds?
 * Programs alternate, the page cache is warm, numbers are medians.
 */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { AGREEMENT_MAX, largestDifference } from "./agreement.js";
import { type Bound, boundOf } from "./bounds.js";
import { DELAYS_PER_LEVEL, type Goal, type KernelCase } from "./cases.js";
import { type MadeInput, prepareInput } from "./inputs.js";
import { judge, memoryBound, type Spread, spreadOf, type Verdict } from "./judge.js";
import type { ChildReport } from "./native-tool.js";
import { clearScratch, contenderResult, type OurRun, ourResult, runContender, runOurs, type Workplace } from "./programs.js";

export interface KernelSettings {
  readonly place: Workplace;
  readonly dataFolder: string;
  readonly contender: string | null;
  readonly runs: number;
  readonly say: (text: string) => void;
}

export interface ProgramNumbers {
  readonly wallS: Spread;
  /** User and system time of all threads: other programs on the machine change it less than the wall time. */
  readonly cpuS: Spread;
  readonly maxRssBytes: number;
}

export interface OurNumbers extends ProgramNumbers {
  readonly readS: number;
  readonly correlateS: number;
  readonly writeS: number;
  readonly kernelPath: string;
  readonly framesPerS: number;
  readonly eventsPerS: number;
  readonly bytesPerS: number;
  /** Per thread, over the stages of reading and correlating. */
  readonly eventsPerCoreS: number;
  /** Time of the bound over ours. */
  readonly boundFraction: number;
}

export interface KernelRow {
  readonly name: string;
  readonly title: string;
  readonly threads: number;
  readonly frames: number;
  readonly events: number;
  readonly bytes: number;
  readonly bound: Bound | null;
  /** Null when the program does not have this analysis; `unsupported` says what it answered. */
  readonly ours: OurNumbers | null;
  readonly unsupported: string | null;
  readonly contender: ProgramNumbers | null;
  /** XPCS-Eigen's median time over ours. */
  readonly ratio: number | null;
  /** Largest relative difference of the two results. */
  readonly difference: number | null;
  readonly verdicts: readonly Verdict[];
}

interface Runs {
  readonly ours: OurRun[];
  readonly contender: ChildReport[];
  unsupported: string | null;
}

function alternate(which: KernelCase, job: string, settings: KernelSettings): Runs {
  const { place, contender, runs, say } = settings;
  const done: Runs = { ours: [], contender: [], unsupported: null };
  for (let run = 1; run <= runs; run++) {
    const ours = runOurs(place, { args: ["--job", job], threads: which.threads });
    if ("unsupported" in ours) return { ...done, unsupported: ours.unsupported };
    done.ours.push(ours);
    say(`${which.name} ${run}/${runs}: ours ${ours.wallS.toFixed(2)} s`);
    if (contender === null || which.contender === null) continue;
    const theirs = runContender(place, contender, job, which.contender, which.threads);
    done.contender.push(theirs);
    say(`${which.name} ${run}/${runs}: XPCS-Eigen ${theirs.wallS.toFixed(2)} s`);
  }
  return done;
}

const median = (values: readonly number[]): number => spreadOf(values).median;

function numbersOf(runs: readonly ChildReport[]): ProgramNumbers {
  return {
    wallS: spreadOf(runs.map((run) => run.wallS)),
    cpuS: spreadOf(runs.map((run) => run.userS + run.systemS)),
    maxRssBytes: median(runs.map((run) => run.maxRssBytes)),
  };
}

function ourNumbers(which: KernelCase, input: MadeInput, runs: readonly OurRun[], bound: Bound): OurNumbers {
  const numbers = numbersOf(runs);
  const wallS = numbers.wallS.median;
  const timings = runs.map((run) => run.summary.timings);
  return {
    ...numbers,
    readS: median(timings.map((one) => one.readS)),
    correlateS: median(timings.map((one) => one.correlateS)),
    writeS: median(timings.map((one) => one.writeS)),
    kernelPath: runs[0]?.summary.kernelPath ?? "",
    framesPerS: which.input.frames / wallS,
    eventsPerS: input.events / wallS,
    bytesPerS: input.bytes / wallS,
    eventsPerCoreS: input.events / median(timings.map((one) => one.readS + one.correlateS)) / which.threads,
    boundFraction: bound.boundS / wallS,
  };
}

function measuredValue(goal: Goal, which: KernelCase, events: number, ours: OurNumbers | null, ratio: number | null): number | null {
  if (goal.what === "ratio") return ratio;
  if (ours === null) return null;
  return goal.what === "eventsPerCoreS" ? ours.eventsPerCoreS : ours.maxRssBytes / memoryBound(events, which.input);
}

/**
 * Measures one case.
 * @throws when a program fails, or the two results differ
 */
export async function measureKernel(which: KernelCase, settings: KernelSettings, peak: number): Promise<KernelRow> {
  const { place, dataFolder, say } = settings;
  clearScratch(place);
  const input = prepareInput(place.tool, dataFolder, which.input, say);
  const job = join(place.scratch, "job.hdf");
  const { type, input: shape } = which;
  const exchangeDimensions = which.exchangeDimensions === true;
  place.tool.job(job, { shape, input: input.path, delaysPerLevel: DELAYS_PER_LEVEL, type, exchangeDimensions });
  const bound = boundOf(which, place.tool.stream(input.path, which.threads).seconds, peak);
  const runs = alternate(which, job, settings);
  const ours = runs.unsupported === null ? ourNumbers(which, input, runs.ours, bound) : null;
  const contender = runs.contender.length > 0 ? numbersOf(runs.contender) : null;
  const ratio = ours !== null && contender !== null ? contender.wallS.median / ours.wallS.median : null;
  const difference = ratio === null ? null : await largestDifference(which, ourResult(place), contenderResult(place));
  if (difference !== null && !(difference <= AGREEMENT_MAX)) {
    copyFileSync(ourResult(place), join(dataFolder, `${which.name}-ours.hdf`));
    copyFileSync(contenderResult(place), join(dataFolder, `${which.name}-theirs.hdf`));
    throw new Error(`${which.name}: the results differ by ${difference.toExponential(1)}; both are kept in ${dataFolder}`);
  }
  return {
    name: which.name,
    title: which.title,
    threads: which.threads,
    frames: which.input.frames,
    events: input.events,
    bytes: input.bytes,
    bound,
    ours,
    unsupported: runs.unsupported,
    contender,
    ratio,
    difference,
    verdicts: which.goals.map((goal) => judge(goal, measuredValue(goal, which, input.events, ours, ratio))),
  };
}
