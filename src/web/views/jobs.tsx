/** All jobs, newest first, by state: a page at a time, kept current. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { JOB_STATES, type JobView } from "../../core/job.js";
import { ApiError, askJson, query } from "../api.js";
import { changed } from "../live.js";
import { linkTo, place, setQuery } from "../place.js";
import { ago } from "../words.js";

const PAGE = 100;

function JobRow({ job, nowMs }: { job: JobView; nowMs: number }) {
  return (
    <tr>
      <td>
        <a href={linkTo(["jobs", job.id])}>{job.inputs[0]?.split("/").at(-1) ?? job.id}</a>
      </td>
      <td>{job.type}</td>
      <td>
        <span class={`state ${job.state}`}>{job.state}</span>
        {job.progress !== null && job.state === "running" && <progress value={job.progress} aria-label="progress" />}
      </td>
      <td>{job.site ?? "–"}</td>
      <td>{job.owner ?? "–"}</td>
      <td>{job.experiment}</td>
      <td class="number">{ago(job.submittedAt, nowMs)}</td>
      <td class="reason">{job.reason ?? ""}</td>
    </tr>
  );
}

/** The list. */
export function Jobs() {
  const shown = useSignal<readonly JobView[]>([]);
  const next = useSignal<string | null>(null);
  const problem = useSignal<string | null>(null);
  const { query: asked } = place.value;
  const state = asked.get("state") ?? "";
  const after = asked.get("after") ?? undefined;
  useSignalEffect(() => {
    const { query: wanted } = place.value;
    const states = wanted.get("state");
    const values = { state: states ? [states] : undefined, limit: PAGE, after: wanted.get("after") ?? undefined };
    askJson<{ jobs: JobView[]; next: string | null }>(`/v1/jobs${query(values)}`)
      .then((page) => {
        shown.value = page.jobs;
        next.value = page.next;
        problem.value = null;
      })
      .catch((error: unknown) => {
        problem.value = error instanceof ApiError ? error.message : String(error);
      });
  });
  const nowMs = Date.now();
  const current = shown.value.map((job) => changed.value.get(job.id) ?? job);
  return (
    <>
      <h1>Jobs</h1>
      <div class="filters">
        <label for="state">State</label>
        <select id="state" value={state} onChange={({ currentTarget }) => setQuery({ state: currentTarget.value, after: null })}>
          <option value="">all</option>
          {JOB_STATES.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </div>
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      <div class="scroll">
        <table>
          <thead>
            <tr>
              {["Input", "Type", "State", "Site", "Owner", "Experiment", "Submitted", "Reason"].map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {current.map((job) => (
              <JobRow key={job.id} job={job} nowMs={nowMs} />
            ))}
          </tbody>
        </table>
      </div>
      <div class="pages">
        {after !== undefined && <a href={linkTo(["jobs"], { state })}>First page</a>}
        {next.value !== null && <a href={linkTo(["jobs"], { state, after: next.value })}>Next page</a>}
      </div>
    </>
  );
}
