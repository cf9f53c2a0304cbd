/** Are my sites up, what is running, what went wrong. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { JobView, SiteView } from "../../core/job.js";
import { askJson, query } from "../api.js";
import { news, sites } from "../live.js";
import { linkTo } from "../place.js";
import { Table } from "../table.js";
import { ago, bytes, duration } from "../words.js";
import { Downtimes } from "./downtimes.js";
import { Throughput } from "./throughput.js";

const FAILURES_SHOWN = 8;

function SiteRow({ site, nowMs }: { site: SiteView; nowMs: number }) {
  const { name, state, reason, slots, running, finishedJobs, meanRunS, stageInBytesPerS, lastSeenAt } = site;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        <span class={`state ${state}`}>{state}</span>
        {reason !== null && <small> {reason}</small>}
      </td>
      <td class="number">
        {running} / {slots}
      </td>
      <td class="number">{finishedJobs}</td>
      <td class="number">{duration(meanRunS)}</td>
      <td class="number">{stageInBytesPerS === null ? "–" : `${bytes(stageInBytesPerS)}/s`}</td>
      <td class="number">{state === "up" ? "now" : ago(lastSeenAt, nowMs)}</td>
    </tr>
  );
}

function Failure({ job, nowMs }: { job: JobView; nowMs: number }) {
  return (
    <li>
      <a href={linkTo(["jobs", job.id])}>{job.inputs[0]?.split("/").at(-1) ?? job.app}</a> {job.site !== null && `at ${job.site} `}
      <span class="muted">{ago(job.finishedAt, nowMs)}</span>
      <div>{job.reason}</div>
    </li>
  );
}

/** What is seen first. */
export function Overview() {
  const failures = useSignal<readonly JobView[]>([]);
  useSignalEffect(() => {
    void news.value;
    askJson<{ jobs: JobView[] }>(`/v1/jobs${query({ state: ["failed"], limit: FAILURES_SHOWN })}`)
      .then(({ jobs }) => {
        failures.value = jobs;
      })
      .catch(() => {});
  });
  const nowMs = Date.now();
  return (
    <>
      <h1>Sites</h1>
      <Table titles={["Site", "State", "Running / slots", "Finished", "Mean run", "Link in", "Seen"]} numbers={[2, 3, 4, 5, 6]}>
        {sites.value.map((site) => (
          <SiteRow key={site.name} site={site} nowMs={nowMs} />
        ))}
      </Table>
      {sites.value.length === 0 && <p>No site is connected to central.</p>}
      <Downtimes />
      <h2>Throughput</h2>
      <Throughput />
      <h2>What failed lately</h2>
      {failures.value.length === 0 ? (
        <p>Nothing.</p>
      ) : (
        <ul class="failures">
          {failures.value.map((job) => (
            <Failure key={job.id} job={job} nowMs={nowMs} />
          ))}
        </ul>
      )}
    </>
  );
}
