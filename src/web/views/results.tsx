/** Finished results to choose from: by experiment, tag and kind, newest first; those that are ticked, or all that are listed, are compared. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { JobView } from "../../core/job.js";
import { askJson, messageOf, query } from "../api.js";
import { FilterField } from "../filter-field.js";
import { news } from "../live.js";
import { hasResult, resultName } from "../many-results.js";
import { linkTo, place, setQuery } from "../place.js";
import { Table } from "../table.js";
import { Tags } from "../tags.js";
import { ago, bytes } from "../words.js";

const PAGE = 100;
const KINDS = { "xpcs.corr": "analyses", "xpcs.stream": "streams" } as const;

function kindOf(wanted: URLSearchParams): keyof typeof KINDS {
  return wanted.get("app") === "xpcs.stream" ? "xpcs.stream" : "xpcs.corr";
}

function asked(): string {
  const { query: wanted } = place.value;
  const tag = (wanted.get("tag") ?? "").split(",").filter(Boolean);
  const [experiment, after] = [wanted.get("experiment") || undefined, wanted.get("after") || undefined];
  return `/v1/jobs${query({ state: ["finished"], app: kindOf(wanted), tag, experiment, after, limit: PAGE })}`;
}

function Row({ job, nowMs, chosen, choose }: { job: JobView; nowMs: number; chosen: boolean; choose: () => void }) {
  return (
    <tr>
      <td>
        <input type="checkbox" checked={chosen} onChange={choose} aria-label={`choose ${resultName(job)}`} />
      </td>
      <th scope="row">
        <a href={linkTo(["jobs", job.id])}>{resultName(job)}</a>
      </th>
      <td>
        <Tags tags={job.tags} />
      </td>
      <td>{job.type}</td>
      <td>{job.experiment}</td>
      <td>{job.site ?? "–"}</td>
      <td class="number">{bytes(job.outputs[0]?.bytes ?? null)}</td>
      <td class="number">{ago(job.finishedAt, nowMs)}</td>
    </tr>
  );
}

function Filters() {
  const { query: wanted } = place.value;
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <FilterField name="experiment" size={20} hint="CYCLE/NAME" />
      <FilterField name="tag" size={20} hint="KEY=VALUE,KEY=VALUE" />
      <label for="app">Of</label>
      <select id="app" value={kindOf(wanted)} onChange={({ currentTarget }) => setQuery({ app: currentTarget.value, after: null })}>
        {Object.entries(KINDS).map(([app, title]) => (
          <option key={app} value={app}>
            {title}
          </option>
        ))}
      </select>
    </form>
  );
}

/** The list. */
export function Results() {
  const shown = useSignal<readonly JobView[]>([]);
  const next = useSignal<string | null>(null);
  const problem = useSignal<string | null>(null);
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  useSignalEffect(() => {
    void news.value;
    const path = asked();
    askJson<{ jobs: JobView[]; next: string | null }>(path)
      .then((page) => {
        if (path !== asked()) return;
        shown.value = page.jobs.filter(hasResult);
        next.value = page.next;
        problem.value = null;
      })
      .catch((error: unknown) => {
        problem.value = messageOf(error);
      });
  });
  const { query: wanted } = place.value;
  const [experiment, tag] = [wanted.get("experiment"), wanted.get("tag")];
  const nowMs = Date.now();
  const ids = [...chosen.value];
  const choose = (id: string) => {
    const set = new Set(chosen.value);
    if (!set.delete(id)) set.add(id);
    chosen.value = set;
  };
  return (
    <>
      <h1>Results</h1>
      <Filters />
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      <div class="filters">
        {ids.length > 0 && (
          <>
            <a class="button" href={linkTo(["compare"], { ids: ids.join(",") })}>
              Compare {ids.length} chosen
            </a>
            <button
              type="button"
              onClick={() => {
                chosen.value = new Set();
              }}
            >
              Choose none
            </button>
          </>
        )}
        {(experiment || tag) && shown.value.length > 1 && (
          <a class="button" href={linkTo(["compare"], { experiment, tag })}>
            Compare all that are so
          </a>
        )}
        {ids.length === 0 && <span class="muted">Tick some, or narrow by experiment or tag, to compare them.</span>}
      </div>
      <Table titles={["", "Result", "Tags", "Type", "Experiment", "Site", "Size", "Finished"]} numbers={[6, 7]}>
        {shown.value.map((job) => (
          <Row key={job.id} job={job} nowMs={nowMs} chosen={chosen.value.has(job.id)} choose={() => choose(job.id)} />
        ))}
      </Table>
      {shown.value.length === 0 && problem.value === null && <p>No such results.</p>}
      <div class="pages">
        {wanted.get("after") && <a href={linkTo(["results"], { ...Object.fromEntries(wanted), after: null })}>First page</a>}
        {next.value !== null && <a href={linkTo(["results"], { ...Object.fromEntries(wanted), after: next.value })}>Next page</a>}
      </div>
    </>
  );
}
