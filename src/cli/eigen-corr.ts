/**
 * `xpcs eigen-corr META.hdf`: what XPCS-Eigen's `corr META.hdf` does, with its flags. The only command that writes into one of
 * its inputs, because that is what it replaces.
 */
import { existsSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import type { CorrOptions, CorrRequest, CorrSummary, Format } from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { correlateRecorded } from "../sites/correlate.js";
import { jobFileState, putResults } from "../xpcs/job-file-results.js";
import { jobTarget } from "../xpcs/native.js";
import { groupOption } from "./corr-options.js";
import { describeCorr, progressNotes } from "./corr-text.js";
import { fromGflags, type GflagNames } from "./gflags.js";
import { withExample } from "./help.js";
import { integerOption } from "./option-values.js";
import type { CliIo } from "./output.js";

interface EigenOptions {
  readonly entry?: string;
  readonly exchange?: string;
  readonly imm?: string;
  readonly inpath?: string;
  readonly outpath?: string;
  readonly g2out?: true;
  readonly darkout?: true;
  readonly ufxc?: true;
  readonly rigaku?: true;
  readonly hdf5?: true;
  readonly transposed?: true;
  readonly frameout?: number;
  readonly frame_threading?: true;
}

const GFLAGS: GflagNames = {
  booleans: ["g2out", "darkout", "ufxc", "rigaku", "hdf5", "transposed", "frame_threading"],
  valued: ["entry", "exchange", "imm", "inpath", "outpath", "frameout"],
};

/** Flags that change nothing, with the reason that the person is told. */
function remarks(options: EigenOptions): string[] {
  const said: string[] = [];
  if (options.transposed) said.push("--transposed has no effect, as in XPCS-Eigen: the job file's transposed setting counts");
  if (options.darkout) said.push("--darkout is not needed: DarkAvg and DarkStd are written whenever darks are used");
  if (options.frame_threading) said.push("--frame_threading has no meaning here: the work is shared among threads anyway");
  if ((options.inpath === undefined) !== (options.outpath === undefined))
    said.push("--inpath and --outpath have an effect only together, as in XPCS-Eigen");
  return said;
}

/** The format as XPCS-Eigen chooses it: the first of its three flags, else IMM. */
function formatOf(options: EigenOptions): Format {
  if (options.ufxc) return "ufxc";
  if (options.rigaku) return "rigaku";
  return options.hdf5 ? "hdf5" : "imm";
}

/** The raw file, which must be there. */
function inputOf(named: string, options: EigenOptions, job: string): string {
  const input = inputNamed(named, options, job);
  if (existsSync(input)) return input;
  const way = options.imm === undefined ? `, which ${job} names, does not exist; --imm FILE names another` : " does not exist";
  throw new XpcsError("NOT_FOUND", `the raw file ${input}${way}`);
}

/** --imm or the job file's, its leading --inpath replaced by --outpath; relative to the current folder. */
function inputNamed(named: string, options: EigenOptions, job: string): string {
  const given = options.imm ?? named;
  if (given === "") throw new XpcsError("INVALID_ARGUMENT", `the job file ${job} names no input (input_file_local); pass --imm FILE`);
  const { inpath, outpath } = options;
  if (inpath === undefined || outpath === undefined) return resolve(given);
  if (!given.startsWith(inpath)) throw new XpcsError("INVALID_ARGUMENT", `the input ${given} does not begin with --inpath ${inpath}`);
  return resolve(outpath + given.slice(inpath.length));
}

/** Threads as OpenMP would take them, in place of all cores. */
function openMpThreads(): { threads?: number } {
  const threads = Number(process.env.OMP_NUM_THREADS?.split(",")[0]);
  return Number.isInteger(threads) && threads >= 1 && threads <= 1024 ? { threads } : {};
}

function existing(meta: string): string {
  try {
    return realpathSync(meta);
  } catch {
    throw new XpcsError("NOT_FOUND", `the job file ${resolve(meta)} does not exist`);
  }
}

async function eigenCorr(meta: string, raw: EigenOptions, io: CliIo): Promise<void> {
  const job = existing(meta);
  const state = await jobFileState(job);
  const options: CorrOptions = {
    layout: "exchange",
    compat: "xpcs-eigen",
    format: formatOf(raw),
    ...(raw.g2out === true ? { g2out: true } : {}),
    ...(raw.entry === undefined ? {} : { entry: raw.entry }),
    ...(raw.exchange === undefined ? {} : { exchange: raw.exchange }),
    ...openMpThreads(),
  };
  const [result, copy] = ["results", "copy"].map((what) => `${job}.xpcs-${what}-${process.pid}`) as [string, string];
  const base = { options, out: result, overwrite: true, provenance: {} };
  const target = jobTarget({ ...base, files: { job } });
  const frames = raw.frameout === undefined ? {} : { firstFrames: raw.frameout };
  const request: CorrRequest = {
    ...base,
    ...frames,
    options: target.twoTime ? { ...options, compression: "gzip" } : options,
    files: { job, input: inputOf(target.input, raw, job) },
  };
  for (const remark of remarks(raw)) io.note(remark);
  try {
    const summary = await correlated(request, io);
    const owned = await putResults(state, result, target.group, copy, io.signal);
    const warnings = owned ? summary.warnings : [...summary.warnings, `${job} now belongs to the user who ran this command`];
    const shown: CorrSummary = { ...summary, out: job, warnings };
    io.result(shown, () => `${describeCorr(shown)}\n  results in ${target.group}`);
  } finally {
    await rm(result, { force: true });
  }
}

async function correlated(request: CorrRequest, io: CliIo): Promise<CorrSummary> {
  try {
    return await correlateRecorded({ request, digest: false, clock: realClock, onProgress: progressNotes(io), signal: io.signal });
  } catch (error) {
    const { code, message } = error as XpcsError;
    // What is no IMM file seems damaged, or has frames of another shape than the q-map.
    const otherFormat = code === "CORRUPT_DATA" || (code === "INVALID_ARGUMENT" && !/\.imm$/i.test(request.files.input ?? ""));
    if (request.options.format !== "imm" || !otherFormat) throw error;
    throw new XpcsError(code, `${message}; without --rigaku, --hdf5 or --ufxc the input is read as IMM`);
  }
}

/** Adds the command to the program. */
export function registerEigenCorr(program: Command, io: CliIo): void {
  const command = program
    .command("eigen-corr")
    .argument("<meta>", "job file (legacy /xpcs settings); the results are written into it")
    .description("In place of XPCS-Eigen's `corr META.hdf`: same flags, same results in META.hdf, which is replaced whole or not at all.")
    .option("--entry <group>", "group of the settings (default: /xpcs)", groupOption)
    .option("--exchange <group>", "group of the results (default: the job file's output_data)", groupOption)
    .option("--imm <file>", "raw file of any format, in place of the job file's")
    .option("--inpath <prefix>", "this beginning of the raw file's path is replaced by --outpath")
    .option("--outpath <prefix>", "see --inpath")
    .option("--g2out", "also write G2, IP and IF of every pixel")
    .option("--darkout", "accepted: DarkAvg and DarkStd are written whenever darks are used")
    .option("--ufxc", "the raw file is UFXC")
    .option("--rigaku", "the raw file is Rigaku .bin")
    .option("--hdf5", "the raw file is HDF5 (default: IMM)")
    .option("--transposed", "accepted, without effect: the job file's transposed setting counts")
    .option("--frameout <n>", "also write the first n processed frames as frames_out, where there are more", integerOption(0, 2 ** 32 - 1))
    .option("--frame_threading", "accepted, without meaning")
    .action((meta: string, raw: EigenOptions) => eigenCorr(meta, raw, io));
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => parse(fromGflags(words, GFLAGS));
  withExample(command, "xpcs eigen-corr scan_0001.hdf --rigaku --imm=/data/scan_0001.bin");
}
