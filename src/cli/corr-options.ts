/**
 * The options of one correlation on the command line: declared once, for `xpcs corr` and `xpcs submit` alike, and
 * gathered into CorrOptions. Looks at no file.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  ANALYSIS_TYPES,
  AVERAGINGS,
  COMPATS,
  COMPRESSIONS,
  type CorrOptions,
  ERROR_CONVENTIONS,
  FORMATS,
  LAYOUTS,
  NORMALIZATIONS,
  PIXEL_ORDERS,
  SMOOTHING_FILTERS,
  SMOOTHINGS,
} from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { integerOption, positiveOption } from "./option-values.js";

/** What commander hands over: CorrOptions, with `frameTime` for `frameTimeS`, and the files of metadata and monitor. */
export interface RawCorrOptions extends Omit<CorrOptions, "frameTimeS"> {
  readonly frameTime?: number;
  readonly metadata?: string;
  readonly monitor?: string;
}

/** Largest integer that the native core takes (int32). */
const INTEGER_MAX = 2 ** 31 - 1;
const count = integerOption(1, INTEGER_MAX);

/** The name of an HDF5 group. */
export function groupOption(text: string): string {
  if (!/^\/?[^/\s]+(\/[^/\s]+)*$/.test(text)) throw new InvalidArgumentError("It must be the name of an HDF5 group such as /exchange.");
  return text;
}

/** "1,2,5-7" as numbers, each once, ascending. */
export function binsOption(text: string): number[] {
  const bins = new Set<number>();
  for (const part of text.split(",")) {
    const [, first, last] = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last ?? first)];
    if (!(from >= 1 && to >= from)) throw new InvalidArgumentError("It must be a list of bin numbers such as 1,2,5-7.");
    for (let bin = from; bin <= to; bin++) bins.add(bin);
  }
  return [...bins].sort((a, b) => a - b);
}

function frameListOption(text: string): string {
  if (!/^[1-9]\d*(-[1-9]\d*)?(,[1-9]\d*(-[1-9]\d*)?)*$/.test(text))
    throw new InvalidArgumentError("It must be a list of frames such as 1,5-9.");
  return text;
}

/** Adds the analysis options to a command; gather them with `parseCorrOptions(command.opts())`. */
export function addCorrOptions(command: Command): Command {
  return command
    .addOption(new Option("--type <type>", "analysis (default: the job file's, else multitau)").choices(ANALYSIS_TYPES))
    .option("--begin <frame>", "first frame, 1-based, counted in the file", count)
    .option("--end <frame>", "last frame, 1-based, inclusive", count)
    .option("--stride <n>", "use every n-th frame", count)
    .option("--average <n>", "average n consecutive frames into one", count)
    .option("--dpl <n>", "delays per level of the multi-tau scheme", count)
    .option("--threads <n>", "threads of the correlator", integerOption(1, LIMITS.threadsMax))
    .option("--g2out", "also write G2, IP and IF of every pixel")
    .option("--leverage", "also find the pixels that pull g2; changes nothing, `xpcs leverage RESULT` shows them")
    .addOption(new Option("--layout <layout>", "result layout (default: nexus with --qmap, exchange with --job)").choices(LAYOUTS))
    .option("--exchange <group>", "result group of the exchange layout", groupOption)
    .option("--entry <group>", "group of the settings in the job file (default: /xpcs)", groupOption)
    .addOption(new Option("--compat <program>", "conventions of another program").choices(COMPATS))
    .addOption(
      new Option("--errors <convention>", "standard error of g2 (default: influence; exchange layout: xpcs-eigen)").choices(
        ERROR_CONVENTIONS,
      ),
    )
    .addOption(new Option("--averaging <how>", "of the static bins of a q bin (default: plain, the unweighted mean)").choices(AVERAGINGS))
    .option("--partials <n>", "also a g2 of each of n consecutive time windows (partial g2); reads the frames twice", count)
    .addOption(new Option("--format <format>", "format of the raw file (default: from its bytes; UFXC has no signature)").choices(FORMATS))
    .option("--unsigned", "IMM counts are unsigned")
    .addOption(new Option("--pixel-order <order>", "order of the pixel index in the file").choices(PIXEL_ORDERS))
    .option("--first-frame <number>", "number that the detector gave to its first frame", integerOption(0, INTEGER_MAX))
    .option("--frame-time <s>", "time between frames, s (needed for the NeXus layout without metadata)", positiveOption)
    .option("--q-bins <list>", "q bins of the two-time analysis, such as 1,2,5-7 (default: the job file's, else all)", binsOption)
    .addOption(new Option("--smoothing <name>", "what two-time divides frames by (default: the job file's, else none)").choices(SMOOTHINGS))
    .addOption(
      new Option("--smoothing-filter <filter>", "average: two-time divides by the mean over time instead").choices(SMOOTHING_FILTERS),
    )
    .option("--window <frames>", "frames of one row of g2partials (default: the job file's, else 1)", count)
    .addOption(new Option("--compression <kind>", "of the C2 matrices (default: none)").choices(COMPRESSIONS))
    .option("--streaming", "keep sums instead of photons: memory with a fixed bound, said before the work, however long the series")
    .option("--memory-gb <gb>", "memory that two-time or --streaming may take (default: 80 % of what is available)", positiveOption)
    .option("--bad-frames <list>", "frames that do not count, such as 1,5-9", frameListOption)
    .addOption(
      new Option("--normalize <by>", "divide every frame by its mean (default: the job file's, else none)").choices(NORMALIZATIONS),
    )
    .option("--monitor <file>", "normalise the frames by this: a text file of one number per frame, or FILE:/dataset in HDF5")
    .option("--metadata <file>", "NeXus metadata of the measurement (default: *_metadata.hdf beside the input)");
}

const FIELDS = [
  "type",
  "begin",
  "end",
  "stride",
  "average",
  "dpl",
  "threads",
  "g2out",
  "leverage",
  "layout",
  "exchange",
  "entry",
  "compat",
  "errors",
  "averaging",
  "partials",
  "format",
  "unsigned",
  "pixelOrder",
  "firstFrame",
  "qBins",
  "smoothing",
  "smoothingFilter",
  "window",
  "compression",
  "streaming",
  "memoryGb",
  "badFrames",
  "normalize",
] as const satisfies readonly (keyof CorrOptions)[];

/**
 * The analysis options among a command's options: only those that were given.
 * @throws INVALID_ARGUMENT the frame range is empty
 */
export function parseCorrOptions(raw: RawCorrOptions): CorrOptions {
  const given = Object.fromEntries(FIELDS.filter((field) => raw[field] !== undefined).map((field) => [field, raw[field]])) as CorrOptions;
  if (given.begin !== undefined && given.end !== undefined && given.end < given.begin)
    throw new XpcsError("INVALID_ARGUMENT", `--end (${given.end}) must not be before --begin (${given.begin})`);
  return raw.frameTime === undefined ? given : { ...given, frameTimeS: raw.frameTime };
}
