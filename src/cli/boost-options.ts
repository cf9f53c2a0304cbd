/**
 * The options of boost_corr, with its names, short forms and defaults, and its syntax (argparse: `-nf`, `-np`, unique
 * beginnings of long names). What each means for a run is boost-corr.ts.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { XpcsError } from "../core/errors.js";
import { binsOption } from "./corr-options.js";
import { integerOption, positiveOption } from "./option-values.js";

export interface BoostOptions {
  readonly raw: readonly string[];
  readonly qmap?: string;
  readonly output: string;
  readonly smooth: "sqmap" | "dqmap";
  readonly gpuId: number;
  readonly normalizeFrame: "0" | "1";
  readonly beginFrame: number;
  readonly endFrame: number;
  readonly strideFrame: number;
  readonly avgFrame: number;
  readonly type: "Multitau" | "Twotime" | "Both";
  /** Absent: all. */
  readonly dqSelection?: readonly number[];
  readonly verbose?: true;
  readonly saveG2?: true;
  readonly dryRun?: true;
  readonly numPartialG2: number;
  readonly cropRatioThreshold?: number;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly binTimeS?: number;
  readonly runConfigPath?: string;
  /** Whether any option of boost_corr's batch system was given. */
  readonly pbs?: string | true;
  readonly maxMemory?: number;
  readonly numSegments: number;
  readonly metaFname?: string;
  readonly overwrite?: true;
  readonly config?: string;
}

const INTEGER_MAX = 2 ** 31 - 1;
const whole = integerOption(-INTEGER_MAX, INTEGER_MAX);
const count = integerOption(1, INTEGER_MAX);

/** Short forms of two letters, which commander does not have. */
const TWO_LETTERS: Readonly<Record<string, string>> = { "-nf": "--normalize-frame", "-np": "--num-partial-g2" };

/** How the names of all options of its batch system begin. */
const BATCH_SYSTEM = "--pbs-";

function namePart(text: string): string {
  if (!/^[^/\0]{1,100}$/.test(text)) throw new InvalidArgumentError("It must be part of a file name.");
  return text;
}

function selection(text: string): number[] | undefined {
  return text === "all" ? undefined : binsOption(text);
}

function ratio(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1)) throw new InvalidArgumentError("It must be a number from 0 to 1.");
  return value;
}

/** Declares them on a command. */
export function addBoostOptions(command: Command): Command {
  return command
    .requiredOption("-r, --raw <file...>", "raw detector files, or one .txt that lists them, a line each; each gets a result of its own")
    .option("-q, --qmap <file>", "partition maps (NeXus); required, here or in --config")
    .option("-o, --output <folder>", "folder of the results, made if missing", "cluster_results")
    .addOption(new Option("-s, --smooth <method>", "smoothing of a two-time analysis").choices(["sqmap", "dqmap"]).default("sqmap"))
    .option("-i, --gpu-id <id>", "accepted: no GPU and no batch system is used", whole, -1)
    .addOption(new Option("--normalize-frame <flag>", "also -nf: divide every frame by its mean").choices(["0", "1"]).default("1"))
    .option("-b, --begin-frame <frame>", "first frame, 0-based; below 0: counted from the end", whole, 0)
    .option("-e, --end-frame <frame>", "frame after the last one, 0-based; 0 and below, or beyond the end of the file: all", whole, -1)
    .option("-f, --stride-frame <n>", "use every n-th frame", count, 1)
    .option("-a, --avg-frame <n>", "average n frames into one", count, 1)
    .addOption(new Option("-t, --type <type>", "analysis").choices(["Multitau", "Twotime", "Both"]).default("Multitau"))
    .option("-d, --dq-selection <list>", "q bins of a two-time analysis: all, or such as 1,2,5-7", selection)
    .option("-v, --verbose", "also print a summary")
    .option("-G, --save-G2", "also write G2, IP and IF of every pixel")
    .option("-n, --dry-run", "check everything and print the settings and the result's name; correlate nothing")
    .option("--num-partial-g2 <n>", "also -np: a g2 of each of n consecutive time windows; 0: none", integerOption(0, INTEGER_MAX), 0)
    .option("--crop-ratio-threshold <ratio>", "accepted, without meaning: only valid pixels are kept in any case", ratio)
    .option("-p, --prefix <text>", "put before the result's name", namePart)
    .option("-u, --suffix <text>", "put after the result's name", namePart)
    .option("--bin-time-s <s>", "accepted, without effect: Timepix4 only", positiveOption)
    .option("--run-config-path <file>", "accepted, without effect: Timepix4 only")
    .option("--pbs [value]", "and every option whose name begins with --pbs-; accepted: no batch system is used")
    .option("--max-memory <gb>", "memory that a two-time analysis may take; a multi-tau analysis needs no limit", positiveOption)
    .option("--num-segments <n>", "consecutive parts of one length, each correlated by itself: NAME_segment_K_results.hdf", count, 1)
    .option("--meta-fname <file>", "metadata of the measurement (default: *_metadata.hdf beside the raw file)")
    .option("-w, --overwrite", "replace a result of this name (default: number the new one)")
    .option("-c, --config <file>", "settings from a JSON or YAML file, keys as the long names with _; the command line wins");
}

/** Long name of a key of boost_corr's configuration files. */
export function nameOfBoostKey(key: string): string {
  return key.startsWith("pbs_") ? "pbs" : key.replaceAll("_", "-");
}

/** The options as such a file has them. */
export function boostConfig(options: BoostOptions): Record<string, unknown> {
  const keyOf = (name: string): string =>
    name === "saveG2" ? "save_G2" : name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
  const { dqSelection, ...others } = options;
  const all = { ...others, ...(dqSelection === undefined ? {} : { dqSelection: dqSelection.join(",") }) };
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [keyOf(name), value]));
}

/**
 * Words as argparse understands them in the form that commander understands.
 * @throws INVALID_ARGUMENT the beginning of a long name fits several
 */
export function fromArgparse(words: readonly string[], longs: readonly string[]): string[] {
  const end = words.indexOf("--");
  const options = end < 0 ? words : words.slice(0, end);
  const rewritten = options.map((word) => {
    if (TWO_LETTERS[word] !== undefined) return TWO_LETTERS[word];
    const [, name, rest] = /^(--[A-Za-z][\w-]*)(=[\s\S]*)?$/.exec(word) ?? [];
    if (name?.startsWith(BATCH_SYSTEM)) return `--pbs${rest ?? ""}`;
    if (name === undefined || longs.includes(name) || name === "--help" || name === "--json") return word;
    const fitting = longs.filter((long) => long.startsWith(name));
    if (fitting.length > 1) throw new XpcsError("INVALID_ARGUMENT", `${name} can be ${fitting.join(" and ")}: write one of them`);
    return fitting[0] === undefined ? word : `${fitting[0]}${rest ?? ""}`;
  });
  return end < 0 ? rewritten : [...rewritten, ...words.slice(end)];
}
