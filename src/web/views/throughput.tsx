/** Jobs finished per minute at each site over the last half hour, and how many wait and run. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { JobState, JobView } from "../../core/job.js";
import { askJson, query } from "../api.js";
import { changed, news } from "../live.js";
import { linkTo } from "../place.js";
import { type Curve, Plot } from "../plot.js";

const MINUTES = 30;
const MINUTE_MS = 60_000;
/** As many as one answer holds. */
const PAGE = 500;
const LIVE: readonly JobState[] = ["awaiting-parents", "ready", "staged-in", "running", "staged-out"];

/** [minutes] finished jobs by site, the latest minute last. */
export function perMinute(jobs: Iterable<JobView>, nowMs: number): ReadonlyMap<string, readonly number[]> {
  const counts = new Map<string, number[]>();
  for (const { state, site, finishedAt } of jobs) {
    if (state !== "finished" || site === null || finishedAt === null) continue;
    const ago = Math.floor((nowMs - Date.parse(finishedAt)) / MINUTE_MS);
    if (ago < 0 || ago >= MINUTES) continue;
    const row = counts.get(site) ?? Array.from({ length: MINUTES }, () => 0);
    row[MINUTES - 1 - ago]! += 1;
    counts.set(site, row);
  }
  return counts;
}

/** The plot and the numbers. */
export function Throughput() {
  const before = useSignal<readonly JobView[]>([]);
  const live = useSignal<readonly JobView[]>([]);
  const more = useSignal(false);
  useSignalEffect(() => {
    askJson<{ jobs: JobView[] }>(`/v1/jobs${query({ state: ["finished"], limit: PAGE })}`)
      .then(({ jobs }) => {
        before.value = jobs;
      })
      .catch(() => {});
  });
  useSignalEffect(() => {
    void news.value;
    askJson<{ jobs: JobView[]; next: string | null }>(`/v1/jobs${query({ state: LIVE, limit: PAGE })}`)
      .then(({ jobs, next }) => {
        live.value = jobs;
        more.value = next !== null;
      })
      .catch(() => {});
  });
  const all = new Map(before.value.map((job) => [job.id, job]));
  for (const job of changed.value.values()) all.set(job.id, job);
  const rows = [...perMinute(all.values(), Date.now())].sort(([a], [b]) => (a < b ? -1 : 1));
  const curves = rows.map(([label, y], colour): Curve => ({ label, y, kind: "line", colour }));
  const running = live.value.filter(({ state }) => state === "running").length;
  const plus = more.value ? "+" : "";
  return (
    <>
      <p>
        <a href={linkTo(["jobs"], { state: "running" })}>{running} running</a>,{" "}
        <a href={linkTo(["jobs"], { state: "ready" })}>
          {live.value.length - running}
          {plus} on their way
        </a>
      </p>
      {curves.length > 0 && (
        <Plot
          title="Finished jobs per minute"
          x={Array.from({ length: MINUTES }, (_, at) => at - MINUTES + 1)}
          curves={curves}
          xLabel="minutes from now"
          yLabel="jobs per minute"
          height={220}
        />
      )}
    </>
  );
}
