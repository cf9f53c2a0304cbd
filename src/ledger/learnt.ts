/** What a site's completions teach: run times, sizes of results, how steady its links are, and how well its answers were foretold. */
import type { Attempt, JobSpec } from "../core/job.js";
import {
  finishedWith,
  learn,
  NOTHING_LEARNT,
  nominalBytes,
  type RunsLearnt,
  runsOf,
  type SiteLearnt,
  sizeClass,
} from "../core/learning.js";
import { lineWith } from "../core/link-line.js";
import type { Completed, Summary } from "./events.js";
import type { LinkStats, SiteRecord } from "./state.js";

/** Smaller files tell of latencies, not of rates. */
const LINK_BYTES_MIN = 1e6;
/** What the past counts beside the next transfer. */
const LINK_PAST = 0.8;
/** A transfer that took longer than so many times what was expected tells no more than one that took so long. */
const RATIO_MAX = 10;
const KEPT_MIN_MS = 1;

const crossed = (bytes: unknown, seconds: unknown): { bytes: number; ms: number } | null =>
  typeof bytes === "number" && typeof seconds === "number" && bytes >= LINK_BYTES_MIN && seconds > 0
    ? { bytes, ms: 1_000 * seconds }
    : null;

function linkWith(before: LinkStats | undefined, bytes: unknown, seconds: unknown): LinkStats | undefined {
  const one = crossed(bytes, seconds);
  if (one === null) return before;
  const { bytes: pastBytes, ms: pastMs } = before ?? { bytes: 0, ms: 0 };
  return { bytes: LINK_PAST * pastBytes + one.bytes, ms: LINK_PAST * pastMs + one.ms };
}

/** What a completion says of its site's links. */
export function linksWith(links: SiteRecord["links"], { stageInBytes, stageInS, stageOutBytes, stageOutS }: Summary): SiteRecord["links"] {
  const into = linkWith(links?.in, stageInBytes, stageInS);
  const out = linkWith(links?.out, stageOutBytes, stageOutS);
  if (into === undefined && out === undefined) return links;
  return { ...(into === undefined ? {} : { in: into }), ...(out === undefined ? {} : { out }) };
}

/** Jobs whose files may be on their way at a time, of those of late. */
const SENT_KEPT = 64;
const SENT_MS = 600_000;
/** Given to a site so soon after one another, jobs share transfers. */
const TOGETHER_MS = 5_000;

/** One more job with files was given to the site. */
export function sentWith(sent: SiteRecord["sent"], at: number, bytes: number): SiteRecord["sent"] {
  if (bytes < LINK_BYTES_MIN) return sent;
  return [...(sent ?? []).filter(([then]) => then > at - SENT_MS).slice(1 - SENT_KEPT), [at, bytes]];
}

/** With what a completion says of the time that files take when others are on their way too. */
export function inLineWith(
  { inLine, sent = [] }: SiteRecord,
  startedMs: number,
  { stageInBytes, stageInS }: Summary,
): SiteRecord["inLine"] {
  const one = crossed(stageInBytes, stageInS);
  if (one === null) return inLine;
  let bytes = 0;
  for (const [at, size] of sent) if (at <= startedMs + TOGETHER_MS) bytes += size * Math.max(0, Math.min(1, 1 - (startedMs - at) / one.ms));
  return lineWith(inLine, Math.max(one.bytes, bytes), one.ms);
}

/** Time that a transfer took over what the rate of before told; the first is as expected. */
function ratioOf(before: LinkStats | undefined, bytes: unknown, seconds: unknown): number | null {
  const one = crossed(bytes, seconds);
  if (one === null) return null;
  return before === undefined ? 1 : Math.min(RATIO_MAX, (one.ms * before.bytes) / (one.bytes * before.ms));
}

function runWith(before: RunsLearnt | undefined, ms: number, bytes: number | null, at: number): RunsLearnt {
  const resultBytes = bytes === null ? before?.resultBytes : learn(before?.resultBytes, bytes, at);
  return { ms: learn(before?.ms, ms, at), ...(resultBytes === undefined ? {} : { resultBytes }) };
}

/**
 * What the site has learnt with this completion.
 *
 * @param attempt the one that completed
 */
export function learntWith(site: SiteRecord, spec: JobSpec, attempt: Attempt, { at, runMs, outputs, summary }: Completed): SiteLearnt {
  const before = site.learnt ?? NOTHING_LEARNT;
  const finished = finishedWith(before.finished, at);
  // A result that was there already took no time.
  if (summary.adopted === true) return { ...before, finished };
  const { work, inputBytes = null } = spec;
  const name = sizeClass(inputBytes);
  const nominal = nominalBytes(name);
  const ms = nominal === null ? runMs : (runMs * nominal) / inputBytes!;
  const classes = runsOf(before, work.app);
  const resultBytes = outputs.length === 0 ? null : outputs.reduce((sum, { bytes }) => sum + bytes, 0);
  const runs = { ...before.runs, [work.app]: { ...classes, [name]: runWith(classes?.[name], ms, resultBytes, at) } };
  const into = ratioOf(site.links?.in, summary.stageInBytes, summary.stageInS);
  const out = ratioOf(site.links?.out, summary.stageOutBytes, summary.stageOutS);
  const { startedAt, promised } = attempt;
  return {
    ...before,
    runs,
    finished,
    ...(into === null ? {} : { in: learn(before.in, into, at) }),
    ...(out === null ? {} : { out: learn(before.out, out, at) }),
    ...(promised === undefined
      ? {}
      : { kept: learn(before.kept, Math.min(RATIO_MAX, keptRatio(at - Date.parse(startedAt), promised.ms)), at) }),
  };
}

/** Time from the grant to the answer, over what was promised; what took less than this says nothing of either, ms. */
export function keptRatio(tookMs: number, promisedMs: number): number {
  return Math.max(KEPT_MIN_MS, tookMs) / Math.max(KEPT_MIN_MS, promisedMs);
}
