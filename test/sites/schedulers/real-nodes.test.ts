/** Batch jobs of several nodes on a real Slurm: pilots on each, and jobs over them. `npm run test:schedulers -- slurm`. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Facility, startFacility } from "../../chaos/processes.js";
import { RIGS } from "./rigs.js";

const rig = RIGS.slurm!;

/** Writes the name of its node and its rank, then waits while there is a file. */
const TELL = 'echo "$SLURMD_NODENAME $SLURM_PROCID $$" >>"$1"; while [ -e "$2" ]; do sleep 0.1; done';
const APPS = {
  where: {
    argv: ["/bin/sh", "-c", TELL, "where", "{result}", "{hold}"],
    parameters: { result: { type: "output" }, hold: { type: "text", pattern: "/.*" } },
  },
  wide: {
    argv: ["{launcher}", "/bin/sh", "-c", TELL, "wide", "{result}", "{hold}"],
    parameters: { result: { type: "output" }, hold: { type: "text", pattern: "/.*" } },
    ranksPerNode: 2,
  },
};

describe.skipIf(rig.skip !== null)("three nodes of a real Slurm", () => {
  let facility: Facility;
  const file = (name: string): string => join(facility.folder, name);
  beforeEach(async () => {
    Object.assign(process.env, (await rig.start()).environment);
    facility = await startFacility();
    mkdirSync(file("batch"));
    writeFileSync(file("apps.json"), JSON.stringify(APPS));
    writeFileSync(file("hold"), "");
  });
  afterEach(async () => {
    await facility.end();
  });

  async function startFarm(pilots: object) {
    const job = { walltimeS: 600, memoryGbPerNode: 1, nodes: 3, cpusPerNode: 4 };
    const batch = { scheduler: "slurm", folder: file("batch"), job, pilots: { max: 1, idleS: 5, everyS: 1, ...pilots } };
    writeFileSync(file("batch.json"), JSON.stringify(batch));
    return facility.startSite("farm", 2, ["--batch", file("batch.json"), "--apps", file("apps.json")]);
  }
  const ask = (app: string, name: string, more: object = {}) => ({
    work: { app, parameters: { hold: file("hold") }, inputs: {}, outputs: { result: { path: file(name) } }, overwrite: false },
    ...{ tags: {}, attemptsMax: 3, ...more },
  });
  const told = (name: string) =>
    readFileSync(file(name), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [node: string, rank: string, pid: string]);
  /** The process of the pilot of that number. */
  const pidOf = (pilot: string): number => {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const found = pids.find((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/environ`, "utf8").includes(`XPCS_PILOT=${pilot}\0`) &&
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(facility.folder)
        );
      } catch {
        return false;
      }
    });
    return Number(found);
  };
  const jobsLeft = () => readdirSync(file("batch/farm")).filter((name) => name.startsWith("xpcs."));

  it("have a pilot each; one that is killed takes no other with it", async () => {
    const site = await startFarm({ per: "node" });
    const { jobs } = await facility.client.submit({ jobs: Array.from({ length: 6 }, (_, at) => ask("where", `r${at}`)) });
    await expect
      .poll(async () => (await facility.client.sites()).map(({ name, running }) => [name, running]), { timeout: 60_000 })
      .toEqual(["farm-1.1", "farm-1.2", "farm-1.3"].map((name) => [name, 2]));
    // SIGKILL to the process of one pilot alone.
    const victim = pidOf("2");
    process.kill(victim, "SIGKILL");
    await expect
      .poll(
        async () =>
          (await facility.client.jobs({})).jobs.flatMap(({ attempts }) => attempts).filter(({ outcome }) => outcome === "lost").length,
        { timeout: 30_000 },
      )
      .toBe(2);
    rmSync(file("hold"));
    const views = await facility.client.wait(jobs);
    expect(views.map(({ state }) => state)).toEqual(views.map(() => "finished"));
    expect(views.filter(({ attempts }) => attempts.length === 1)).toHaveLength(4);
    expect(new Set(views.map((_, at) => told(`r${at}`).at(-1)![0])).size).toBeGreaterThanOrEqual(2);
    await expect.poll(jobsLeft, { timeout: 60_000 }).toEqual([]);
    await site.stop("SIGTERM");
  }, 180_000);

  it("run jobs over several of them, each on nodes of its own; a cancel ends all of its processes", async () => {
    const site = await startFarm({});
    const wide = (name: string, nodes: number) => ask("wide", name, { resources: { nodes } });
    const { jobs } = await facility.client.submit({ jobs: [wide("two", 2), wide("one", 1), wide("three", 3)] });
    // The first two at once, side by side.
    const running = async () => (await Promise.all(jobs.map((id) => facility.client.job(id)))).map(({ state }) => state);
    await expect.poll(running, { timeout: 60_000 }).toEqual(["running", "running", "ready"]);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    rmSync(file("hold"));
    const views = await facility.client.wait(jobs);
    expect(views.map(({ state, reason }) => [state, reason])).toEqual(views.map(() => ["finished", null]));
    const nodesOf = (name: string) =>
      told(name)
        .map(([node]) => node)
        .sort();
    expect(
      told("two")
        .map(([, rank]) => rank)
        .sort(),
    ).toEqual(["0", "1", "2", "3"]);
    const [two, one] = [nodesOf("two"), nodesOf("one")];
    expect([two.length, one.length]).toEqual([4, 2]);
    expect([...new Set([...two, ...one])].sort()).toEqual(["n1", "n2", "n3"]);
    expect(nodesOf("three")).toEqual(["n1", "n1", "n2", "n2", "n3", "n3"]);

    writeFileSync(file("hold"), "");
    const canceled = await facility.client.submit({ jobs: [wide("never", 3)] });
    const partial = (): number[] => {
      const root = join(facility.folder, "work", "farm-1");
      const found = existsSync(root)
        ? readdirSync(root, { recursive: true })
            .map(String)
            .filter((path) => path.endsWith("/never"))
        : [];
      return found.flatMap((path) =>
        readFileSync(join(root, path), "utf8")
          .trim()
          .split("\n")
          .map((line) => Number(line.split(" ")[2])),
      );
    };
    await expect.poll(() => partial().length, { timeout: 30_000 }).toBe(6);
    const processes = partial();
    await facility.client.cancel(canceled.jobs);
    const alive = () =>
      processes.filter((pid) => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("wide"));
    await expect.poll(alive, { timeout: 20_000 }).toEqual([]);
    await expect.poll(jobsLeft, { timeout: 60_000 }).toEqual([]);
    await site.stop("SIGTERM");
  }, 180_000);
});

const gridEngine = RIGS["grid-engine"]!;

it.skipIf(gridEngine.skip !== null)(
  "three hosts of a real Grid Engine have a pilot each, in networks from which central is not reached, through the folder",
  async (context) => {
    const { environment } = await gridEngine.start();
    if (environment.XPCS_TEST_GE_NODES !== "") context.skip(environment.XPCS_TEST_GE_NODES ?? "it has one host");
    Object.assign(process.env, environment);
    const facility = await startFacility();
    try {
      const file = (name: string): string => join(facility.folder, name);
      mkdirSync(file("batch"));
      const where = {
        where: { argv: ["/bin/sh", "-c", 'uname -n >"$1"; sleep 1', "where", "{result}"], parameters: { result: { type: "output" } } },
      };
      writeFileSync(file("apps.json"), JSON.stringify(where));
      const job = { walltimeS: 600, nodes: 3, queue: "nodes.q", parallelEnvironment: "hosts" };
      const pilots = { max: 1, idleS: 5, everyS: 1, per: "node", reach: { by: "folder" } };
      writeFileSync(file("batch.json"), JSON.stringify({ scheduler: "grid-engine", folder: file("batch"), job, pilots }));
      const site = await facility.startSite("farm", 1, ["--batch", file("batch.json"), "--apps", file("apps.json")]);
      const ask = (name: string) => ({
        work: { app: "where", parameters: {}, inputs: {}, outputs: { result: { path: file(name) } }, overwrite: false },
        ...{ tags: {}, attemptsMax: 3 },
      });
      const { jobs } = await facility.client.submit({ jobs: Array.from({ length: 9 }, (_, at) => ask(`r${at}`)) });
      const views = await facility.client.wait(jobs);
      expect(views.map(({ state, reason }) => [state, reason])).toEqual(views.map(() => ["finished", null]));
      expect(new Set(views.map((_, at) => readFileSync(file(`r${at}`), "utf8").trim()))).toEqual(new Set(["node1", "node2", "node3"]));
      await expect.poll(() => readdirSync(file("batch/farm")), { timeout: 60_000 }).toEqual([]);
      expect(await site.stop("SIGTERM")).toBe(0);
    } finally {
      await facility.end();
    }
  },
  240_000,
);
