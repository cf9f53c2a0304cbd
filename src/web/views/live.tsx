/** A stream while it runs: g2 of each q with its error and fit, how fast photons come, how far it is from what was asked. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { LiveSnapshot } from "../../core/live.js";
import type { LivePart } from "../../core/protocols.js";
import { askJson, messageOf, query } from "../api.js";
import { BinBox, chosenBins } from "../chosen-bins.js";
import { type Curve, Plot } from "../plot.js";
import { Table } from "../table.js";
import { duration, withError } from "../words.js";

const RETRY_MS = 1_000;

async function follow(
  job: string,
  stop: AbortSignal,
  take: (part: LivePart) => void,
  say: (problem: string | null) => void,
): Promise<void> {
  let cursor: string | undefined;
  while (!stop.aborted) {
    try {
      const part: LivePart = await askJson(`/v1/jobs/${encodeURIComponent(job)}/live${query({ cursor })}`, { signal: stop });
      cursor = part.cursor ?? undefined;
      say(null);
      take(part);
      if (part.ended) return;
    } catch (error) {
      if (stop.aborted) return;
      say(messageOf(error));
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function shownBins({ bins }: LiveSnapshot): LiveSnapshot["bins"] {
  const shown = chosenBins(bins.map(({ bin }) => bin));
  return bins.filter(({ bin }) => shown.includes(bin));
}

function G2({ live }: { live: LiveSnapshot }) {
  const { delays, frameTimeS } = live;
  const x = delays.map((delay) => delay * (frameTimeS ?? 1));
  const curves = shownBins(live).flatMap(({ bin, q, g2, error, fit }, colour): Curve[] => {
    const points: Curve = { label: q === null ? `bin ${bin}` : `q ${q.toPrecision(3)}`, kind: "points", colour, y: g2, error };
    if (fit === null) return [points];
    const { baseline, contrast, tau } = fit;
    return [
      points,
      { label: `fit ${bin}`, kind: "line", quiet: true, colour, y: x.map((lag) => baseline + contrast * Math.exp((-2 * lag) / tau)) },
    ];
  });
  return (
    <Plot
      title="g2 against delay"
      x={x}
      curves={curves}
      xLabel={frameTimeS === null ? "delay, frames" : "delay, s"}
      yLabel="g2"
      xLog
      height={420}
    />
  );
}

function BinTable({ live }: { live: LiveSnapshot }) {
  const shown = shownBins(live).map(({ bin }) => bin);
  return (
    <Table titles={["", "Bin", "q, 1/Å", live.frameTimeS === null ? "tau, frames" : "tau, s", "Contrast"]} numbers={[2, 3, 4]} tall>
      {live.bins.map(({ bin, q, fit }) => (
        <tr key={bin}>
          <td>
            <BinBox bin={bin} shown={shown} label={`bin ${bin}`} />
          </td>
          <td>{bin}</td>
          <td class="number">{q?.toPrecision(4) ?? "–"}</td>
          <td class="number">{fit === null ? "–" : withError(fit.tau, fit.tauError)}</td>
          <td class="number">{fit === null ? "–" : withError(fit.contrast, fit.contrastError)}</td>
        </tr>
      ))}
    </Table>
  );
}

function Counts({ live }: { live: LiveSnapshot }) {
  const { frames, missing, gaps, events, framesPerS, eventsPerS, goal, ended, note, frameTimeS, repeatsAfter } = live;
  return (
    <>
      <p class="counts">
        {frames.toLocaleString("en")} frames{frameTimeS !== null && ` (${duration(frames * frameTimeS)})`}, {events.toLocaleString("en")}{" "}
        photon events; {Math.round(framesPerS).toLocaleString("en")} frames/s, {(eventsPerS / 1e6).toPrecision(3)} million events/s
      </p>
      {missing > 0 && (
        <p class="warning">
          {missing.toLocaleString("en")} frames did not come, in {gaps} gaps: no pair crosses them.
        </p>
      )}
      {repeatsAfter !== null && (
        <p class="warning">A simulated source: its photons repeat after {repeatsAfter.toLocaleString("en")} frames.</p>
      )}
      {goal !== null && (
        <p>
          Until {goal.until}:{" "}
          {goal.worst === null ? "nothing can be said yet" : `${(100 * goal.worst).toPrecision(3)} % at bin ${goal.worstBin}`}
          {goal.leftS !== null && `, about ${duration(goal.leftS)} more`}
        </p>
      )}
      {ended !== null && <p role="status">The stream has ended: {note ?? ended}.</p>}
    </>
  );
}

/** The stream of a job. */
export function Live({ job }: { job: string }) {
  const live = useSignal<LiveSnapshot | null>(null);
  const problem = useSignal<string | null>(null);
  const over = useSignal(false);
  useSignalEffect(() => {
    const stop = new AbortController();
    void follow(
      job,
      stop.signal,
      (part) => {
        if (part.live !== null) live.value = part.live;
        over.value = part.ended;
      },
      (text) => {
        problem.value = text;
      },
    );
    return () => stop.abort();
  });
  const now = live.value;
  if (now === null)
    return <p role="status">{problem.value ?? (over.value ? "Nothing is known of the stream any more." : "The stream has not begun.")}</p>;
  const { intensity } = now;
  return (
    <section aria-label="Live">
      <h2>Live</h2>
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      <Counts live={now} />
      <div class="pair">
        <G2 live={now} />
        <BinTable live={now} />
      </div>
      {intensity.mean.length > 1 && (
        <Plot
          title="Intensity"
          x={intensity.mean.map((_, row) => row * intensity.framesPerRow)}
          curves={[{ label: "mean", kind: "line", colour: 0, y: intensity.mean }]}
          xLabel="frame"
          yLabel="mean counts per pixel"
          height={220}
        />
      )}
    </section>
  );
}
