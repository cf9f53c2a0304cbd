/** Pilots in the batch jobs of real schedulers: `npm run test:schedulers`. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { schedulerNamed } from "../../../src/sites/schedulers/registry.js";
import { startFacility } from "../../chaos/processes.js";
import { RIGS } from "./rigs.js";

const REAL = Object.entries(RIGS).filter(([, { kind }]) => kind === "real");

/** What is in a folder of batch jobs; of those that were set aside as they had failed, what they printed. */
function left(folder: string): string[] {
  return readdirSync(folder).map((name) => {
    const output = join(folder, name, "output.log");
    return name.startsWith(".") && existsSync(output) ? `${name}: ${readFileSync(output, "utf8").slice(-4_000)}` : name;
  });
}

describe.each(REAL)("%s", (scheduler, rig) => {
  /** A facility, the batch file of a site in it, and the folder of that site's batch jobs. */
  const start = async (job: Record<string, unknown>, pilots: Record<string, number>) => {
    const stage = await rig.start();
    // The command looks for its scheduler in the environment of this process.
    Object.assign(process.env, stage.environment);
    const facility = await startFacility();
    const folder = join(facility.folder, "batch");
    mkdirSync(folder);
    const memory = schedulerNamed(scheduler).takes.includes("memoryGbPerNode") ? { memoryGbPerNode: 1 } : {};
    const file = join(facility.folder, "batch.json");
    writeFileSync(file, JSON.stringify({ scheduler, folder, job: { ...stage.settings, ...memory, ...job }, pilots }));
    return { facility, folder, file };
  };

  it.skipIf(rig.skip !== null)(
    "runs a pilot, which works for central and leaves",
    async () => {
      const { facility, folder, file } = await start({ walltimeS: 600 }, { max: 2, idleS: 5, everyS: 1 });
      try {
        const site = await facility.startSite("farm", 2, ["--batch", file]);
        const work = { app: "xpcs.noop" as const, durationMs: 200 };
        const { jobs } = await facility.client.submit({ jobs: [1, 2, 3, 4].map(() => ({ work, tags: {}, attemptsMax: 1 })) });
        const views = await facility.client.wait(jobs);
        expect(views.map(({ state }) => state)).toEqual(["finished", "finished", "finished", "finished"]);
        expect(new Set(views.flatMap(({ attempts }) => attempts.map((attempt) => attempt.site.split("-")[0])))).toEqual(new Set(["farm"]));
        await expect.poll(() => left(join(folder, "farm")), { timeout: 60_000 }).toEqual([]);
        expect(await site.stop("SIGTERM")).toBe(0);
      } finally {
        await facility.end();
      }
    },
    180_000,
  );

  it.skipIf(rig.skip !== null)(
    "loses the work of a pilot that its walltime kills, which counts as no failure of it",
    async () => {
      // The script is misled about its end, as by a node with a wrong clock: the pilot does not leave by itself, nor in the time that a signal leaves it.
      const lines = ["cut() { echo $(($(date +%s) + 86400)); }"];
      const { facility, folder, file } = await start({ walltimeS: 60, lines }, { max: 1, everyS: 1 });
      try {
        const site = await facility.startSite("farm", 1, ["--batch", file, "--grace", "600"]);
        const { jobs } = await facility.client.submit({
          jobs: [{ work: { app: "xpcs.noop", durationMs: 900_000 }, tags: {}, attemptsMax: 9 }],
        });
        const attempts = async () => (await facility.client.job(jobs[0]!)).attempts;
        await expect.poll(async () => (await attempts())[0]?.outcome, { timeout: 120_000 }).toBe("running");
        await expect.poll(async () => (await attempts())[0]?.outcome, { timeout: 360_000, interval: 1_000 }).not.toBe("running");
        expect((await attempts())[0]).toMatchObject({ outcome: "lost" });
        await expect.poll(() => facility.log(), { timeout: 120_000 }).toMatch(/"outcome":"time-limit"/);
        writeFileSync(join(folder, "farm.orders", "halt"), "");
        await expect
          .poll(() => readdirSync(join(folder, "farm")).filter((name) => !name.startsWith(".")), { timeout: 120_000 })
          .toEqual([]);
        await facility.client.cancel(jobs);
        expect(await site.stop("SIGTERM")).toBe(0);
      } finally {
        await facility.end();
      }
    },
    720_000,
  );
});
