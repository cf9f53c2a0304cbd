/** boost_corr as it is run here: as a whole process through its command line, and several times in one process. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { SeriesShape } from "../cases.js";
import type { ChildReport } from "../native-tool.js";
import type { Workplace } from "../programs.js";
import { type BoostCase, TWOTIME_BINS } from "./cases.js";

export interface Peer {
  /** Folder of a checkout of boost_corr. */
  readonly checkout: string;
  readonly python: string;
  /** As its --gpu-id: -1 is the CPU. */
  readonly gpu: number;
}

export interface PeerFacts {
  readonly commit: string;
  readonly python: string;
  readonly torch: string;
  readonly gpu: string | null;
  readonly gpuMemoryGB: number | null;
  readonly driver: string | null;
}

/** Calls in one process, in their order: the first one meets a cold GPU. */
export interface Calls {
  /** Q-map, reading, correlating, normalising and writing. */
  readonly callS: readonly number[];
  /** Its loop over the series: multi-tau, decoding and correlating; two-time, filling the memory only. */
  readonly seriesS: readonly number[];
  readonly gpuBytes: number | null;
}

export interface Difference {
  /** Relative, of g2; null: a value that is no number. */
  readonly largest: number | null;
  readonly median: number | null;
  /** Frames whose mean intensity differs; null: not compared. */
  readonly framesApart: number | null;
}

/** Files of one case, named as boost_corr wants them. */
export interface PeerFiles {
  readonly raw: string;
  readonly qmap: string;
  readonly metadata: string;
}

/** boost_corr as the environment names it: BOOST_CORR, BOOST_CORR_PYTHON, BOOST_CORR_GPU. */
export function findPeer(): Peer {
  const checkout = process.env.BOOST_CORR ?? "";
  if (checkout === "") throw new Error("set BOOST_CORR to a checkout of boost_corr");
  if (!existsSync(join(checkout, "src/boost_corr"))) throw new Error(`BOOST_CORR names ${checkout}, which has no src/boost_corr`);
  return { checkout, python: process.env.BOOST_CORR_PYTHON ?? "python3", gpu: Number(process.env.BOOST_CORR_GPU ?? "0") };
}

function environment({ checkout }: Peer): Record<string, string | undefined> {
  const path = [join(checkout, "src"), process.env.PYTHONPATH ?? ""].filter((part) => part !== "").join(delimiter);
  return { ...process.env, PYTHONPATH: path };
}

/** Runs bench/boost/peer.py and takes the last line of its output. */
function ask(peer: Peer, place: Workplace, words: readonly string[]): unknown {
  const command = [join(place.root, "bench/boost/peer.py"), ...words];
  const done = spawnSync(peer.python, command, { encoding: "utf8", env: environment(peer) as NodeJS.ProcessEnv, maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`peer.py ${words[0]}: ${done.error?.message ?? done.stderr.trim().slice(-1000)}`);
  return JSON.parse(done.stdout.trim().split("\n").at(-1) ?? "");
}

export function peerFacts(peer: Peer, place: Workplace): PeerFacts {
  const git = spawnSync("git", ["-C", peer.checkout, "rev-parse", "--short", "HEAD"], { encoding: "utf8" });
  const facts = ask(peer, place, ["about"]) as Omit<PeerFacts, "commit">;
  return { commit: git.status === 0 ? git.stdout.trim() : "unknown", ...facts };
}

const EXTENSIONS: Partial<Record<SeriesShape["format"], string>> = { rigaku: "bin", "imm-sparse": "imm", "imm-dense": "imm" };

/** Puts the input, its q-map and the least metadata into the scratch folder. */
export function layOut(peer: Peer, place: Workplace, { input }: BoostCase, path: string): PeerFiles {
  const named = (name: string): string => join(place.scratch, name);
  const files = { raw: named(`raw.${EXTENSIONS[input.format] ?? "h5"}`), qmap: named("qmap.hdf"), metadata: named("raw_metadata.hdf") };
  symlinkSync(path, files.raw);
  place.tool.qmap(files.qmap, input);
  ask(peer, place, ["metadata", files.metadata, "1e-3"]);
  return files;
}

/** Rigaku frames are numbered from 1 in the inputs: their frame 0 is left out. */
const beginOf = (input: SeriesShape): number => (input.format === "rigaku" ? 1 : 0);

/** Above 1: keep the pixels of the q bins alone, without which its two-time analysis takes them in a wrong order. */
const CROP = 1.1;

/** Words of `xpcs corr` for the same analysis, with its conventions. */
export function ourWords({ type, input }: BoostCase, { raw, qmap, metadata }: PeerFiles): string[] {
  const words = ["--input", raw, "--qmap", qmap, "--metadata", metadata, "--compat", "boost-corr", "--normalize", "none"];
  const frames = input.format === "rigaku" ? ["--format", "rigaku", "--first-frame", "1"] : [];
  const twotime = type === "twotime" ? ["--type", "twotime", "--q-bins", TWOTIME_BINS.join(",")] : [];
  return [...words, ...frames, ...twotime];
}

function outputOf(place: Workplace): string {
  return join(place.scratch, "theirs");
}

export function peerResult(place: Workplace): string {
  return join(outputOf(place), "raw_results.hdf");
}

/** One run of its command line; what it wrote to stderr when it failed. */
export function runPeer(
  peer: Peer,
  place: Workplace,
  { type, input }: BoostCase,
  files: PeerFiles,
): ChildReport | { readonly failed: string } {
  rmSync(outputOf(place), { recursive: true, force: true });
  mkdirSync(outputOf(place));
  const words = [
    "-r",
    files.raw,
    "-q",
    files.qmap,
    "-o",
    outputOf(place),
    "-i",
    `${peer.gpu}`,
    "-nf",
    "0",
    "-b",
    `${beginOf(input)}`,
    "-w",
  ];
  const twotime = type === "twotime" ? ["-t", "Twotime", "-d", TWOTIME_BINS.join(","), "--crop-ratio-threshold", `${CROP}`] : [];
  const at = {
    cwd: place.scratch,
    env: environment(peer),
    stdout: join(place.scratch, "peer.out"),
    stderr: join(place.scratch, "peer.err"),
  };
  const report = place.tool.run([peer.python, "-m", "boost_corr.cli", ...words, ...twotime], at);
  if (report.exitCode === 0 && existsSync(peerResult(place))) return report;
  return { failed: readFileSync(at.stderr, "utf8").trim().split("\n").at(-1) ?? "without a word" };
}

/** Its own function, several times in one process. */
export function repeatPeer(peer: Peer, place: Workplace, { type, input }: BoostCase, files: PeerFiles, runs: number): Calls {
  const output = join(place.scratch, "again");
  mkdirSync(output, { recursive: true });
  const frames = { begin_frame: beginOf(input), end_frame: -1, overwrite: true };
  const shared = { qmap: files.qmap, raw: files.raw, output, gpu_id: peer.gpu, ...frames };
  const settings =
    type === "multitau"
      ? { ...shared, normalize_frame: false }
      : { ...shared, smooth: "sqmap", dq_selection: TWOTIME_BINS, crop_ratio_threshold: CROP };
  return ask(peer, place, ["repeat", type, `${runs}`, JSON.stringify(settings)]) as Calls;
}

export function peerDifference(peer: Peer, place: Workplace, type: BoostCase["type"], ours: string): Difference {
  return ask(peer, place, ["difference", type, ours, peerResult(place)]) as Difference;
}
