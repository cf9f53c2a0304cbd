/** `xpcs view RESULT`: what is in a result file, fits per q, and plots. Only reads the result. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { FIT_MODELS, type FitModel, fitBin, powerLawOf } from "../xpcs/bin-fits.js";
import { readResultFile } from "../xpcs/result-file.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";
import { writeFigures } from "./view-figures.js";
import { viewText, warningsOf } from "./view-text.js";

interface ViewOptions {
  readonly out?: string;
  readonly fit: FitModel;
}

async function view(path: string, options: ViewOptions, io: CliIo): Promise<void> {
  const result = await readResultFile(resolve(path));
  const fits = result.bins.map((_, at) => fitBin(result, at, options.fit));
  const law = powerLawOf(fits);
  const plots =
    options.out === undefined ? [] : await writeFigures(resolve(options.out), result, fits, options.fit, (note) => io.note(note));
  const value = {
    path: result.path,
    layout: result.layout,
    program: result.program,
    conventions: result.conventions,
    frames: result.frames,
    repeats: result.repeats,
    frameTimeS: result.frameTimeS,
    delays: result.delays.length,
    staticBins: result.saxs.length,
    fit: options.fit,
    bins: fits.map(({ bin, quality, parameters, failure, independentBecause }) => ({
      ...bin,
      parameters: Object.entries(parameters).map(([name, { value, error }]) => ({ name, value, error })),
      chi2: quality?.chi2 ?? null,
      dof: quality?.dof ?? null,
      lagsUsed: quality?.lagsUsed ?? 0,
      converged: quality?.converged ?? false,
      failure,
      independentLags: independentBecause,
    })),
    c2: result.c2.map(({ bin, dataset }) => ({ ...bin, dataset })),
    ageLag: result.ageLag.map(({ bin }) => bin),
    powerLaw: law,
    warnings: warningsOf(result, fits, options.fit),
    plots,
  };
  io.result(value, () => viewText(result, fits, options.fit, law, plots));
}

/** Adds the command to the program. */
export function registerView(program: Command, io: CliIo): void {
  const command = program
    .command("view")
    .argument("<result>", "result file, NeXus or exchange layout")
    .description("Show what is in a result: frames, bins, conventions, warnings, fits of g2 per q, tau(q), and plots.")
    .option(
      "--out <folder>",
      "also write plots (SVG) into this folder: g2 with fits, static intensity, intensity against time, C2 maps (multi-tau two-time: over age and lag)",
    )
    .addOption(new Option("--fit <model>", "model of g2").choices(Object.keys(FIT_MODELS)).default("single"))
    .action((path: string, options: ViewOptions) => view(path, options, io));
  withExample(command, "xpcs view scan_0001_results.hdf --fit stretched --out plots");
}
