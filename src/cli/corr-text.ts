/** What a correlation in this process tells a person: progress, and a summary at its end. */
import type { CorrProgress, CorrSummary } from "../core/analysis.js";
import { realClock } from "../core/real-clock.js";
import { fewPairs } from "./few-pairs.js";
import type { CliIo } from "./output.js";

const PROGRESS_EVERY_MS = 2000;

/** Shows notes at once, and progress to a person every two seconds. */
export function progressNotes(io: CliIo): (progress: CorrProgress) => void {
  let lastMs = realClock.monotonicMs();
  return ({ stage, fraction, note }) => {
    if (note !== undefined) io.note(note);
    if (!io.interactive || realClock.monotonicMs() - lastMs < PROGRESS_EVERY_MS) return;
    lastMs = realClock.monotonicMs();
    io.note(`${stage} ${Math.round(fraction * 100)} %`);
  };
}

/** The summary in a few lines. */
export function describeCorr(summary: CorrSummary): string {
  const { timings } = summary;
  const rate = summary.events / Math.max(timings.readS + timings.correlateS, 1e-9) / 1e6;
  return [
    `${summary.out}`,
    `  ${summary.format}, ${summary.framesRead} frames read, ${summary.frames} correlated, ${summary.events} events on ${summary.pixels} pixels`,
    `  ${summary.dynamicBins} dynamic and ${summary.staticBins} static bins, ${summary.delays} delays, layout ${summary.layout}`,
    ...(summary.valuesWithoutError === 0 ? [] : [`  ${fewPairs(summary.valuesWithoutError, summary.delays * summary.dynamicBins)}`]),
    ...(summary.twoTimeBins === 0 ? [] : [`  two-time of ${summary.twoTimeBins} q bins`]),
    `  read ${timings.readS.toFixed(2)} s, correlate ${timings.correlateS.toFixed(2)} s, write ${timings.writeS.toFixed(2)} s: ${rate.toFixed(1)} M events/s on ${summary.threads} threads`,
    ...summary.warnings.map((warning) => `  warning: ${warning}`),
  ].join("\n");
}
