/** examples/aps-agent.ts through three sites as processes: by central's choice and by its own, with a site and central killed, and the agent itself begun again. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Plan, run } from "../../examples/aps-agent.js";
import type { JobView } from "../../src/core/job.js";
import { allPages } from "../../src/core/job-pages.js";
import { writeDetectorRun } from "../chaos/detector-run.js";
import { type Facility, startFacility } from "../chaos/processes.js";

const SITES = ["alpha", "beta", "gamma"];
let facility: Facility;
let plan: Omit<Plan, "experiment" | "out" | "sites">;

async function startSite(name: string): Promise<void> {
  await facility.startSite(name, 1, ["--apps", join(facility.folder, "apps.json")]);
}

function planOf(name: string, sites: readonly string[] | null): Plan {
  const out = join(facility.folder, name);
  mkdirSync(out);
  return { ...plan, experiment: `2026-3/${name}`, out, sites } as Plan;
}

const agent = (of: Plan, lines: string[]): Promise<void> => run(of, facility.url, facility.operatorToken, (line) => lines.push(line));
const jobsOf = ({ experiment }: Plan): Promise<JobView[]> => allPages(facility.client.jobs, { experiment });

beforeAll(async () => {
  facility = await startFacility();
  const { input, qmap, frameTimeS } = await writeDetectorRun(facility.folder, { frames: 1_000, photonsPerFrame: 50 });
  const scans = Array.from({ length: 6 }, (_, at) => join(facility.folder, `scan_${at}.bin`));
  for (const scan of scans) copyFileSync(input, scan);
  plan = { scans, qmap, options: { frameTimeS }, matrices: [3, 5, 7, 9], batch: 2, everyS: 0.1, waitingMax: 4 } as typeof plan;
  // As examples/apps.json has it, in no need of numpy.
  const argv = ["/bin/sh", "-c", 'sleep 0.3; echo "$0 $1" >"$2"', "{size}", "{seed}", "{result}"];
  const parameters = { size: { type: "integer" }, seed: { type: "integer" }, result: { type: "output" } };
  writeFileSync(join(facility.folder, "apps.json"), JSON.stringify({ diagonalise: { argv, parameters } }));
  for (const name of SITES) await startSite(name);
});
afterAll(() => facility.end());

it("has fewer than 60 lines", () => {
  const text = readFileSync(fileURLToPath(new URL("../../examples/aps-agent.ts", import.meta.url)), "utf8");
  expect(text.trimEnd().split("\n").length).toBeLessThan(60);
});

it("sends all jobs, and each ends once though a site and central are killed on the way", { timeout: 120_000 }, async () => {
  const mine = planOf("chosen", null);
  const lines: string[] = [];
  const going = agent(mine, lines);
  await expect.poll(async () => (await jobsOf(mine)).length, { timeout: 20_000 }).toBeGreaterThan(2);
  await facility.kill("beta");
  await facility.kill("central");
  await facility.startCentral();
  await going;
  const jobs = await jobsOf(mine);
  expect(jobs.map(({ state }) => state)).toEqual(Array(10).fill("finished"));
  expect(jobs.every(({ attempts }) => attempts.filter(({ outcome }) => outcome === "finished").length === 1)).toBe(true);
  expect(jobs.map(({ app }) => app).sort()).toEqual([...Array(4).fill("diagonalise"), ...Array(6).fill("xpcs.corr")]);
  expect(readFileSync(join(mine.out, "values_2.txt"), "utf8")).toBe("7 2\n");
  expect(lines.at(0)).toMatch(/^10 to send, 0 wait; jobs\/min: alpha 0, beta 0, gamma 0$/);
  // The same plan again, as after a crash of the agent: the same jobs.
  await agent(mine, lines);
  expect((await jobsOf(mine)).map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
  await startSite("beta");
});

it("sends to the sites that its own policy finds", { timeout: 120_000 }, async () => {
  const mine = planOf("pinned", SITES);
  const lines: string[] = [];
  await agent(mine, lines);
  const jobs = await jobsOf(mine);
  expect(jobs).toHaveLength(10);
  for (const { state, site, tags } of jobs) expect([state, site]).toEqual(["finished", tags.sentTo]);
  expect(new Set(jobs.map(({ site }) => site)).size).toBeGreaterThan(1);
});
