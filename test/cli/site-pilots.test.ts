/** A site that keeps pilots, with the scheduler of this machine's processes: real processes of the built command. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { childrenOf, type Facility, startFacility } from "../chaos/processes.js";
import { startXpcs } from "./xpcs-process.js";

let facility: Facility;
const file = (name: string) => join(facility.folder, name);
const farm = () => file("batch/farm");
const pilots = (): string[] => (existsSync(farm()) ? readdirSync(farm()).filter((name) => name.startsWith("xpcs.")) : []);

beforeAll(async () => {
  facility = await startFacility();
  mkdirSync(file("batch"));
});
afterAll(async () => {
  // Pilots go on without whoever submitted them.
  for (const name of pilots()) {
    const id = readFileSync(join(farm(), name, "claim/id"), "utf8");
    try {
      process.kill(Number(id.split("-")[0]), "SIGTERM");
    } catch {
      // It has ended.
    }
  }
  await vi.waitFor(() => expect(running()).toEqual([]), { timeout: 30_000 });
  await facility.end();
}, 60_000);

/** Pilots whose script still runs. */
function running(): string[] {
  return pilots().filter((name) => {
    const id = readFileSync(join(farm(), name, "claim/id"), "utf8");
    return existsSync(`/proc/${id.split("-")[0]}`) && !existsSync(join(farm(), name, "exit-code"));
  });
}

const events = (name: string): Record<string, string>[] =>
  facility
    .log()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, string>)
    .filter(({ event }) => event === name);

async function startFarm(own: object = {}, job: object = {}, more: object = {}, ...words: string[]) {
  const text = {
    scheduler: "local",
    folder: file("batch"),
    job: { walltimeS: 600, ...job },
    pilots: { max: 2, idleS: 2, everyS: 1, ...own },
    ...more,
  };
  writeFileSync(file("batch.json"), JSON.stringify(text));
  return facility.startSite("farm", 2, ["--batch", file("batch.json"), ...words]);
}

const noop = (durationMs: number) => ({ work: { app: "xpcs.noop" as const, durationMs }, tags: {}, attemptsMax: 3 });

it("starts a pilot for work that waits, which runs it and leaves when it is idle", async () => {
  const site = await startFarm();
  expect(pilots()).toEqual([]);
  const { jobs } = await facility.client.submit({ jobs: [noop(100), noop(100), noop(100)] });
  const views = await facility.client.wait(jobs);
  expect(views.map(({ state }) => state)).toEqual(["finished", "finished", "finished"]);
  // One pilot of two slots, or two: never more than allowed, and none is called "farm".
  const sites = (await facility.client.sites()).map(({ name }) => name);
  expect(sites.every((name) => /^farm-[12]$/.test(name))).toBe(true);
  expect(sites.length).toBeLessThanOrEqual(2);
  await expect.poll(pilots, { timeout: 40_000 }).toEqual([]);
  expect(await site.stop("SIGTERM")).toBe(0);
  expect(events("pilot-ended").map(({ outcome }) => outcome)).toContain("done");
}, 90_000);

it("finds its pilots again after it was killed, and starts no other", async () => {
  await startFarm();
  const { jobs } = await facility.client.submit({ jobs: [noop(4_000)] });
  await expect.poll(() => running().length, { timeout: 20_000 }).toBe(1);
  const before = pilots();
  await facility.kill("farm");
  const site = await startFarm();
  const views = await facility.client.wait(jobs);
  expect(views.map(({ state, attempts }) => [state, attempts.length])).toEqual([["finished", 1]]);
  expect(pilots().filter((name) => !before.includes(name))).toEqual([]);
  await expect.poll(pilots, { timeout: 40_000 }).toEqual([]);
  await site.stop("SIGTERM");
}, 90_000);

it("replaces a pilot that is killed at work, and another attempt finishes the job", async () => {
  const site = await startFarm({ max: 1 });
  const { jobs } = await facility.client.submit({ jobs: [noop(3_000)] });
  await expect.poll(async () => (await facility.client.job(jobs[0]!)).state, { timeout: 20_000 }).toBe("running");
  // It has been seen at work.
  await expect.poll(() => events("pilots-planned").at(-1)?.reason, { timeout: 10_000 }).toMatch(/1 pilot with room for 1,/);
  const [pilot] = running();
  const stat = readFileSync(`/proc/${readFileSync(join(farm(), pilot!, "claim/id"), "utf8").split("-")[0]}/stat`, "utf8");
  process.kill(-Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]), "SIGKILL");
  const [view] = await facility.client.wait(jobs);
  expect([view!.state, view!.attempts.map(({ outcome }) => outcome)]).toEqual(["finished", ["lost", "finished"]]);
  await expect.poll(pilots, { timeout: 40_000 }).toEqual([]);
  await site.stop("SIGTERM");
}, 90_000);

it("gives a pilot's work back before its batch job ends, so that another finishes it", async () => {
  // Walltime 60 s, less the margin and a grace of 40 s: a pilot works for about 5 s.
  const before = events("pilot-submitted").length;
  const site = await startFarm({ idleS: 30 }, { walltimeS: 60 }, {}, "--grace", "40");
  const { jobs } = await facility.client.submit({ jobs: Array.from({ length: 12 }, () => noop(1_500)) });
  const views = await facility.client.wait(jobs);
  expect(views.every(({ state }) => state === "finished")).toBe(true);
  expect(events("pilot-submitted").length - before).toBeGreaterThan(1);
  expect(
    views.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome)).filter((outcome) => outcome === "lost" || outcome === "failed"),
  ).toEqual([]);
  await expect.poll(pilots, { timeout: 60_000 }).toEqual([]);
  await site.stop("SIGTERM");
}, 120_000);

const descendants = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);

it.each(["SIGTERM", "SIGUSR2"] as const)(
  "gives work back when %s reaches all processes of its batch job",
  async (signal) => {
    const apps = join(facility.folder, "sleep.json");
    writeFileSync(apps, JSON.stringify({ sleep: { argv: ["/bin/sleep", "{s}"], parameters: { s: { type: "integer" } } } }));
    const site = await startFarm({ max: 1 }, {}, {}, "--grace", "1", "--apps", apps);
    const sleepS = { work: { app: "sleep", parameters: { s: 6 }, inputs: {}, outputs: {}, overwrite: false }, tags: {}, attemptsMax: 1 };
    const { jobs } = await facility.client.submit({ jobs: [{ ...noop(6_000), attemptsMax: 1 }, sleepS] });
    const states = async () => (await Promise.all(jobs.map((id) => facility.client.job(id)))).map(({ state }) => state);
    await expect.poll(states, { timeout: 30_000 }).toEqual(["running", "running"]);
    const script = Number(readFileSync(join(farm(), running()[0]!, "claim/id"), "utf8").split("-")[0]);
    // The work first, as a node that is emptied ends one process after the other.
    for (const pid of [script, ...descendants(script)].reverse()) process.kill(pid, signal);
    const views = await facility.client.wait(jobs);
    expect(views.map(({ state, attempts }) => [state, attempts.map(({ outcome }) => outcome)])).toEqual(
      jobs.map(() => ["finished", ["returned", "finished"]]),
    );
    await expect.poll(pilots, { timeout: 40_000 }).toEqual([]);
    await site.stop("SIGTERM");
  },
  120_000,
);

it("has a pilot on each node of a batch job, or one for all, in which a job has nodes of its own", async () => {
  const wide = join(facility.folder, "wide.json");
  writeFileSync(
    wide,
    JSON.stringify({
      wide: {
        argv: ["{launcher}", "/bin/sh", "-c", 'echo "$NODES $RANKS $HOSTS $2" >"$1"; sleep 1', "wide", "{result}", "{cores}"],
        parameters: { result: { type: "output" } },
        ranksPerNode: 2,
      },
    }),
  );
  const each = await startFarm({ max: 1, per: "node" }, { nodes: 3 });
  const { jobs } = await facility.client.submit({ jobs: Array.from({ length: 12 }, () => noop(700)) });
  const views = await facility.client.wait(jobs);
  expect(views.every(({ state }) => state === "finished")).toBe(true);
  const used = new Set(views.flatMap(({ attempts }) => attempts.map((attempt) => attempt.site)));
  expect([...used].sort()).toEqual(["farm-1.1", "farm-1.2", "farm-1.3"]);
  await expect.poll(pilots, { timeout: 40_000 }).toEqual([]);
  await each.stop("SIGTERM");

  const launch = { jobs: ["/usr/bin/env", "NODES={nodes}", "RANKS={ranks}", "HOSTS={hosts}"] };
  const all = await startFarm({ max: 1 }, { nodes: 3 }, { launch }, "--apps", wide);
  const ask = (name: string, nodes: number) => ({
    work: { app: "wide", parameters: {}, inputs: {}, outputs: { result: { path: file(name) } }, overwrite: false },
    ...{ tags: {}, attemptsMax: 1, resources: { nodes } },
  });
  const asked = await facility.client.submit({ jobs: [ask("two", 2), ask("one", 1), ask("three", 3)] });
  const done = await facility.client.wait(asked.jobs);
  expect(done.map(({ state, reason }) => [state, reason])).toEqual(done.map(() => ["finished", null]));
  const host = hostname();
  const cores = availableParallelism();
  expect(["one", "two", "three"].map((name) => readFileSync(file(name), "utf8").trim())).toEqual([
    `1 2 ${host} ${cores}`,
    `2 4 ${host},${host} ${2 * cores}`,
    `3 6 ${host},${host},${host} ${3 * cores}`,
  ]);
  // The third needs all nodes: it waited for both of the others.
  const [two, one, three] = done.map(({ startedAt, finishedAt }) => [Date.parse(startedAt!), Date.parse(finishedAt!)] as const);
  expect(three![0]).toBeGreaterThanOrEqual(Math.max(two![1], one![1]) - 50);
  expect(one![0]).toBeLessThan(two![1]);
  const tooWide = await facility.client.submit({ jobs: [ask("four", 4)] });
  await expect
    .poll(async () => (await facility.client.job(tooWide.jobs[0]!)).reason, { timeout: 10_000 })
    .toMatch(/what the job needs|no site/);
  await facility.client.cancel(tooWide.jobs);
  await expect.poll(pilots, { timeout: 40_000 }).toEqual([]);
  await all.stop("SIGTERM");
}, 150_000);

it("cancels its batch jobs when it is halted, and goes on when that is taken back", async () => {
  const site = await startFarm({ max: 1 });
  const { jobs } = await facility.client.submit({ jobs: [{ ...noop(8_000), site: "farm" }] });
  const job = () => facility.client.job(jobs[0]!);
  await expect.poll(async () => (await job()).state, { timeout: 30_000 }).toBe("running");
  // Pinned to the site, it runs in a pilot of it.
  expect((await job()).site).toBe("farm-1");
  writeFileSync(file("batch/farm.orders/halt"), "fire\n");
  await expect.poll(running, { timeout: 20_000 }).toEqual([]);
  await expect.poll(async () => (await job()).state, { timeout: 20_000 }).toBe("ready");
  await expect.poll(async () => (await job()).reason, { timeout: 20_000 }).toMatch(/^site farm has no pilot at work: it was halted: fire/);
  rmSync(file("batch/farm.orders/halt"));
  const [view] = await facility.client.wait(jobs);
  // Its pilot could say so: given back, which counts as no attempt.
  expect([view!.state, view!.attempts.map(({ outcome }) => outcome)]).toEqual(["finished", ["returned", "finished"]]);
  await expect.poll(pilots, { timeout: 40_000 }).toEqual([]);
  await site.stop("SIGTERM");
}, 120_000);

it("submits no pilot beyond its budget of node-hours, also after a restart, and jobs say so", async () => {
  const used = JSON.stringify({ tag: "xpcs.farm-1.old", nodes: 1, startedMs: Date.now() - 3_600_000, endedMs: Date.now() });
  const text = readFileSync(file("batch/farm.hours"), "utf8");
  expect(text.trim().split("\n").length).toBeGreaterThan(0);
  writeFileSync(file("batch/farm.hours"), `${text}${used}\n`);
  const site = await startFarm({ max: 1 }, {}, { nodeHours: { all: 1 } });
  const { jobs } = await facility.client.submit({ jobs: [{ ...noop(10), site: "farm" }] });
  await expect
    .poll(async () => (await facility.client.job(jobs[0]!)).reason, { timeout: 20_000 })
    .toMatch(/^site farm has no pilot at work: 1 slot of work waits.*none more; the budget of 1 node-hours in all allows 0/);
  expect(pilots()).toEqual([]);
  await facility.client.cancel(jobs);
  await site.stop("SIGTERM");
}, 60_000);

it("pauses after a pilot that failed, and keeps what it left", async () => {
  const site = await startFarm({}, { lines: ["echo broken; exit 9"] });
  const { jobs } = await facility.client.submit({ jobs: [noop(10)] });
  await expect
    .poll(() => events("pilots-planned").some(({ reason }) => /the last one failed/.test(reason!)), { timeout: 20_000 })
    .toBe(true);
  const aside = readdirSync(farm()).filter((name) => name.startsWith(".xpcs."));
  expect(aside.map((name) => readFileSync(join(farm(), name, "output.log"), "utf8"))).toContainEqual("broken\n");
  await facility.client.cancel(jobs);
  await site.stop("SIGTERM");
}, 60_000);

it.each([
  [["--batch", "FILE"], { scheduler: "local", folder: "/x", job: { walltimeS: 60 }, pilots: { min: 3, max: 1 } }, "min is more than max"],
  [["--batch", "FILE", "--name", "n".repeat(50)], { scheduler: "local", folder: "/x", job: { walltimeS: 60 } }, "at most 45"],
])("refuses %j", async (words, text, message) => {
  const path = file("wrong.json");
  writeFileSync(path, JSON.stringify(text));
  const where = ["--central", facility.url, "--token", "t", "--work", file("w")];
  const { code, stderr } = await startXpcs(["site", ...where, ...words.map((word) => (word === "FILE" ? path : word))], {}).result;
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});
