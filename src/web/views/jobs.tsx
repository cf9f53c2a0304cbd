/** All jobs, newest first: filtered, a page at a time, kept current; cancel, retry and comparison of those that are chosen. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { isFinal, JOB_STATES, type JobView } from "../../core/job.js";
import { askJson, messageOf, query } from "../api.js";
import { FilterField } from "../filter-field.js";
import { changed } from "../live.js";
import { hasResult } from "../many-results.js";
import { mayAct } from "../me.js";
import { type Order, orderJobs } from "../orders.js";
import { linkTo, place, setQuery } from "../place.js";
import { Tags } from "../tags.js";
import { ago } from "../words.js";

const PAGE = 100;
/** What a list can be narrowed to, as the address and central's list name it. */
const FILTERS = ["experiment", "site", "app", "owner", "tag"] as const;

function asked(): string {
  const { query: wanted } = place.value;
  const list = (name: string) => (wanted.get(name) ? [wanted.get(name)!] : undefined);
  const text = (name: string) => wanted.get(name) || undefined;
  const [experiment, site, app, owner] = ["experiment", "site", "app", "owner"].map(text);
  return `/v1/jobs${query({ state: list("state"), tag: list("tag"), experiment, site, app, owner, limit: PAGE, after: text("after") })}`;
}

/** What has no end has no progress. */
const STREAM = "xpcs.stream";

function JobRow({ job, nowMs, chosen, choose }: { job: JobView; nowMs: number; chosen: boolean; choose: () => void }) {
  const name = job.inputs[0]?.split("/").at(-1) ?? job.id;
  return (
    <tr>
      <td>
        <input type="checkbox" checked={chosen} onChange={choose} aria-label={`choose ${name}`} />
      </td>
      <td>
        <a href={linkTo(["jobs", job.id])}>{name}</a>
      </td>
      <td>
        <Tags tags={job.tags} />
      </td>
      <td>{job.app === STREAM ? "stream" : job.type}</td>
      <td>
        <span class={`state ${job.state}`}>{job.state}</span>
        {job.progress !== null && job.state === "running" && job.app !== STREAM && <progress value={job.progress} aria-label="progress" />}
      </td>
      <td>{job.site ?? "–"}</td>
      <td>{job.owner ?? "–"}</td>
      <td>{job.experiment}</td>
      <td class="number">{ago(job.submittedAt, nowMs)}</td>
      <td class="reason">{job.reason ?? (job.state === "ready" ? job.why : "")}</td>
    </tr>
  );
}

function Filters() {
  const { query: wanted } = place.value;
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <label for="state">State</label>
      <select
        id="state"
        value={wanted.get("state") ?? ""}
        onChange={({ currentTarget }) => setQuery({ state: currentTarget.value, after: null })}
      >
        <option value="">all</option>
        {JOB_STATES.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      {FILTERS.map((name) => (
        <FilterField key={name} name={name} size={12} hint={name === "tag" ? "KEY=VALUE" : ""} />
      ))}
    </form>
  );
}

/** The list. */
export function Jobs() {
  const shown = useSignal<readonly JobView[]>([]);
  const next = useSignal<string | null>(null);
  const problem = useSignal<string | null>(null);
  const said = useSignal<string | null>(null);
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  useSignalEffect(() => {
    const path = asked();
    askJson<{ jobs: JobView[]; next: string | null }>(path)
      .then((page) => {
        if (path !== asked()) return;
        shown.value = page.jobs;
        next.value = page.next;
        problem.value = null;
      })
      .catch((error: unknown) => {
        problem.value = messageOf(error);
      });
  });
  const nowMs = Date.now();
  const { query: wanted } = place.value;
  const current = shown.value.map((job) => changed.value.get(job.id) ?? job);
  const ids = current.flatMap(({ id }) => (chosen.value.has(id) ? [id] : []));
  const withResult = current.flatMap((job) => (chosen.value.has(job.id) && hasResult(job) ? [job.id] : []));
  const choose = (some: readonly string[], take: boolean) => {
    const set = new Set(chosen.value);
    for (const id of some) {
      if (take) set.add(id);
      else set.delete(id);
    }
    chosen.value = set;
  };
  const give = (order: Order) => {
    const able = current.filter(({ id, state }) => chosen.value.has(id) && isFinal(state) === (order === "retry")).map(({ id }) => id);
    orderJobs(order, able, (done) => {
      said.value = `${order}: ${done} of ${able.length}`;
    }).then(
      ({ refused }) => {
        said.value = [`${order}: ${able.length - refused.length} of ${ids.length} chosen`, ...refused].join("; ");
        chosen.value = new Set();
      },
      (error: unknown) => {
        said.value = String(error);
      },
    );
  };
  return (
    <>
      <h1>Jobs</h1>
      <Filters />
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      <div class="filters">
        {mayAct() && (
          <>
            <button type="button" disabled={ids.length === 0} onClick={() => give("cancel")}>
              Cancel
            </button>
            <button type="button" disabled={ids.length === 0} onClick={() => give("retry")}>
              Retry
            </button>
          </>
        )}
        {withResult.length > 0 && (
          <a class="button" href={linkTo(["compare"], { ids: withResult.join(",") })}>
            Compare {withResult.length}
          </a>
        )}
        <span role="status">{said.value ?? `${ids.length} chosen`}</span>
      </div>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">
                <input
                  type="checkbox"
                  aria-label="choose all of this page"
                  checked={current.length > 0 && ids.length === current.length}
                  onChange={({ currentTarget }) =>
                    choose(
                      current.map(({ id }) => id),
                      currentTarget.checked,
                    )
                  }
                />
              </th>
              {["Input", "Tags", "Type", "State", "Site", "Owner", "Experiment", "Submitted", "Reason"].map((title) => (
                <th key={title} scope="col" class={title === "Submitted" ? "number" : undefined}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {current.map((job) => {
              const is = chosen.value.has(job.id);
              return <JobRow key={job.id} job={job} nowMs={nowMs} chosen={is} choose={() => choose([job.id], !is)} />;
            })}
          </tbody>
        </table>
      </div>
      {current.length === 0 && problem.value === null && <p>No such jobs.</p>}
      <div class="pages">
        {wanted.get("after") && <a href={linkTo(["jobs"], { ...Object.fromEntries(wanted), after: null })}>First page</a>}
        {next.value !== null && <a href={linkTo(["jobs"], { ...Object.fromEntries(wanted), after: next.value })}>Next page</a>}
      </div>
    </>
  );
}
