/** `xpcs demo`: a simulated sample through central and two sites, judged against the truth. The work is in src/demo. */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { RingFit } from "../demo/curves.js";
import { type DemoOutcome, demoFailure, runDemo } from "../demo/run.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";

/** Adds the command to the program. */
export function registerDemo(program: Command, io: CliIo): void {
  const command = program
    .command("demo")
    .description("Simulate a sample with known dynamics, analyse it through a central and two sites, compare the fit with the truth.")
    .option("--out <folder>", "folder for samples, results and plot", "demo-output")
    .option("--keep", "go on until Ctrl-C, with the page to look at (default in a terminal)")
    .option("--no-keep", "end after the verdict (default elsewhere)")
    .action(async (options: { out: string; keep?: boolean }) => {
      const keep = options.keep ?? io.interactive;
      const judged = (outcome: DemoOutcome) => io.result(outcomeJson(outcome), () => closingText(outcome, keep));
      const { failures } = await runDemo({ folder: resolve(options.out), signal: io.signal, say: (text) => io.out(text), keep, judged });
      if (failures.length > 0) throw demoFailure(failures);
    });
  withExample(command, "xpcs demo", "xpcs demo --keep", "xpcs demo --out /tmp/demo --json");
}

function closingText({ results, plot, failures, seconds }: DemoOutcome, keep: boolean): string {
  const verdict =
    failures.length === 0 ? "All decay rates agree with the truth." : `FAILED:\n${failures.map((failure) => `  ${failure}`).join("\n")}`;
  return [
    "",
    verdict,
    `The demo took ${seconds.toFixed(0)} s.`,
    "",
    "Results, in the layout that pyXpcsViewer opens:",
    ...results.map((path) => `  ${path}`),
    "Plot of g2 with its fit:",
    `  ${plot}`,
    "To look at the results in the beamline's viewer: pip install xpcs-viewer, then",
    `  pyxpcsviewer ${results[0]?.replace(/\/[^/]*$/, "") ?? "."}`,
    ...(keep ? [] : ["To see jobs and results on the web page, which central serves while it runs:", "  npx xpcs demo --keep"]),
  ].join("\n");
}

function fitJson({ analysis, ring, fit, ratePerS, errorPerS }: RingFit): Record<string, string | number> {
  return {
    analysis,
    q: ring.q,
    trueRatePerS: ring.decayRatePerS,
    ratePerS,
    errorPerS,
    contrast: fit.contrast,
    baseline: fit.baseline,
    chi2: fit.chi2,
    dof: fit.dof,
    lagsUsed: fit.lagsUsed,
    lagsWithoutPairs: fit.lagsWithoutPairs,
    lagsAtTheEnd: fit.lagsAtTheEnd,
  };
}

function outcomeJson(outcome: DemoOutcome): Record<string, unknown> {
  const { jobs, fits, failures, results, plot, seconds } = outcome;
  return { ok: failures.length === 0, failures, seconds, jobs, fits: fits.map(fitJson), results, plot };
}
