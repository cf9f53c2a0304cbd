/** Pilots in the batch jobs of real schedulers: `npm run test:schedulers`. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { schedulerNamed } from "../../../src/sites/schedulers/registry.js";
import { startFacility } from "../../chaos/processes.js";
import { RIGS } from "./rigs.js";

const REAL = Object.entries(RIGS).filter(([, { kind }]) => kind === "real");

describe.each(REAL)("%s", (scheduler, rig) => {
  it.skipIf(rig.skip !== null)(
    "runs a pilot, which works for central and leaves",
    async () => {
      const stage = await rig.start();
      // The command looks for its scheduler in the environment of this process.
      Object.assign(process.env, stage.environment);
      const facility = await startFacility();
      try {
        const folder = join(facility.folder, "batch");
        mkdirSync(folder);
        const memory = schedulerNamed(scheduler).takes.includes("memoryGbPerNode") ? { memoryGbPerNode: 1 } : {};
        const batch = { scheduler, folder, job: { ...stage.settings, ...memory, walltimeS: 600 }, pilots: { max: 2, idleS: 5, everyS: 1 } };
        writeFileSync(join(facility.folder, "batch.json"), JSON.stringify(batch));
        const site = await facility.startSite("farm", 2, ["--batch", join(facility.folder, "batch.json")]);
        const work = { app: "xpcs.noop" as const, durationMs: 200 };
        const { jobs } = await facility.client.submit({ jobs: [1, 2, 3, 4].map(() => ({ work, tags: {}, attemptsMax: 1 })) });
        const views = await facility.client.wait(jobs);
        expect(views.map(({ state }) => state)).toEqual(["finished", "finished", "finished", "finished"]);
        expect(new Set(views.flatMap(({ attempts }) => attempts.map((attempt) => attempt.site.split("-")[0])))).toEqual(new Set(["farm"]));
        await expect.poll(() => readdirSync(join(folder, "farm")), { timeout: 60_000 }).toEqual([]);
        expect(await site.stop("SIGTERM")).toBe(0);
      } finally {
        await facility.end();
      }
    },
    180_000,
  );
});
