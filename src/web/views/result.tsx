/** What a finished analysis says: g2 of each q with its error and a fit, tau against q, SAXS, intensity. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { type BinFit, lagUnit } from "../../xpcs/bin-fits.js";
import type { ResultFile } from "../../xpcs/result-layouts.js";
import { messageOf } from "../api.js";
import { BinBox, chosenBins } from "../chosen-bins.js";
import { chosenModel, FitChoice } from "../fit-choice.js";
import { fitsOf } from "../fits.js";
import { G2Plot } from "../g2-plot.js";
import { Keep } from "../keep.js";
import { colourOf, Plot } from "../plot.js";
import { type OpenResult, openResult } from "../result.js";
import { Table } from "../table.js";
import { TauPlot } from "../tau-plot.js";
import { measuredText, qText } from "../words.js";
import { SaxsImage } from "./saxs-image.js";
import { TwoTime } from "./two-time.js";

function FitTable({ result, fits, shown }: { result: ResultFile; fits: readonly BinFit[]; shown: readonly number[] }) {
  return (
    <Table titles={["", "Bin", "q", "tau", "Contrast", "Baseline", "χ²/ν"]} numbers={[2, 3, 4, 5, 6]} tall>
      {fits.map((fit, at) => (
        <tr key={fit.bin.bin}>
          <td>
            <BinBox bin={fit.bin.bin} shown={shown} label={qText(result.bins[at]!)} />
          </td>
          <td>
            {shown.includes(fit.bin.bin) && <span class="swatch" style={{ background: colourOf(shown.indexOf(fit.bin.bin)) }} />}
            {fit.bin.bin}
          </td>
          <td class="number">{fit.bin.q?.toPrecision(4) ?? "–"}</td>
          {fit.failure === null ? (
            <>
              <td class="number">{measuredText(fit.parameters.tau ?? fit.parameters.fastRate)}</td>
              <td class="number">{measuredText(fit.parameters.contrast)}</td>
              <td class="number">{measuredText(fit.parameters.baseline)}</td>
              <td class="number">{fit.quality === null ? "–" : (fit.quality.chi2 / fit.quality.dof).toPrecision(3)}</td>
            </>
          ) : (
            <td colSpan={4} class="reason">
              {fit.failure}
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}

function Static({ result }: { result: ResultFile }) {
  const saxs = result.saxs.flatMap(({ q, intensity }) => (q !== null && intensity > 0 ? [{ q, intensity }] : [])).sort((a, b) => a.q - b.q);
  const { intensity, stride } = result;
  return (
    <>
      {saxs.length > 1 && (
        <Plot
          title="SAXS"
          x={saxs.map(({ q }) => q)}
          curves={[{ label: "counts", kind: "line", colour: 2, y: saxs.map((bin) => bin.intensity) }]}
          xLabel={`q, ${result.qUnit}`}
          yLabel="counts per pixel and frame"
          xLog
          yLog
          height={260}
        />
      )}
      {intensity.length > 1 && (
        <Plot
          title="Intensity"
          x={intensity.map((_, frame) => frame * stride)}
          curves={[{ label: "mean", kind: "line", colour: 0, y: intensity }]}
          xLabel="frame"
          yLabel="mean counts per pixel"
          height={260}
        />
      )}
    </>
  );
}

function csvOf(result: ResultFile, fits: readonly BinFit[]): string {
  const { perLag, unit } = lagUnit(result);
  const rows = fits.flatMap(({ bin, points }) =>
    points.map(({ lag, g2, error, pairs }) => [bin.bin, bin.q ?? "", lag * perLag, g2, error, pairs].join(",")),
  );
  return [`bin,q (${result.qUnit}),delay (${unit}),g2,error,pairs`, ...rows, ""].join("\n");
}

/** The result in the `place`-th file of a job. */
export function Result({ job, at, name }: { job: string; at: number; name: string }) {
  const open = useSignal<OpenResult | null>(null);
  const problem = useSignal<string | null>(null);
  useSignalEffect(() => {
    const stop = new AbortController();
    openResult(job, at, stop.signal).then(
      (found) => {
        if (stop.signal.aborted) found.close();
        else open.value = found;
      },
      (error: unknown) => {
        if (!stop.signal.aborted) problem.value = messageOf(error);
      },
    );
    return () => {
      stop.abort();
      open.peek()?.close();
    };
  });
  const model = chosenModel();
  const result = open.value?.result ?? null;
  const fits = result === null ? [] : fitsOf(result, model);
  const csv = useMemo(() => (result === null ? "" : csvOf(result, fits)), [result, model]);
  if (problem.value !== null) return <p role="alert">{problem.value}</p>;
  if (open.value === null || result === null) return <p role="status">The result is being fetched…</p>;
  const shown = chosenBins(result.bins.map(({ bin }) => bin));
  const { unit } = lagUnit(result);
  const series = shown.map((bin, colour) => ({ label: qText(result.bins[bin - 1]!), colour, result, fit: fits[bin - 1]! }));
  return (
    <section aria-label={name}>
      {result.warnings.map((warning) => (
        <p key={warning} class="warning">
          {warning}
        </p>
      ))}
      {result.bins.length > 0 && (
        <>
          <div class="filters">
            <FitChoice />
            <Keep name={`${name}.csv`} type="text/csv" content={csv}>
              CSV
            </Keep>
            <Keep name={name} type="application/x-hdf5" content={open.value.bytes as BlobPart}>
              HDF5
            </Keep>
          </div>
          <div class="pair">
            <G2Plot series={series} unit={unit} />
            <FitTable result={result} fits={fits} shown={shown} />
          </div>
          <TauPlot series={[{ label: "tau", colour: 0, fits }]} qUnit={result.qUnit} unit={unit} />
        </>
      )}
      {result.c2.length > 0 && <TwoTime open={open.value} />}
      <SaxsImage open={open.value}>
        <Static result={result} />
      </SaxsImage>
      <p class="muted">
        {result.program} {result.conventions}
      </p>
    </section>
  );
}
