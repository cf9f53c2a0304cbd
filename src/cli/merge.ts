/** `xpcs merge`: repeats of one measurement as one result, from their moments. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { AVERAGINGS, type Averaging } from "../core/analysis.js";
import { realClock } from "../core/real-clock.js";
import { mergeResults } from "../xpcs/native.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";

interface MergeOptions {
  readonly out: string;
  readonly overwrite?: true;
  readonly pooling: "per-repeat" | "pooled";
  readonly averaging?: Averaging;
}

/** Adds the command to the program. */
export function registerMerge(program: Command, io: CliIo): void {
  const command = program
    .command("merge")
    .argument("<result...>", "NeXus results of `xpcs corr`: repeats with one q-map, length and delay scheme")
    .description("Add repeats of one measurement up. No pair of photons crosses from one repeat to the next.")
    .requiredOption("--out <file>", "merged result; written under a temporary name, then renamed")
    .option("--overwrite", "replace the result if it is there")
    .addOption(
      new Option("--pooling <how>", "normalise with the product of the means of each repeat, or of all")
        .choices(["per-repeat", "pooled"])
        .default("per-repeat"),
    )
    .addOption(new Option("--averaging <how>", "of the static bins of a q bin (default: that of the results)").choices(AVERAGINGS))
    .action((results: string[], options: MergeOptions) => {
      const summary = mergeResults({
        inputs: results.map((path) => resolve(path)),
        out: resolve(options.out),
        overwrite: options.overwrite === true,
        pooling: options.pooling,
        ...(options.averaging === undefined ? {} : { averaging: options.averaging }),
        provenance: { started_at: new Date(realClock.nowMs()).toISOString() },
      });
      io.result(
        summary,
        () => `${summary.out}\n  ${summary.repeats} repeats, ${summary.delays} delays, ${summary.dynamicBins} dynamic bins`,
      );
    });
  withExample(command, "xpcs merge run_*_results.hdf --out run_merged.hdf");
}
