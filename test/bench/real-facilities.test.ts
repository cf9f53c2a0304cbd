/** Some jobs through a real Slurm, a real Grid Engine and a site of its own: `npm run test:schedulers`; all of it, with faults: `npm run facilities`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { runFacilities } from "../../bench/facilities/run.js";
import { RIGS } from "../sites/schedulers/rigs.js";

const rigs = [RIGS.slurm!, RIGS["grid-engine"]!];

it.skipIf(rigs.some(({ skip }) => skip !== null))(
  "jobs go through three facilities that share no files, and each finishes once",
  async () => {
    const [slurm, gridEngine] = await Promise.all(rigs.map((rig) => rig.start()));
    Object.assign(process.env, gridEngine!.environment, slurm!.environment);
    const folder = mkdtempSync(join(tmpdir(), "xpcs-facilities-"));
    const report = await runFacilities({
      ...{ root: resolve("."), folder: join(folder, "run"), jobs: 12, seed: 1, faults: false },
      slurm: slurm!.environment as Record<string, string>,
      say: () => {},
      signal: AbortSignal.timeout(280_000),
    });
    expect(report).toMatchObject({ broken: [], outcomes: { finished: 12 }, published: 12 });
    expect(report.firstRunsAloneS).toHaveLength(3);
    for (const { name, jobs } of report.figures) expect([name, jobs > 0]).toEqual([name, true]);
    expect(report.pilotStarts).toBeGreaterThanOrEqual(2);
    rmSync(folder, { recursive: true });
  },
  300_000,
);
