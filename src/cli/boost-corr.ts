/**
 * `xpcs boost-corr`: what boost_corr does, with its options, conventions and result names, on the CPU. What it cannot do as
 * asked it refuses; what has no meaning here it accepts and says so.
 */
import { existsSync, mkdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import type { CorrOptions, CorrRequest } from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { VERSION } from "../core/version.js";
import { correlateRecorded } from "../sites/correlate.js";
import { findMetadata, stemOf } from "../xpcs/corr-files.js";
import { resolveInput } from "../xpcs/native.js";
import { addBoostOptions, type BoostOptions, fromArgparse, nameOfBoostKey } from "./boost-options.js";
import { readsConfig } from "./config-file.js";
import { describeCorr, progressNotes } from "./corr-text.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";

/** Results of one name before the search for a free number gives up. */
const NUMBERS_MAX = 10_000;

function unsupported(message: string): never {
  throw new XpcsError("UNSUPPORTED", message);
}

/**
 * Refuses what would change the result and is not there.
 * @throws UNSUPPORTED
 */
function refuseMissing(options: BoostOptions): void {
  if (options.numSegments !== 1) unsupported("--num-segments: only 1 is supported; correlate parts with --begin-frame and --end-frame");
  if (options.beginFrame < 0) unsupported("--begin-frame below 0 (counted from the end) is not supported; give the frame's number");
  if (options.gpuId < -2) unsupported(`--gpu-id ${options.gpuId} hands the work to a batch system; xpcs submit does that here`);
  if (options.raw.length > 1) unsupported("several --raw files: run once per file, or hand them all to xpcs submit");
}

/** Options that change nothing here, with the reason that the person is told. */
function remarks(options: BoostOptions): string[] {
  const said: string[] = [];
  if (options.gpuId !== -1) said.push(`--gpu-id ${options.gpuId}: no GPU is used, the analysis runs on the processor`);
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

/** `[PREFIX_]NAME[_SUFFIX]_results.hdf`, numbered when it is taken; NAME is the metadata file's. */
function resultPath(options: BoostOptions, metadata: string): string {
  const name = basename(metadata)
    .replace(/\.[^.]*$/, "")
    .replace(/_metadata$/, "");
  const stem = [options.prefix, name, options.suffix, "results"].filter((part) => part !== undefined).join("_");
  const folder = resolve(options.output);
  const plain = join(folder, `${stem}.hdf`);
  if (options.overwrite === true || !existsSync(plain)) return plain;
  for (let number = 1; number < NUMBERS_MAX; number++) {
    const numbered = join(folder, `${stem}_${number}.hdf`);
    if (!existsSync(numbered)) return numbered;
  }
  throw new XpcsError("ALREADY_EXISTS", `${plain} and ${NUMBERS_MAX - 1} numbered ones exist; --overwrite replaces the first`);
}

function metadataOf(raw: string, options: BoostOptions): string {
  if (options.metaFname !== undefined) return resolve(options.metaFname);
  const found = findMetadata(raw);
  if (found !== null) return found;
  throw new XpcsError("NOT_FOUND", `there is no ${stemOf(raw)}_metadata.hdf beside ${raw}: name the metadata with --meta-fname FILE`);
}

/** The checks that a run begins with; a folder of results that is not there yet is no fault, and is not made by a check. */
function checkBefore(request: CorrRequest, raw: string): void {
  const made = existsSync(dirname(request.out));
  resolveInput(made ? request : { ...request, out: join(dirname(raw), basename(request.out)), overwrite: true });
}

async function boostCorr(options: BoostOptions, io: CliIo): Promise<void> {
  refuseMissing(options);
  const raw = resolve(options.raw[0]!);
  if (options.qmap === undefined) throw new XpcsError("INVALID_ARGUMENT", "give the partition maps: --qmap FILE");
  if (!existsSync(raw)) throw new XpcsError("NOT_FOUND", `the raw file ${raw} does not exist`);
  const metadata = metadataOf(raw, options);
  const request: CorrRequest = {
    files: { input: raw, qmap: resolve(options.qmap), metadata },
    options: correlationOptions(options),
    out: resultPath(options, metadata),
    overwrite: options.overwrite === true,
    provenance: { boost_corr_options: JSON.stringify(options) },
  };
  for (const remark of remarks(options)) io.note(remark);
  checkBefore(request, raw);
  if (options.dryRun === true) {
    io.result({ ...options, out: request.out }, () => `${JSON.stringify(options, null, 4)}\n${request.out}`);
    return;
  }
  mkdirSync(resolve(options.output), { recursive: true });
  const summary = await correlateRecorded({
    request,
    digest: false,
    clock: realClock,
    onProgress: progressNotes(io),
    signal: io.signal,
  });
  for (const warning of summary.warnings) io.note(`warning: ${warning}`);
  io.result(summary, () => (options.verbose === true ? `${describeCorr(summary)}\n${summary.out}` : summary.out));
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
  withExample(command, "xpcs boost-corr -r scan_0001.bin -q qmap.hdf -o cluster_results -w");
}
