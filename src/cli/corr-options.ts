/**
 * The options of one correlation on the command line: declared once, for `xpcs corr` and `xpcs submit` alike, and
 * parsed into CorrOptions. Says what is wrong with a value; does not look at any file.
 */
import type { Command } from "commander";
import {
  ANALYSIS_TYPES,
  type AnalysisType,
  type CorrOptions,
  FORMATS,
  type Format,
  LAYOUTS,
  type Layout,
  PIXEL_ORDERS,
  type PixelOrder,
} from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";

/** What commander hands over: every value as it was typed. */
export interface RawCorrOptions {
  readonly type?: string;
  readonly begin?: string;
  readonly end?: string;
  readonly stride?: string;
  readonly average?: string;
  readonly dpl?: string;
  readonly threads?: string;
  readonly g2out?: boolean;
  readonly layout?: string;
  readonly exchange?: string;
  readonly entry?: string;
  readonly compat?: string;
  readonly format?: string;
  readonly unsigned?: boolean;
  readonly pixelOrder?: string;
  readonly firstFrame?: string;
  readonly frameTime?: string;
  readonly metadata?: string;
}

const COMPATS = ["xpcs-eigen"] as const;

/** Adds the analysis options to a command; read them with `parseCorrOptions(command.opts())`. */
export function addCorrOptions(command: Command): Command {
  return command
    .option("--type <type>", `analysis: ${ANALYSIS_TYPES.join(" | ")} (default: the job file's, else multitau)`)
    .option("--begin <frame>", "first frame, 1-based, counted in the file")
    .option("--end <frame>", "last frame, 1-based, inclusive")
    .option("--stride <n>", "use every n-th frame")
    .option("--average <n>", "average n consecutive frames into one")
    .option("--dpl <n>", "delays per level of the multi-tau scheme")
    .option("--threads <n>", "threads of the correlator")
    .option("--g2out", "also write G2, IP and IF of every pixel")
    .option("--layout <layout>", `result layout: ${LAYOUTS.join(" | ")} (default: nexus with --qmap, exchange with --job)`)
    .option("--exchange <group>", "result group of the exchange layout")
    .option("--entry <group>", "group of the settings in the job file (default /xpcs)")
    .option("--compat <rules>", `rules of another program: ${COMPATS.join(" | ")}`)
    .option("--format <format>", `format of the raw file: ${FORMATS.join(" | ")} (default: from its bytes; UFXC has no signature)`)
    .option("--unsigned", "IMM counts are unsigned")
    .option("--pixel-order <order>", `order of the pixel index: ${PIXEL_ORDERS.join(" | ")}`)
    .option("--first-frame <number>", "number that the detector gave to its first frame")
    .option("--frame-time <s>", "time between frames, s (needed for the NeXus layout without metadata)")
    .option("--metadata <file>", "NeXus metadata of the measurement (default: *_metadata.hdf beside the input)");
}

/** Largest integer that the native core takes (int32). */
const INTEGER_MAX = 2 ** 31 - 1;

function integer(flag: string, text: string | undefined, min: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text.trim()) || value < min || value > INTEGER_MAX)
    throw new XpcsError("INVALID_ARGUMENT", `${flag} must be a whole number of at least ${min}, but is "${text}"`);
  return value;
}

function positive(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0)
    throw new XpcsError("INVALID_ARGUMENT", `${flag} must be a number above 0, but is "${text}"`);
  return value;
}

function oneOf<T extends string>(flag: string, text: string | undefined, choices: readonly T[]): T | undefined {
  if (text === undefined) return undefined;
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new XpcsError("INVALID_ARGUMENT", `${flag} must be one of ${choices.join(", ")}, but is "${text}"`);
  return found;
}

function group(flag: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!/^\/?[^/\s]+(\/[^/\s]+)*$/.test(text))
    throw new XpcsError("INVALID_ARGUMENT", `${flag} must be the name of an HDF5 group such as /exchange, but is "${text}"`);
  return text;
}

/**
 * What the person typed, as CorrOptions: only the options that were given.
 * @throws INVALID_ARGUMENT naming the option, what it must be and what it is
 */
export function parseCorrOptions(raw: RawCorrOptions): CorrOptions {
  const options: CorrOptions = Object.fromEntries(
    Object.entries({
      type: oneOf<AnalysisType>("--type", raw.type, ANALYSIS_TYPES),
      begin: integer("--begin", raw.begin, 1),
      end: integer("--end", raw.end, 1),
      stride: integer("--stride", raw.stride, 1),
      average: integer("--average", raw.average, 1),
      dpl: integer("--dpl", raw.dpl, 1),
      threads: integer("--threads", raw.threads, 1),
      g2out: raw.g2out,
      layout: oneOf<Layout>("--layout", raw.layout, LAYOUTS),
      exchange: group("--exchange", raw.exchange),
      entry: group("--entry", raw.entry),
      compat: oneOf("--compat", raw.compat, COMPATS),
      format: oneOf<Format>("--format", raw.format, FORMATS),
      unsigned: raw.unsigned,
      pixelOrder: oneOf<PixelOrder>("--pixel-order", raw.pixelOrder, PIXEL_ORDERS),
      firstFrame: integer("--first-frame", raw.firstFrame, 0),
      frameTimeS: positive("--frame-time", raw.frameTime),
    } satisfies { [K in keyof Required<CorrOptions>]: CorrOptions[K] | undefined }).filter(([, value]) => value !== undefined),
  );
  if (options.begin !== undefined && options.end !== undefined && options.end < options.begin)
    throw new XpcsError("INVALID_ARGUMENT", `--end (${options.end}) must not be before --begin (${options.begin})`);
  return options;
}
