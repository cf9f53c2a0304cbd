/**
 * `xpcs boost-corr`: what boost_corr does, with its options, conventions and result names, on the CPU. What has no meaning here it
 * accepts and says so.
 */
import { existsSync, mkdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import type { CorrOptions, CorrRequest } from "../core/analysis.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { VERSION } from "../core/version.js";
import { correlateRecorded } from "../sites/correlate.js";
import { findMetadata, stemOf } from "../xpcs/corr-files.js";
import { countFrames, resolveInput } from "../xpcs/native.js";
import { addBoostOptions, type BoostOptions, boostConfig, fromArgparse, nameOfBoostKey } from "./boost-options.js";
import { readsConfig } from "./config-file.js";
import { describeCorr, progressNotes } from "./corr-text.js";
import { withExample } from "./help.js";
import { type CliIo, errorLine } from "./output.js";
import { readText } from "./text-file.js";

/** Results of one name before the search for a free number gives up. */
const NUMBERS_MAX = 10_000;

/** Options that change nothing here, with the reason that the person is told. */
function remarks(options: BoostOptions): string[] {
  const said: string[] = [];
  if (options.gpuId !== -1)
    said.push(
      `--gpu-id ${options.gpuId}: no ${options.gpuId < -2 ? "batch system" : "GPU"} is used, the analysis runs on this machine's processor`,
    );
  if (options.pbs !== undefined) said.push("--pbs-*: no batch system is used; xpcs submit hands work to other machines");
  if (options.cropRatioThreshold !== undefined)
    said.push("--crop-ratio-threshold has no meaning: only the valid pixels are kept, and normalise a frame, in any case");
  if (options.binTimeS !== undefined || options.runConfigPath !== undefined)
    said.push("--bin-time-s and --run-config-path have no effect: they are for Timepix4 data");
  if (options.maxMemory !== undefined && options.type === "Multitau")
    said.push("--max-memory has no effect on a multi-tau analysis: it needs little beside the events");
  if (options.numPartialG2 > 0 && options.type === "Twotime") said.push("--num-partial-g2 has no effect on a two-time analysis");
  return said;
}

const TYPES = { Multitau: "multitau", Twotime: "twotime", Both: "both" } as const;

function twoTimeOptions({ smooth, dqSelection, maxMemory }: BoostOptions): CorrOptions {
  return {
    smoothing: smooth,
    compression: "gzip",
    ...(dqSelection === undefined ? {} : { qBins: dqSelection }),
    ...(maxMemory === undefined ? {} : { memoryGb: maxMemory }),
  };
}

function correlationOptions(options: BoostOptions): CorrOptions {
  return {
    type: TYPES[options.type],
    ...(options.type === "Multitau" ? {} : twoTimeOptions(options)),
    layout: "nexus",
    normalize: options.normalizeFrame === "1" ? "framesum" : "none",
    compat: "boost-corr",
    ...(options.beginFrame > 0 ? { begin: options.beginFrame + 1 } : {}),
    ...(options.endFrame > 0 ? { end: options.endFrame } : {}),
    stride: options.strideFrame,
    average: options.avgFrame,
    ...(options.numPartialG2 > 0 && options.type !== "Twotime" ? { partials: options.numPartialG2 } : {}),
    ...(options.saveG2 === true ? { g2out: true } : {}),
  };
}

/**
 * `[PREFIX_]NAME[_SUFFIX]_results.hdf`, numbered when it is taken; NAME is the metadata file's.
 * @param taken results of this command, which never replace each other; the new one is added
 */
function resultPath(options: BoostOptions, metadata: string, taken: Set<string>): string {
  const name = basename(metadata)
    .replace(/\.[^.]*$/, "")
    .replace(/_metadata$/, "");
  const stem = join(
    resolve(options.output),
    [options.prefix, name, options.suffix, "results"].filter((part) => part !== undefined).join("_"),
  );
  for (let number = 0; number < NUMBERS_MAX; number++) {
    const path = number === 0 ? `${stem}.hdf` : `${stem}_${number}.hdf`;
    if (taken.has(path) || (options.overwrite !== true && existsSync(path))) continue;
    taken.add(path);
    return path;
  }
  throw new XpcsError("ALREADY_EXISTS", `${stem}.hdf and ${NUMBERS_MAX - 1} numbered ones exist; --overwrite replaces the first`);
}

function metadataOf(raw: string, options: BoostOptions): string {
  if (options.metaFname !== undefined) return resolve(options.metaFname);
  const found = findMetadata(raw, "choose one with --meta-fname FILE");
  if (found !== null) return found;
  throw new XpcsError("NOT_FOUND", `there is no ${stemOf(raw)}_metadata.hdf beside ${raw}: name the metadata with --meta-fname FILE`);
}

/** The request as it can be checked before the folder of the results is there: with a result in the folder where it would be made. */
function checkable(request: CorrRequest): CorrRequest {
  let folder = dirname(request.out);
  while (!existsSync(folder)) folder = dirname(folder);
  return { ...request, out: join(folder, basename(request.out)), overwrite: true };
}

/** @throws INVALID_ARGUMENT */
function checkSegments(options: BoostOptions): void {
  if (options.numSegments > 1 && options.strideFrame * options.avgFrame > 1)
    throw new XpcsError("INVALID_ARGUMENT", "--num-segments goes with --stride-frame 1 and --avg-frame 1 only, as in boost_corr");
}

/**
 * The options of each result of one raw file: a begin that is counted from the end as a frame's number, and one part per segment.
 * @param frames counts those of the file @throws INVALID_ARGUMENT segments that would not be of one length
 */
async function partsOf(options: BoostOptions, frames: () => Promise<number>): Promise<BoostOptions[]> {
  const { beginFrame, endFrame, numSegments, suffix } = options;
  if (beginFrame >= 0 && numSegments === 1) return [options];
  const held = await frames();
  const begin = Math.min(beginFrame < 0 ? Math.max(0, held + beginFrame) : beginFrame, held);
  if (numSegments === 1) return [{ ...options, beginFrame: begin }];
  const range = Math.max(0, (endFrame > 0 ? Math.min(endFrame, held) : held) - begin);
  const length = Math.floor(range / numSegments);
  const asked = `--num-segments ${numSegments}: the range has ${range} frames`;
  if (length < 2) throw new XpcsError("INVALID_ARGUMENT", `${asked}, and a segment needs 2 or more`);
  if (range % numSegments > 0)
    throw new XpcsError("INVALID_ARGUMENT", `${asked}, which does not divide; --end-frame ${begin + length * numSegments} does`);
  const width = String(numSegments - 1).length;
  return Array.from({ length: numSegments }, (_, at) => ({
    ...options,
    beginFrame: begin + at * length,
    endFrame: begin + (at + 1) * length,
    suffix: [suffix, `segment_${String(at).padStart(width, "0")}`].filter((part) => part !== undefined).join("_"),
  }));
}

/** All results of one raw file. */
async function correlateRaw(raw: string, options: BoostOptions, taken: Set<string>, io: CliIo): Promise<void> {
  if (!existsSync(raw)) throw new XpcsError("NOT_FOUND", `the raw file ${raw} does not exist`);
  const metadata = metadataOf(raw, options);
  const base = {
    files: { input: raw, qmap: resolve(options.qmap!), metadata },
    overwrite: options.overwrite === true,
    provenance: { boost_corr_options: JSON.stringify(options) },
  };
  const whole = { ...base, options: {}, out: join(resolve(options.output), "results.hdf") };
  const parts = await partsOf(options, () => countFrames(checkable(whole), io.signal));
  for (const part of parts) {
    const request: CorrRequest = { ...base, options: correlationOptions(part), endAtMost: true, out: resultPath(part, metadata, taken) };
    resolveInput(checkable(request));
    if (options.dryRun === true) {
      const settings = boostConfig(part);
      io.result({ ...settings, out: request.out }, () => `${JSON.stringify(settings, null, 4)}\n${request.out}`);
      continue;
    }
    mkdirSync(resolve(options.output), { recursive: true });
    const work = { request, digest: false, clock: realClock, onProgress: progressNotes(io), signal: io.signal };
    const summary = await correlateRecorded(work);
    for (const warning of summary.warnings) io.note(`warning: ${warning}`);
    io.result(summary, () => (options.verbose === true ? `${describeCorr(summary)}\n${summary.out}` : summary.out));
  }
}

/** The raw files: as they are named, or as a single `.txt` lists them. */
function rawFiles(named: readonly string[]): readonly string[] {
  const [list] = named;
  if (list === undefined || named.length > 1 || !/\.txt$/i.test(list)) return named;
  const lines = readText(list, "the list of raw files").split(/\r?\n/);
  const files = lines.map((line) => line.trim()).filter((line) => line !== "");
  if (files.length === 0) throw new XpcsError("INVALID_ARGUMENT", `${list} lists no raw file: it needs one a line`);
  return files;
}

/** Each raw file by itself; one that fails does not keep the others from their results. */
async function boostCorr(options: BoostOptions, io: CliIo): Promise<void> {
  if (options.qmap === undefined) throw new XpcsError("INVALID_ARGUMENT", "give the partition maps: --qmap FILE");
  checkSegments(options);
  for (const remark of remarks(options)) io.note(remark);
  const raws = rawFiles(options.raw);
  const taken = new Set<string>();
  const failures: XpcsError[] = [];
  for (const [at, raw] of raws.entries()) {
    if (raws.length > 1) io.note(`raw file ${at + 1} of ${raws.length}: ${raw}`);
    try {
      await correlateRaw(resolve(raw), options, taken, io);
    } catch (error) {
      const failure = toXpcsError(error);
      if (raws.length === 1 || failure.code === "CANCELED") throw failure;
      io.note(errorLine(failure));
      failures.push(failure);
    }
  }
  if (failures.length === 0) return;
  const messages = failures.map(({ message }) => message).join("; ");
  throw new XpcsError(failures[0]!.code, `${failures.length} of ${raws.length} raw files have no result, or not all: ${messages}`);
}

/** Adds the command to the program. */
export function registerBoostCorr(program: Command, io: CliIo): void {
  const command = program
    .command("boost-corr")
    .version(VERSION, "--version")
    .description("In place of boost_corr: same options, same result names, its conventions. The last line of stdout is the result's path.");
  addBoostOptions(command).action((options: BoostOptions) => boostCorr(options, io));
  readsConfig(command, { nameOf: nameOfBoostKey });
  const parse = command.parseOptions.bind(command);
  const longs = command.options.map(({ long }) => long!);
  command.parseOptions = (words) => parse(fromArgparse(words, longs));
  withExample(
    command,
    "xpcs boost-corr -r scan_0001.bin -q qmap.hdf -o cluster_results -w",
    "xpcs boost-corr -r scan_0001.bin scan_0002.bin -q qmap.hdf",
  );
}
