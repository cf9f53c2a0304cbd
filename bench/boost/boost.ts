/**
 * Question: how fast is `xpcs corr` on the cores of a machine beside boost_corr on its GPU? Programs alternate, the page cache is warm,
 * numbers are medians. Their results are compared: a ratio says nothing about two different ones.
 */
import { prepareInput } from "../inputs.js";
import { type Spread, spreadOf } from "../judge.js";
import type { ChildReport } from "../native-tool.js";
import { clearScratch, type OurRun, ourResult, runSupported, type Workplace } from "../programs.js";
import type { BoostCase } from "./cases.js";
import { type Difference, layOut, ourWords, type Peer, peerDifference, repeatPeer, runPeer } from "./peer.js";

export interface BoostSettings {
  readonly place: Workplace;
  readonly dataFolder: string;
  readonly peer: Peer;
  readonly runs: number;
  /** Of our second row of runs, beside those on one thread. */
  readonly threads: number;
  readonly say: (text: string) => void;
}

export interface OurTimes {
  readonly threads: number;
  /** The whole process. */
  readonly wallS: Spread;
  /** Without the start of the process. */
  readonly insideS: Spread;
  readonly readS: number;
  readonly correlateS: number;
  readonly writeS: number;
  readonly cpuS: number;
  readonly maxRssBytes: number;
  readonly kernelPath: string;
}

export interface PeerTimes {
  readonly wallS: Spread;
  readonly cpuS: number;
  readonly maxRssBytes: number;
  /** Further calls in a process that has loaded everything and met the GPU. */
  readonly callS: Spread;
  readonly seriesS: Spread;
  readonly gpuBytes: number | null;
}

export interface BoostRow {
  readonly name: string;
  readonly title: string;
  readonly type: BoostCase["type"];
  readonly frames: number;
  readonly pixels: number;
  readonly events: number;
  readonly bytes: number;
  readonly one: OurTimes;
  readonly all: OurTimes;
  readonly theirs: PeerTimes | null;
  /** Why there is none of theirs. */
  readonly failed: string | null;
  readonly difference: Difference | null;
}

function ourTimes(threads: number, runs: readonly OurRun[]): OurTimes {
  const middle = (values: readonly number[]): number => spreadOf(values).median;
  const timings = runs.map(({ summary }) => summary.timings);
  return {
    threads,
    wallS: spreadOf(runs.map(({ wallS }) => wallS)),
    insideS: spreadOf(timings.map(({ totalS }) => totalS)),
    readS: middle(timings.map(({ readS }) => readS)),
    correlateS: middle(timings.map(({ correlateS }) => correlateS)),
    writeS: middle(timings.map(({ writeS }) => writeS)),
    cpuS: middle(runs.map(({ userS, systemS }) => userS + systemS)),
    maxRssBytes: middle(runs.map(({ maxRssBytes }) => maxRssBytes)),
    kernelPath: runs[0]?.summary.kernelPath ?? "",
  };
}

/** One rounding to the eight bits of a bfloat16, in which boost_corr adds at its first levels. */
const BFLOAT16_ROUNDING = 2 ** -8;

/** Whether both computed the same, from the same frames. */
export function sameResult(difference: Difference | null): boolean {
  if (difference === null || difference.largest === null) return false;
  return difference.largest <= BFLOAT16_ROUNDING && (difference.framesApart ?? 0) === 0;
}

/** Measures one case. */
export function measureBoost(which: BoostCase, settings: BoostSettings): BoostRow {
  const { place, dataFolder, peer, runs, threads, say } = settings;
  clearScratch(place);
  const input = prepareInput(place.tool, dataFolder, which.input, say);
  const files = layOut(peer, place, which, input.path);
  place.tool.stream(input.path, threads);
  const args = ourWords(which, files);
  const ours = (count: number): OurRun => runSupported(place, { args, threads: count }, which.name);
  const one: OurRun[] = [];
  const all: OurRun[] = [];
  const theirs: ChildReport[] = [];
  let failed: string | null = null;
  for (let round = 1; round <= runs; round++) {
    one.push(ours(1));
    all.push(ours(threads));
    say(
      `${which.name} ${round}/${runs}: one thread ${one.at(-1)!.wallS.toFixed(2)} s, ${threads} threads ${all.at(-1)!.wallS.toFixed(2)} s`,
    );
    if (failed !== null) continue;
    const run = runPeer(peer, place, which, files);
    if ("failed" in run) failed = run.failed;
    else theirs.push(run);
    say(`${which.name} ${round}/${runs}: boost_corr ${"failed" in run ? run.failed : `${run.wallS.toFixed(2)} s`}`);
  }
  const facts = {
    name: which.name,
    title: which.title,
    type: which.type,
    frames: which.input.frames,
    events: input.events,
    bytes: input.bytes,
  };
  const common = { ...facts, pixels: which.input.rows * which.input.columns, one: ourTimes(1, one), all: ourTimes(threads, all) };
  if (failed !== null) return { ...common, theirs: null, failed, difference: null };
  const difference = peerDifference(peer, place, which.type, ourResult(place));
  say(`${which.name}: g2 apart by at most ${difference.largest}; ${difference.framesApart ?? "?"} frames apart`);
  const calls = repeatPeer(peer, place, which, files, runs + 1);
  return {
    ...common,
    theirs: {
      wallS: spreadOf(theirs.map(({ wallS }) => wallS)),
      cpuS: spreadOf(theirs.map(({ userS, systemS }) => userS + systemS)).median,
      maxRssBytes: spreadOf(theirs.map(({ maxRssBytes }) => maxRssBytes)).median,
      callS: spreadOf(calls.callS.slice(1)),
      seriesS: spreadOf(calls.seriesS.slice(1)),
      gpuBytes: calls.gpuBytes,
    },
    failed: null,
    difference,
  };
}
