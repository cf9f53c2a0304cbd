/** Repeats of one measurement: which belong to the others, why not, and g2 against what the sample has received. The rules are those of `xpcs merge --reject`. */
import { useMemo } from "preact/hooks";
import { type DoseColumn, type DoseTable, doseCsv, doseTable } from "../../xpcs/dose.js";
import { canStand, judgeRepeats, otherScheme, REJECT_LIMITS, REPEATS_MIN, type RejectLimits, type Verdict } from "../../xpcs/repeats.js";
import { Keep } from "../keep.js";
import type { JobResult } from "../many-results.js";
import { linkTo, place, setQuery } from "../place.js";
import { type Curve, Plot } from "../plot.js";
import { Table } from "../table.js";

/** What is drawn against the dose, and its name on the axis. */
const SHOWN = {
  contrast: "contrast",
  decay_rate: "decay rate, 1/s",
  baseline: "baseline",
  g2_first: "g2 at the first lag",
  intensity: "counts per pixel and frame",
} as const;
type Shown = keyof typeof SHOWN;
const PER_REPEAT = new Set<Shown>(["intensity"]);
const ERRORS: Readonly<Partial<Record<Shown, DoseColumn>>> = {
  contrast: "contrast_error",
  decay_rate: "decay_rate_error",
  g2_first: "g2_first_error",
};

function positive(text: string | null, otherwise: number): number {
  const value = Number(text);
  return text !== null && Number.isFinite(value) && value > 0 ? value : otherwise;
}

function limitsOf(wanted: URLSearchParams): RejectLimits {
  return {
    ...REJECT_LIMITS,
    scales: positive(wanted.get("scales"), REJECT_LIMITS.scales),
    drift: positive(wanted.get("drift"), REJECT_LIMITS.drift),
  };
}

function Limit({ name, label, value }: { name: "scales" | "drift"; label: string; value: number }) {
  return (
    <>
      <label for={name}>{label}</label>
      <input
        id={name}
        class="short"
        type="number"
        min={0}
        step="any"
        value={value}
        onChange={({ currentTarget }) => setQuery({ [name]: currentTarget.value || null })}
      />
    </>
  );
}

/** Kept and dropped repeats, as two curves. */
function DosePlot({ table, verdicts, at }: { table: DoseTable; verdicts: readonly Verdict[]; at: number }) {
  const { query } = place.value;
  const asked = query.get("dose") ?? "";
  const shown = Object.hasOwn(SHOWN, asked) ? (asked as Shown) : "contrast";
  const { exposure_s: exposure, counts } = table.numbers;
  const timed = exposure.every(Number.isFinite);
  const against = query.get("against") === "counts" || !timed ? "counts" : "exposure";
  const of = (column: DoseColumn, repeat: number): number | null => {
    const value = table.numbers[column][PER_REPEAT.has(shown) ? repeat : repeat * table.bins + at]!;
    return Number.isFinite(value) ? value : null;
  };
  const curve = (label: string, colour: number, kept: boolean): Curve => {
    const values = (column: DoseColumn) =>
      verdicts.map(({ reasons }, repeat) => ((reasons.length === 0) === kept ? of(column, repeat) : null));
    const error = ERRORS[shown];
    return { label, colour, kind: "points", y: values(shown), ...(error === undefined ? {} : { error: values(error) }) };
  };
  return (
    <>
      <div class="filters">
        <label for="dose">Against dose</label>
        <select id="dose" value={shown} onChange={({ currentTarget }) => setQuery({ dose: currentTarget.value })}>
          {Object.entries(SHOWN).map(([key, title]) => (
            <option key={key} value={key}>
              {title}
            </option>
          ))}
        </select>
        <label for="against">Dose as</label>
        <select id="against" value={against} onChange={({ currentTarget }) => setQuery({ against: currentTarget.value })}>
          {timed && <option value="exposure">measuring time</option>}
          <option value="counts">counts per pixel</option>
        </select>
      </div>
      <Plot
        title={`${SHOWN[shown]} against dose`}
        x={[...(against === "counts" ? counts : exposure)]}
        curves={[curve("kept", 0, true), curve("dropped", 1, false)]}
        xLabel={against === "counts" ? "dose, counts per pixel" : "dose, s of measuring time"}
        yLabel={SHOWN[shown]}
      />
    </>
  );
}

function Verdicts({ all, verdicts }: { all: readonly JobResult[]; verdicts: readonly Verdict[] }) {
  const text = (value: number | null): string => (value === null ? "–" : value.toPrecision(3));
  return (
    <Table titles={["", "Repeat", "Verdict", "Intensity", "Drift", "g2 scatter", "Why"]} numbers={[0, 3, 4, 5]} tall>
      {all.map(({ job, name }, at) => {
        const { intensity, drift, g2Scatter, reasons } = verdicts[at]!;
        const kept = reasons.length === 0;
        return (
          <tr key={job.id}>
            <td class="number">{at + 1}</td>
            <th scope="row">
              <a href={linkTo(["jobs", job.id])}>{name}</a>
            </th>
            <td>
              <span class={`state ${kept ? "finished" : "failed"}`}>{kept ? "kept" : "dropped"}</span>
            </td>
            <td class="number">{text(intensity)}</td>
            <td class="number">{(100 * drift).toPrecision(2)} %</td>
            <td class="number">{text(g2Scatter)}</td>
            <td class="reason">{reasons.map((reason) => reason.text).join("; ")}</td>
          </tr>
        );
      })}
    </Table>
  );
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w./=:,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function commandOf(paths: readonly string[], { scales, drift }: RejectLimits): string {
  const more = [
    ...(scales === REJECT_LIMITS.scales ? [] : ["--reject-scales", String(scales)]),
    ...(drift === REJECT_LIMITS.drift ? [] : ["--reject-drift", String(drift)]),
  ];
  return ["xpcs merge", ...paths.map(quoted), "--reject", ...more, "--out merged.hdf"].join(" ");
}

/** @param all in the order in which they were measured: that of their names. @param at index of the q bin that is drawn against the dose */
export function Repeats({ all, at }: { all: readonly JobResult[]; at: number }) {
  const limits = limitsOf(place.value.query);
  const results = useMemo(() => all.map(({ result }) => result), [all.map(({ job }) => job.id).join()]);
  const other = otherScheme(results);
  const able = results.length >= REPEATS_MIN && other === null;
  // Intensity and drift do not depend on the limits, so neither does the table.
  const table = useMemo(() => (able ? doseTable(results, judgeRepeats(results)) : null), [results, able]);
  const verdicts = useMemo(() => (able ? judgeRepeats(results, limits) : []), [results, able, limits.scales, limits.drift]);
  const csv = useMemo(() => (table === null ? "" : doseCsv(table, results, verdicts)), [table, results, verdicts]);
  if (table === null)
    return (
      <p class="warning">
        {other === null
          ? `Each repeat is compared with all others: that needs ${REPEATS_MIN} or more, not ${results.length}.`
          : `${other.path} is no repeat of ${results[0]!.path}: they differ in the delays or q bins.`}
      </p>
    );
  const dropped = verdicts.filter(({ reasons }) => reasons.length > 0).length;
  return (
    <section aria-label="Repeats">
      <h2>Repeats</h2>
      <p>
        {dropped} of {results.length} would be dropped by <code>xpcs merge --reject</code>, in the order of their names.
      </p>
      {!canStand(verdicts) && (
        <p class="warning">So many are dropped that none of them can stand for the others: nothing would be merged.</p>
      )}
      <div class="filters">
        <Limit name="scales" label="Limit, robust standard deviations" value={limits.scales} />
        <Limit name="drift" label="Limit of the drift" value={limits.drift} />
        <Keep name="dose.csv" type="text/csv" content={csv}>
          Dose table, CSV
        </Keep>
      </div>
      <Verdicts all={all} verdicts={verdicts} />
      <DosePlot table={table} verdicts={verdicts} at={at} />
      <details>
        <summary>The command that merges the kept ones</summary>
        <code>
          {commandOf(
            results.map(({ path }) => path),
            limits,
          )}
        </code>
      </details>
    </section>
  );
}
