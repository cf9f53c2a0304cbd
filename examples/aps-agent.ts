/**
 * The agent of the published experiment across facilities: sends XPCS jobs of several sizes and the proxy application, batch by batch, where they are answered
 * soonest: as central finds, or (`sites`) by its own policy. It survives outages of sites and of central, and its own: a batch has a key, so the same plan goes on.
 * Run it: XPCS_CENTRAL=ws://127.0.0.1:7878 XPCS_TOKEN=... node examples/aps-agent.ts plan.json (Node 22.18 or later), or npx tsx ...
 */
import { readFileSync } from "node:fs";
import { parse } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type CorrOptions, connect, isFinal, type JobSpec } from "xpcs-runtime";

/** `matrices`: rows of those that the proxy application diagonalises, one after each scan; nothing is sent while `waitingMax` jobs wait. */
export interface Plan extends Record<"experiment" | "qmap" | "out", string>, Record<"batch" | "everyS" | "waitingMax", number> {
  readonly scans: readonly string[];
  readonly options: CorrOptions;
  readonly matrices: readonly number[];
  /** Null: central chooses. */
  readonly sites: readonly string[] | null;
}

function jobsOf({ experiment, scans, qmap, options, matrices, out }: Plan): JobSpec[] {
  const job = (work: JobSpec["work"]): JobSpec => ({ work, experiment, tags: { app: work.app }, attemptsMax: 10 });
  const corr = { app: "xpcs.corr", qmap: { path: qmap }, overwrite: false, options } as const;
  return scans.flatMap((path, seed) => {
    const solve = { app: "diagonalise", inputs: {}, outputs: { result: { path: `${out}/values_${seed}.txt` } }, overwrite: false };
    const proxy = seed < matrices.length ? [job({ ...solve, parameters: { size: matrices[seed]!, seed } })] : [];
    return [job({ ...corr, input: { path }, out: { path: `${out}/${parse(path).name}_results.hdf` } }), ...proxy];
  });
}

/** Sends all jobs of a plan; resolves when they have ended. */
export async function run(plan: Plan, central: string, token: string, print: (line: string) => void): Promise<void> {
  const client = await connect(central, { token, patienceMs: 3_600_000 });
  const ids: string[] = [];
  for (let left = jobsOf(plan), n = 0; left.length > 0; await sleep(1000 * plan.everyS)) {
    const { jobs } = await client.jobs({ experiment: plan.experiment, limit: 500 });
    // A pilot's name is that of its site and a number.
    const sites = (await client.sites()).map(({ name, state }) => ({ name: name.replace(/-\d+$/, ""), state }));
    const seen = (plan.sites ?? [...new Set(sites.map(({ name }) => name))]).map((name) => {
      const here = jobs.filter(({ site, tags }) => (tags.sentTo ?? site?.replace(/-\d+$/, "")) === name);
      const perMin = here.filter(({ finishedAt }) => Date.now() - Date.parse(finishedAt ?? "") < 60_000).length;
      const down = sites.some((site) => site.name === name && site.state === "silent");
      const open = down ? Infinity : here.filter(({ state }) => !isFinal(state)).length;
      return { name, perMin, answerMin: (open + plan.batch) / (perMin + 1) };
    });
    const waiting = jobs.filter(({ state }) => state === "ready" || state === "staged-in").length;
    print(`${left.length} to send, ${waiting} wait; jobs/min: ${seen.map(({ name, perMin }) => `${name} ${perMin}`).join(", ")}`);
    if (waiting >= plan.waitingMax) continue;
    const site = plan.sites && seen.sort((a, b) => a.answerMin - b.answerMin)[0]!.name;
    const batch = left.splice(0, plan.batch).map((job) => (site ? { ...job, site, tags: { ...job.tags, sentTo: site } } : job));
    ids.push(...(await client.submit({ key: `${plan.experiment} ${n++}`, jobs: batch })).jobs);
  }
  await client.wait(ids).finally(() => client.close());
}

const [, program, file] = process.argv;
if (program === fileURLToPath(import.meta.url))
  await run(JSON.parse(readFileSync(file!, "utf8")), process.env.XPCS_CENTRAL!, process.env.XPCS_TOKEN!, console.log);
