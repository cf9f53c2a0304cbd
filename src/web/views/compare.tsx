/** Several results over each other: g2 at one q, tau against q with the power laws, and, of repeats, which belong together. */
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { JobView } from "../../core/job.js";
import { type BinFit, lagUnit, powerLawOf } from "../../xpcs/bin-fits.js";
import type { ResultFile } from "../../xpcs/result-layouts.js";
import { messageOf } from "../api.js";
import { chosenModel, FitChoice } from "../fit-choice.js";
import { fitsOf } from "../fits.js";
import { G2Plot, type G2Series } from "../g2-plot.js";
import {
  byLabel,
  type Choice,
  COMPARED_MAX,
  type JobResult,
  jobsOf,
  labelsOf,
  nearestBin,
  readResults,
  resultName,
} from "../many-results.js";
import { linkTo, place, setQuery } from "../place.js";
import { colourOf, coloursFor } from "../plot.js";
import { Table } from "../table.js";
import { TauPlot } from "../tau-plot.js";
import { measuredText, qText, withError } from "../words.js";
import { Repeats } from "./repeats.js";

/** One of those that are compared, as it is drawn. */
interface Series {
  readonly one: JobResult;
  readonly label: string;
  readonly colour: number | string;
  readonly fits: readonly BinFit[];
  /** Index of the bin that is nearest to the chosen q. */
  readonly at: number;
  readonly shown: boolean;
}

function g2Of({ one: { result }, label, colour, fits, at }: Series): G2Series {
  return { label, colour, result, fit: fits[at]! };
}

const listOf = (text: string | null): readonly string[] => (text ?? "").split(",").filter(Boolean);

function choiceOf(wanted: URLSearchParams): Choice {
  return { ids: listOf(wanted.get("ids")), experiment: wanted.get("experiment") || undefined, tags: listOf(wanted.get("tag")) };
}

/** The tags that at least one of them has. */
function tagKeys(all: readonly JobResult[]): readonly string[] {
  return [...new Set(all.flatMap(({ job }) => Object.keys(job.tags)))].sort();
}

/** What the legend says unless somebody chooses: a tag in which they differ, a temperature first. */
function usualLabel(all: readonly JobResult[]): string | null {
  const differing = tagKeys(all).filter((key) => new Set(all.map(({ job }) => job.tags[key])).size > 1);
  return differing.find((key) => /^temp/i.test(key)) ?? differing[0] ?? null;
}

function SeriesTable({ series, hidden }: { series: readonly Series[]; hidden: ReadonlySet<string> }) {
  const toggle = (id: string) => {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    setQuery({ without: [...next].join(",") });
  };
  return (
    <Table titles={["", "Result", "q", "tau", "Contrast", "tau ~ q^"]} numbers={[2, 3, 4, 5]} tall>
      {series.map(({ one: { job, name, result }, label, colour, fits, at, shown }) => {
        const { parameters, failure } = fits[at]!;
        const law = powerLawOf(fits);
        return (
          <tr key={job.id}>
            <td>
              <input type="checkbox" checked={shown} onChange={() => toggle(job.id)} aria-label={`draw ${label}`} />
            </td>
            <th scope="row">
              <span class="swatch" style={{ background: colourOf(colour) }} />
              <a href={linkTo(["jobs", job.id])} title={name}>
                {label}
              </a>
            </th>
            <td class="number">{result.bins[at]!.q?.toPrecision(4) ?? "–"}</td>
            {failure === null ? (
              <>
                <td class="number">{measuredText(parameters.tau ?? parameters.fastRate)}</td>
                <td class="number">{measuredText(parameters.contrast)}</td>
              </>
            ) : (
              <td colSpan={2} class="reason">
                {failure}
              </td>
            )}
            <td class="number">{law === null ? "–" : withError(law.exponent, law.exponentError)}</td>
          </tr>
        );
      })}
    </Table>
  );
}

/** Results that have g2, in one unit of time: others cannot be drawn over them. */
function comparable(all: readonly JobResult[]): { fit: readonly JobResult[]; unfit: readonly string[] } {
  const first = all.find(({ result }) => result.bins.length > 0);
  if (first === undefined) return { fit: [], unfit: all.map(({ name }) => `${name} has no g2`) };
  const { unit } = lagUnit(first.result);
  const why = ({ result }: JobResult): string | null => {
    if (result.bins.length === 0) return "has no g2";
    return lagUnit(result).unit === unit ? null : `has its delays in ${lagUnit(result).unit}, not in ${unit}`;
  };
  return {
    fit: all.filter((one) => why(one) === null),
    unfit: all.flatMap((one) => (why(one) === null ? [] : [`${one.name} ${why(one)}`])),
  };
}

/** Results that have been read so far, and what could not be. */
function useResults() {
  const read = useSignal<readonly JobResult[]>([]);
  const refused = useSignal<readonly string[]>([]);
  const total = useSignal<number | null>(null);
  const more = useSignal(false);
  const problem = useSignal<string | null>(null);
  // As text, so that what else is in the address does not read them again.
  const wanted = useComputed(() => JSON.stringify(choiceOf(place.value.query)));
  useSignalEffect(() => {
    const choice = JSON.parse(wanted.value) as Choice;
    const stop = new AbortController();
    read.value = [];
    refused.value = [];
    total.value = null;
    problem.value = null;
    if (choice.ids.length + choice.tags.length > 0 || choice.experiment !== undefined)
      jobsOf(choice, stop.signal)
        .then(async (found) => {
          total.value = found.jobs.length;
          more.value = found.more;
          const order = new Map(found.jobs.map(({ id }, at) => [id, at]));
          const take = (one: JobResult) => {
            read.value = [...read.peek(), one].sort((a, b) => order.get(a.job.id)! - order.get(b.job.id)!);
          };
          const refuse = (job: JobView, why: string) => {
            refused.value = [...refused.peek(), `${resultName(job)} ${why}`];
          };
          await readResults(found.jobs, stop.signal, take, refuse);
        })
        .catch((error: unknown) => {
          if (!stop.signal.aborted) problem.value = messageOf(error);
        });
    return () => stop.abort();
  });
  return { read: read.value, refused: refused.value, total: total.value, more: more.value, problem: problem.value };
}

function Choices({ first, at, label, keys }: { first: ResultFile; at: number; label: string | null; keys: readonly string[] }) {
  return (
    <div class="filters">
      <label for="q">q bin</label>
      <select id="q" value={String(at + 1)} onChange={({ currentTarget }) => setQuery({ q: currentTarget.value })}>
        {first.bins.map((bin) => (
          <option key={bin.bin} value={String(bin.bin)}>
            {bin.bin}
            {bin.q === null ? "" : `, ${qText(bin)}`}
          </option>
        ))}
      </select>
      <label for="label">Named by</label>
      <select id="label" value={label ?? ""} onChange={({ currentTarget }) => setQuery({ label: currentTarget.value || "name" })}>
        <option value="">file name</option>
        {keys.map((key) => (
          <option key={key}>{key}</option>
        ))}
      </select>
      <FitChoice />
      <label>
        <input
          type="checkbox"
          checked={place.value.query.get("repeats") === "1"}
          onChange={({ currentTarget }) => setQuery({ repeats: currentTarget.checked ? "1" : null })}
        />{" "}
        they are repeats of one measurement
      </label>
    </div>
  );
}

/** The view of `#/compare?ids=` or `?experiment=&tag=`. */
export function Compare() {
  const { read, refused, total, more, problem } = useResults();
  const { query } = place.value;
  const model = chosenModel();
  const { fit, unfit } = comparable(read);
  const keys = tagKeys(fit);
  const asked = query.get("label");
  const label = asked === null ? usualLabel(fit) : keys.includes(asked) ? asked : null;
  const hidden = new Set(listOf(query.get("without")));
  const ordered = byLabel(fit, label);
  const first = ordered[0]?.result;
  const at = first === undefined ? 0 : Math.min(first.bins.length, Math.max(1, Number(query.get("q")) || 1)) - 1;
  const labels = labelsOf(ordered, label);
  const colours = coloursFor(ordered.length);
  const series = ordered.map((one, index): Series => {
    const shown = !hidden.has(one.job.id);
    return {
      one,
      label: labels[index]!,
      colour: colours[index]!,
      fits: fitsOf(one.result, model),
      at: nearestBin(first!, at, one.result),
      shown,
    };
  });
  const drawn = series.filter(({ shown }) => shown);
  const unit = first === undefined ? "" : lagUnit(first).unit;
  const left = (total ?? 0) - read.length - refused.length;
  return (
    <>
      <h1>Compare</h1>
      {problem !== null && <p role="alert">{problem}</p>}
      <p role="status">
        {total === null && problem === null && "The results are looked for…"}
        {total !== null && `${read.length} of ${total} results${left > 0 ? ", reading…" : ""}`}
        {more && ` (there are more than ${COMPARED_MAX}: narrow the choice)`}
      </p>
      {[...refused, ...unfit].map((text) => (
        <p key={text} class="warning">
          {text}
        </p>
      ))}
      {first !== undefined && (
        <>
          <Choices first={first} at={at} label={label} keys={keys} />
          <div class="pair">
            {drawn.length > 0 ? <G2Plot series={drawn.map(g2Of)} unit={unit} /> : <p>None is drawn: tick one.</p>}
            <SeriesTable series={series} hidden={hidden} />
          </div>
          <TauPlot series={drawn} qUnit={first.qUnit} unit={unit} />
          {query.get("repeats") === "1" && left === 0 && <Repeats all={fit} at={at} />}
        </>
      )}
    </>
  );
}
