/** Clients that keep a facility busy, and what they hear. They go on whatever happens, and repeat what was not answered with the same key. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect, isCode, isFinal, type JobSpec, type XpcsClient } from "../../dist/index.js";
import type { JobId } from "../../src/core/job.js";
import type { History } from "../sim/promises.js";
import { corrJobs, type DetectorRun } from "./detector-run.js";

/** Jobs that may be open at a time: what is submitted must be done soon after the soak. */
const OPEN_MAX = 40;
const ATTEMPTS_MAX = 20;

export interface LoadOptions {
  readonly url: string;
  readonly token: string;
  readonly history: History;
  readonly rng: () => number;
  readonly results: string;
  readonly run: DetectorRun;
  readonly signal: AbortSignal;
  readonly open: () => number;
}

function randomJob(key: string, at: number, { rng, results, run }: LoadOptions): JobSpec {
  const draw = rng();
  const family = at > 0 && rng() < 0.2 ? { parents: [`#${at - 1}`], onParentFailure: "run" as const } : {};
  const more = { tags: { key }, attemptsMax: ATTEMPTS_MAX, retryDelayMs: 500, ...family };
  if (draw < 0.5) return { work: { app: "xpcs.noop", durationMs: Math.round(rng() * 800) }, ...more };
  const out = join(results, `${key}_${at}`);
  if (draw < 0.62) return { ...corrJobs(run, [`${out}_results.hdf`])[0]!, ...more };
  // Some take far longer than the others, and should be answered soon.
  const isLong = rng() < 0.15;
  const soon = isLong ? { deadline: new Date(Date.now() + 20_000).toISOString() } : {};
  const work = { app: "copy", parameters: { delay: isLong ? 10 : rng() < 0.5 ? 0 : 1 }, inputs: { input: { path: run.qmap } } };
  return { work: { ...work, outputs: { output: { path: `${out}.copy` } }, overwrite: false }, ...more, ...soon };
}

/** True for an error after which the same request is right again. */
function again(error: unknown): boolean {
  return ["UNAVAILABLE", "DEADLINE_EXCEEDED", "OVERLOADED"].some((code) => isCode(error, code as "UNAVAILABLE"));
}

async function insist<T>(call: () => Promise<T>, history: History): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!again(error)) {
        history.failed(error);
        throw error;
      }
      await pause(300);
    }
  }
}

/** One client: submits, sometimes twice, sometimes cancels, until the signal; then what it asked has been answered. */
export async function keepBusy(name: string, options: LoadOptions): Promise<void> {
  const { url, token, history, rng, signal, open } = options;
  const client = await insist(() => connect(url, { token, patienceMs: 10_000 }), history);
  for (let at = 0; !signal.aborted; at += 1) {
    await pause(200 + rng() * 900);
    if (open() > OPEN_MAX) continue;
    const key = `${name}${at}`;
    const jobs = Array.from({ length: 1 + Math.floor(rng() * 6) }, (_, place) => randomJob(key, place, options));
    const answer = await insist(() => client.submit({ key, jobs }), history);
    history.heard(key, answer.jobs, jobs.length);
    if (rng() < 0.2) history.heard(key, (await insist(() => client.submit({ key, jobs }), history)).jobs, jobs.length);
    if (rng() < 0.1) {
      const { canceled } = await insist(() => client.cancel([answer.jobs[0]!]), history);
      for (const id of canceled) history.canceled.add(id);
    }
  }
  client.close();
}

/** Follows all jobs; tells which are open. */
export function followJobs(client: XpcsClient, history: History, signal: AbortSignal): { ended: () => ReadonlySet<JobId> } {
  const ended = new Set<JobId>();
  const follow = async () => {
    while (!signal.aborted) {
      await client
        .follow({
          signal,
          onChange: (job) => {
            history.saw(job, Date.now());
            if (isFinal(job.state)) ended.add(job.id);
          },
        })
        .catch((error: unknown) => {
          if (!again(error) && !signal.aborted) history.failed(error);
        });
    }
  };
  void follow();
  return { ended: () => ended };
}
