/** `xpcs corr`: correlates one file in this process, with one q-map or several, and writes the results. The process is its own kernel host. */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { CorrFiles, CorrOptions, CorrRequest } from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { correlateRecordedMaps } from "../sites/correlate.js";
import { findMetadata, resultsOf } from "../xpcs/corr-files.js";
import { addConfigOption, readsConfig } from "./config-file.js";
import { addCorrOptions, parseCorrOptions, type RawCorrOptions } from "./corr-options.js";
import { describeCorr, progressNotes } from "./corr-text.js";
import { withExample } from "./help.js";
import { collectTexts } from "./option-values.js";
import type { CliIo } from "./output.js";

interface CorrCommandOptions extends RawCorrOptions {
  readonly input?: string;
  readonly qmap?: readonly string[];
  readonly job?: string;
  readonly out: string;
  readonly overwrite?: true;
  readonly digest?: true;
}

/** The files of the request; metadata is looked for only where the result needs it. */
function filesOf(argument: string | undefined, raw: CorrCommandOptions, options: CorrOptions): CorrFiles {
  if (argument !== undefined && raw.input !== undefined)
    throw new XpcsError("INVALID_ARGUMENT", "the input was given twice: as argument and with --input");
  const input = argument ?? raw.input;
  if (raw.qmap === undefined && raw.job === undefined)
    throw new XpcsError("INVALID_ARGUMENT", "give the partition maps: --qmap FILE (NeXus) or --job FILE (legacy job file)");
  if (input === undefined && raw.job === undefined) throw new XpcsError("INVALID_ARGUMENT", "give the raw file to correlate");
  const layout = options.layout ?? (raw.job === undefined ? "nexus" : "exchange");
  const beside = input ?? raw.job;
  const looked = layout === "nexus" && options.frameTimeS === undefined && beside !== undefined ? findMetadata(resolve(beside)) : null;
  const metadata = raw.metadata ?? looked ?? undefined;
  return {
    ...(input === undefined ? {} : { input: resolve(input) }),
    ...(raw.qmap === undefined ? {} : { qmap: resolve(raw.qmap[0]!) }),
    ...(raw.job === undefined ? {} : { job: resolve(raw.job) }),
    ...(metadata === undefined ? {} : { metadata: resolve(metadata) }),
    ...(raw.monitor === undefined ? {} : { monitor: resolve(raw.monitor) }),
  };
}

async function corr(argument: string | undefined, raw: CorrCommandOptions, io: CliIo): Promise<void> {
  const options = parseCorrOptions(raw);
  const files = filesOf(argument, raw, options);
  const qmaps = (raw.qmap ?? []).map((qmap) => resolve(qmap));
  const outs = resultsOf(resolve(raw.out), qmaps);
  const request: CorrRequest = {
    files,
    options,
    out: outs[0]!,
    overwrite: raw.overwrite === true,
    provenance: {},
  };
  const summaries = await correlateRecordedMaps({
    request,
    further: qmaps.slice(1).map((qmap, at) => ({ qmap, out: outs[at + 1]! })),
    digest: raw.digest === true,
    clock: realClock,
    onProgress: progressNotes(io),
    signal: io.signal,
  });
  for (const summary of summaries) io.result(summary, () => describeCorr(summary));
}

/** Adds the command to the program. */
export function registerCorr(program: Command, io: CliIo): void {
  const command = program
    .command("corr")
    .argument("[input]", "raw detector file (IMM, Rigaku .bin, UFXC, HDF5)")
    .description("Correlate one detector file on this machine: g2 and its errors per q, mean intensities. Never writes into its inputs.");
  command
    .option("--qmap <file>", "partition maps (NeXus, as pySimpleMask writes them); repeat for one result each from one pass", collectTexts)
    .option("--job <file>", "legacy job file with maps and settings; it names the input, or --input does")
    .option("--input <file>", "raw file, in place of the one that the job file names")
    .requiredOption(
      "--out <file>",
      "result file, written under a temporary name, then renamed; with several q-maps each one's name is put in",
    )
    .option("--overwrite", "replace the result if it is there")
    .option("--digest", "record the input's sha256 in the result (reads it once more)");
  readsConfig(addConfigOption(addCorrOptions(command)), { repeatable: ["qmap"] }).action(
    (argument: string | undefined, raw: CorrCommandOptions) => corr(argument, raw, io),
  );
  withExample(
    command,
    "xpcs corr scan_0001.bin --qmap qmap.hdf --frame-time 2e-5 --out scan_0001_results.hdf",
    "xpcs corr scan_0001.bin --qmap rings.hdf --qmap sectors.hdf --out scan_0001_results.hdf",
    "xpcs corr --job scan_0001.hdf --out result.hdf",
    "xpcs corr scan_0001.bin --config settings.yaml --out scan_0001_results.hdf",
  );
}
