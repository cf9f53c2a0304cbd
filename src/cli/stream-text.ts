/** How a running stream looks in a terminal: one line about the stream, a table of the q bins, and how far the goal is. */
import type { CorrSummary } from "../core/analysis.js";
import type { LiveBin, LiveGoal, LiveSnapshot } from "../core/live.js";
import { relativeErrors } from "../stream/until.js";
import { formatTable } from "./output.js";
import { plusMinus } from "./view-text.js";

/** Bins that a screen has room for. */
const BINS_SHOWN = 20;

function percent(fraction: number): string {
  return `${(100 * fraction).toPrecision(2)} %`;
}

/** The largest of those that a goal looks at. */
function errorOf(bin: LiveBin): string {
  const ready = relativeErrors(bin);
  return ready.length === 0 ? "-" : percent(Math.max(...ready));
}

/** `in about 12 s`, `in about 1.2e5 frames`. */
function leftText({ framesLeft, leftS }: LiveGoal): string {
  if (leftS !== null) return `in about ${leftS >= 100 ? Math.round(leftS) : leftS.toPrecision(2)} s of frames`;
  return framesLeft === null ? "when, cannot be said yet" : `in about ${framesLeft} frames`;
}

/** What the goal is, and how far. */
function goalText(goal: LiveGoal): string {
  if (goal.passes > 0) return `goal ${goal.until}: reached ${goal.passes} time${goal.passes > 1 ? "s in a row" : ", looking once more"}`;
  const now = goal.worst === null ? "" : `; now ${percent(goal.worst)} in q${goal.worstBin}`;
  return `goal ${goal.until}${now}; ${leftText(goal)}`;
}

/** One line about a snapshot. */
export function liveLine(live: LiveSnapshot): string {
  const seconds = live.frameTimeS === null ? "" : ` (${(live.frames * live.frameTimeS).toFixed(1)} s)`;
  const gone = live.missing > 0 ? `, ${live.missing} frames missing in ${live.gaps} gaps` : "";
  const again = live.repeatsAfter === null ? "" : `, photons repeat every ${live.repeatsAfter} frames`;
  return `${live.frames} frames${seconds}, ${live.events} photon events; ${Math.round(live.framesPerS)} frames/s, ${(live.eventsPerS / 1e6).toFixed(2)} M events/s${gone}${again}`;
}

/** The table of a snapshot, for a person. */
export function liveTable(live: LiveSnapshot): string {
  const unit = live.frameTimeS === null ? "frames" : "s";
  const rows = live.bins.slice(0, BINS_SHOWN).map((bin) => {
    const { fit } = bin;
    return [
      `q${bin.bin}`,
      bin.q === null ? "-" : bin.q.toPrecision(4),
      bin.g2[0] == null ? "-" : bin.g2[0].toFixed(4),
      errorOf(bin),
      fit === null ? "-" : plusMinus({ value: fit.tau, error: fit.tauError }),
      fit === null ? "-" : plusMinus({ value: fit.contrast, error: fit.contrastError }),
    ];
  });
  const columns = ["bin", "q", "g2(first lag)", "error", `tau, ${unit}`, "contrast"].map((title) => ({ title }));
  const left = live.bins.length + live.binsLeftOut - rows.length;
  return [
    liveLine(live),
    formatTable(columns, rows),
    ...(left > 0 ? [`... and ${left} more bins`] : []),
    ...(live.goal === null ? [] : [goalText(live.goal)]),
  ].join("\n");
}

const ENDS = {
  end: "the stream has ended",
  stopped: "stopped by hand",
  until: "the goal is reached",
  frames: "all frames that were asked for are there",
  lost: "the stream was LOST: this is the result of what came",
} as const;

/** What came out. */
export function describeStream(summary: CorrSummary): string {
  const { stream } = summary;
  const how = stream === undefined ? [] : [`${ENDS[stream.ended]}${stream.note === null ? "" : `: ${stream.note}`}`];
  return [
    ...how,
    `${summary.out}: ${summary.frames} frames, ${summary.events} photon events, ${summary.dynamicBins} q bins, ${summary.delays} delays`,
    ...summary.warnings.map((warning) => `warning: ${warning}`),
  ].join("\n");
}
