/** The causes of an end that only a real Slurm can give: `npm run test:schedulers`. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { slurm } from "../../../src/sites/schedulers/slurm.js";
import { RIGS } from "./rigs.js";
import { createPlace, type Place, reaches, type Stage } from "./stage.js";

const rig = RIGS.slurm!;

describe.skipIf(rig.skip !== null)("a real Slurm", () => {
  let stage: Stage;
  let place: Place;
  beforeEach(async () => {
    stage = await rig.start();
    place = createPlace(slurm, stage);
  });
  afterEach(() => place.remove());

  const submit = (script: string, own: Readonly<Record<string, unknown>> = {}) =>
    place.jobs().submit({
      tag: `r${process.pid}-${Math.floor(performance.now())}`,
      argv: ["/bin/bash", "-c", script],
      settings: place.settings(own),
    });

  it("ends a job that uses too much memory", async () => {
    const { ref } = await submit("x=$(head -c 700000000 /dev/zero | tr '\\0' x); sleep 30", { memoryGbPerNode: 0.1 });
    // As long as a site waits for accounting: the record of the script, which has the reason, comes seconds after that of the job on a busy machine.
    const patient = place.jobs({ strikeMs: 10_000 });
    expect((await reaches(patient, ref, "ended")).ending).toMatchObject({ outcome: "out-of-memory" });
  }, 90_000);

  it("gives a job's node to another", async () => {
    const lowly = await submit("sleep 300", { queue: "scavenger", cpusPerNode: 4 });
    await reaches(place.jobs(), lowly.ref, "running");
    const urgent = await submit("sleep 1", { queue: "urgent", cpusPerNode: 4 });
    expect((await reaches(place.jobs(), lowly.ref, "ended")).ending).toMatchObject({ outcome: "preempted" });
    expect((await reaches(place.jobs(), urgent.ref, "ended")).ending).toMatchObject({ outcome: "done" });
  });

  it("loses a node", async () => {
    // Partition "long" is node n1 alone.
    const { ref } = await submit("sleep 300", { queue: "long" });
    await reaches(place.jobs(), ref, "running");
    const folder = dirname(stage.environment.SLURM_CONF!);
    process.kill(Number(readFileSync(join(folder, "slurmd-n1.pid"), "utf8")), "SIGKILL");
    try {
      expect((await reaches(place.jobs(), ref, "ended", 90)).ending).toMatchObject({ outcome: "node-failed" });
    } finally {
      spawnSync("slurmd", ["-N", "n1"], {
        env: { ...stage.environment, PATH: `${stage.environment.PATH}:/usr/sbin` } as NodeJS.ProcessEnv,
      });
    }
  }, 120_000);

  it("tells when a job would begin, now or when another one has ended", async () => {
    // Partition "long" is node n1 alone.
    const waits = (walltimesS: number[]) => slurm.waits!(place.settings({ queue: "long", cpusPerNode: 4 }), walltimesS, place.machine());
    const free = await waits([120, 60]);
    const { ref } = await submit("sleep 600", { queue: "long", cpusPerNode: 4, walltimeS: 600 });
    await reaches(place.jobs(), ref, "running");
    const taken = await waits([120, 60]);
    await place.jobs().cancel(ref);
    expect(free.map((waitS) => waitS !== null && waitS < 60)).toEqual([true, true]);
    expect(taken.map((waitS) => waitS !== null && waitS > 300 && waitS <= 700)).toEqual([true, true]);
    await reaches(place.jobs(), ref, "ended");
  });

  it("lets a job wait for another", async () => {
    const first = await submit("sleep 3");
    const second = await submit("true", { after: [first.ref.id] });
    expect((await place.jobs().poll([second.ref]))[0]).toMatchObject({ phase: "queued", sentence: "it waits for other jobs" });
    await place.jobs().cancel(second.ref);
    expect((await reaches(place.jobs(), second.ref, "ended")).ending).toMatchObject({ outcome: "canceled" });
    await reaches(place.jobs(), first.ref, "ended");
  });
});
