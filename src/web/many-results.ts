/**
 * The results of many jobs, read a few at a time. Of each file its numbers are kept and the file itself is let go, so that a hundred results with
 * maps of gigabytes can be compared in a browser.
 */
import { isFinal, type JobView } from "../core/job.js";
import type { ResultFile } from "../xpcs/result-layouts.js";
import { askJson, messageOf, query } from "./api.js";
import { openResult } from "./result.js";

export interface JobResult {
  readonly job: JobView;
  /** Of its file. */
  readonly name: string;
  readonly result: ResultFile;
}

/** What the address names: jobs, or a filter over finished ones. */
export interface Choice {
  readonly ids: readonly string[];
  readonly experiment: string | undefined;
  /** KEY=VALUE each; all must hold. */
  readonly tags: readonly string[];
}

/** Results that are compared at once. */
export const COMPARED_MAX = 200;
const AT_ONCE = 3;
/** Apps whose first file is a result. */
const APPS = ["xpcs.corr", "xpcs.stream"];

const names = new Intl.Collator("en", { numeric: true });

/** Does `work` for each, a few at a time. */
async function eachOf<T>(all: readonly T[], stop: AbortSignal, work: (one: T) => Promise<void>): Promise<void> {
  const left = [...all];
  const worker = async (): Promise<void> => {
    for (let one = left.shift(); one !== undefined && !stop.aborted; one = left.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** True of a job whose first file is a result that the page can open. */
export function hasResult({ app, state, outputs }: JobView): boolean {
  return isFinal(state) && APPS.includes(app) && outputs.length > 0;
}

/** Name of a job's result file. */
export function resultName({ outputs, id }: JobView): string {
  return outputs[0]?.path.split("/").at(-1) ?? id;
}

/** The jobs of a choice, by the names of their results, numbers as numbers; `more`: there are others that were left out. @throws ApiError */
export async function jobsOf({ ids, experiment, tags }: Choice, stop: AbortSignal): Promise<{ jobs: JobView[]; more: boolean }> {
  const jobs: JobView[] = [];
  let more = ids.length > COMPARED_MAX;
  if (ids.length > 0)
    await eachOf(ids.slice(0, COMPARED_MAX), stop, async (id) => {
      jobs.push(await askJson<JobView>(`/v1/jobs/${encodeURIComponent(id)}`, { signal: stop }));
    });
  else
    for (const app of APPS) {
      const asked = query({ state: ["finished"], tag: tags, experiment, app, limit: COMPARED_MAX });
      const page = await askJson<{ jobs: JobView[]; next: string | null }>(`/v1/jobs${asked}`, { signal: stop });
      jobs.push(...page.jobs);
      more ||= page.next !== null;
    }
  return { jobs: jobs.sort((a, b) => names.compare(resultName(a), resultName(b))), more };
}

/**
 * Reads the results of jobs, in any order.
 * @param refuse of one that cannot be read: why
 */
export async function readResults(
  jobs: readonly JobView[],
  stop: AbortSignal,
  take: (one: JobResult) => void,
  refuse: (job: JobView, why: string) => void,
): Promise<void> {
  await eachOf(jobs, stop, async (job) => {
    if (!hasResult(job)) return refuse(job, `is ${job.state}, without a result that can be shown`);
    try {
      const open = await openResult(job.id, 0, stop);
      open.close();
      take({ job, name: resultName(job), result: { ...open.result, path: job.outputs[0]!.path } });
    } catch (error) {
      if (!stop.aborted) refuse(job, messageOf(error));
    }
  });
}

/** In the order of a tag's values, numbers as numbers, then of names. */
export function byLabel(all: readonly JobResult[], label: string | null): readonly JobResult[] {
  const value = ({ job }: JobResult): string => (label === null ? "" : (job.tags[label] ?? ""));
  const order = (a: string, b: string): number => {
    const difference = Number(a) - Number(b);
    return a !== "" && b !== "" && Number.isFinite(difference) ? difference : names.compare(a, b);
  };
  return [...all].sort((a, b) => order(value(a), value(b)) || names.compare(a.name, b.name));
}

/** What a curve is called: the value of a tag, or the name of the file; both where the value is not its own. */
export function labelsOf(all: readonly JobResult[], label: string | null): readonly string[] {
  const values = all.map(({ job }) => (label === null ? undefined : job.tags[label]));
  return all.map(({ name }, at) => {
    const value = values[at];
    const short = name.replace(/(_results)?\.[^.]*$/, "");
    if (value === undefined) return short;
    return values.filter((other) => other === value).length > 1 ? `${value} ${short}` : value;
  });
}

/** Index of the bin whose q (and azimuth, where both have one) is nearest to that of a bin of another result; the same number where one has no q. */
export function nearestBin(from: ResultFile, at: number, to: ResultFile): number {
  const wanted = from.bins[at]!;
  const far = ({ q, phi }: ResultFile["bins"][number]): number =>
    Math.abs(q! - wanted.q!) / wanted.q! + (phi === null || wanted.phi === null ? 0 : Math.abs(phi - wanted.phi) / 180);
  if (wanted.q === null || to.bins.some(({ q }) => q === null)) return Math.min(at, to.bins.length - 1);
  return to.bins.reduce((best, bin, index) => (far(bin) < far(to.bins[best]!) ? index : best), 0);
}
