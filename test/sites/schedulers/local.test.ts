/** Batch jobs as processes of this machine: what only they can suffer. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { batchFiles } from "../../../src/sites/batch-script.js";
import { local } from "../../../src/sites/schedulers/local.js";
import { RIGS } from "./rigs.js";
import { aliveInGroup, createPlace, type Place, reaches, type Stage } from "./stage.js";

let place: Place;
let stage: Stage;
beforeEach(async () => {
  stage = await RIGS.local!.start();
  place = createPlace(local, stage);
});
afterEach(() => place.remove());

const request = (script: string) => ({ tag: "job-1", argv: ["/bin/sh", "-c", script] as const, settings: place.settings() });

it("a job goes on when the process that submitted it is killed, and is found again", async () => {
  // The built program: a test must not need the loader of tests to be killed with it.
  const program = `
    import { createBatchJobs } from ${JSON.stringify(new URL("../../../dist/sites/batch-jobs.js", import.meta.url).href)};
    import { createMachine } from ${JSON.stringify(new URL("../../../dist/sites/batch-command.js", import.meta.url).href)};
    import { realClock } from ${JSON.stringify(new URL("../../../dist/core/real-clock.js", import.meta.url).href)};
    import { local } from ${JSON.stringify(new URL("../../../dist/sites/schedulers/local.js", import.meta.url).href)};
    const machine = createMachine({ timeoutMs: 5000, perMinute: 100, environment: process.env, clock: realClock, user: "me" });
    const jobs = createBatchJobs({ scheduler: local, machine, folder: process.argv[1], clock: realClock, strikeMs: 100, lateMs: 0 });
    await jobs.submit(JSON.parse(process.argv[2]));
    console.log("submitted");
    setInterval(() => {}, 1000);`;
  mkdirSync(place.folder, { recursive: true });
  const asked = request("sleep 1; echo survived; exit 7");
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, place.folder, JSON.stringify(asked)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGKILL");
  const jobs = place.jobs();
  const { ref, attached } = await jobs.submit(asked);
  expect(attached).toBe(true);
  expect((await reaches(jobs, ref, "ended")).ending).toMatchObject({ outcome: "failed", exitCode: 7 });
  expect(readFileSync(batchFiles(ref.folder).output, "utf8")).toBe("survived\n");
});

it("a job that is killed without a word is gone", async () => {
  const jobs = place.jobs();
  const { ref } = await jobs.submit(request("sleep 300"));
  process.kill(-groupOf(ref.id), "SIGKILL");
  expect((await reaches(jobs, ref, "ended")).ending).toMatchObject({ outcome: "gone", exitCode: null });
});

it("a warning that a scheduler repeats reaches the command once, another one and each order to end as well", async () => {
  const jobs = place.jobs();
  const { ref } = await jobs.submit(
    request("trap 'printf x >>told' TERM; printf '' >told; touch up; while ! [ -e stop ]; do sleep 0.05; done; exit 0"),
  );
  const path = (name: string) => join(ref.folder, name);
  await expect.poll(() => existsSync(path("up")), { timeout: 20_000 }).toBe(true);
  const told = () => readFileSync(path("told"), "utf8").length;
  // Below timeout(1), which leads the group.
  const script = aliveInGroup(groupOf(ref.id)).find((pid) => parentOf(pid) === groupOf(ref.id))!;
  const seen: number[] = [];
  for (const [signal, expected] of [
    ["USR2", 1],
    ["USR2", 1],
    ["USR2", 1],
    ["USR1", 2],
    ["USR2", 2],
    ["TERM", 3],
    ["TERM", 4],
  ] as const) {
    rmSync(path("claim/signaled"), { force: true });
    process.kill(script, `SIG${signal}`);
    // The script has heard it.
    await expect.poll(() => existsSync(path("claim/signaled")), { timeout: 20_000 }).toBe(true);
    await expect.poll(told, { timeout: 20_000 }).toBe(expected);
    await new Promise((later) => setTimeout(later, 200));
    seen.push(told());
  }
  expect(seen).toEqual([1, 1, 1, 2, 2, 3, 4]);
  writeFileSync(path("stop"), "");
  expect((await reaches(jobs, ref, "ended")).ending).toMatchObject({ outcome: "done" });
});

it("another process of the same number is not taken for the job", async () => {
  const [ref] = [{ tag: "job-1", id: `${process.pid}-1`, folder: place.folder }];
  const jobs = place.jobs();
  mkdirSync(place.folder, { recursive: true });
  await jobs.cancel(ref!);
  expect((await jobs.poll([ref!]))[0]).toMatchObject({ phase: "ended" });
});

it("a job that does not end when it is told to is killed, with all that it started", async () => {
  const jobs = place.jobs();
  const { ref } = await jobs.submit(request("trap '' TERM; sleep 300 & sleep 300; sleep 300"));
  const group = groupOf(ref.id);
  await jobs.cancel(ref);
  expect((await reaches(jobs, ref, "ended", 25)).ending).toMatchObject({ outcome: "canceled" });
  await expect.poll(() => aliveInGroup(group), { timeout: 5_000 }).toEqual([]);
});

it("a command that has just begun when the job is told to end does not outlive it", async () => {
  // Before the script has noted the number of what it has just started, and after that is deaf to SIGTERM.
  const lines = [`trap '[[ $BASH_COMMAND = "xpcs_child=\\$!" ]] && { until [ -e deaf ]; do sleep 0.05; done; kill -TERM $$; }' DEBUG`];
  const jobs = place.jobs();
  const deaf = request("trap '' TERM; touch deaf; sleep 2; touch late");
  const { ref } = await jobs.submit({ ...deaf, settings: place.settings({ lines }) });
  const group = groupOf(ref.id);
  await reaches(jobs, ref, "ended");
  expect(existsSync(`${ref.folder}/late`)).toBe(true);
  expect(aliveInGroup(group)).toEqual([]);
});

it("a module that cannot be loaded, and a line that fails, end the job before its command", async () => {
  for (const [own, code] of [
    [{ modules: ["no-such-module"] }, 72],
    [{ lines: ["export A=1", "exit 31"] }, 31],
  ] as const) {
    const jobs = place.jobs();
    const { ref } = await jobs.submit({ ...request("touch ran"), tag: `job-${code}`, settings: place.settings(own) });
    expect((await reaches(jobs, ref, "ended")).ending).toMatchObject({ outcome: "failed", exitCode: code });
    expect(existsSync(`${ref.folder}/ran`)).toBe(false);
  }
});

it("its nodes are so many times this machine", async () => {
  const jobs = place.jobs();
  const { ref } = await jobs.submit({ ...request('cat "$XPCS_BATCH_NODES"'), settings: place.settings({ nodes: 3 }) });
  await reaches(jobs, ref, "ended");
  expect(readFileSync(batchFiles(ref.folder).output, "utf8")).toBe(`${hostname()}\n`.repeat(3));
});

function statOf(pid: number | string): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

const parentOf = (pid: number): number => Number(statOf(pid)[1]);
const groupOf = (id: string): number => Number(statOf(id.split("-")[0]!)[2]);
