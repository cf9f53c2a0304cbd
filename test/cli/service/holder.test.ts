/** One process at a time runs a site, whatever others have left. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, it } from "vitest";
import { freeSite, holderOf, isAnothers, releaseSite, takeSite } from "../../../src/cli/service/holder.js";
import { type ProcessId, startTickOf, whereWeAre } from "../../../src/cli/service/process-id.js";
import { type SiteFiles, siteFiles } from "../../../src/cli/service/site-folder.js";
import type { Clock } from "../../../src/core/clock.js";

const root = mkdtempSync(join(tmpdir(), "xpcs-holder-"));
const sleepers: ChildProcess[] = [];
afterAll(() => {
  for (const child of sleepers) child.kill("SIGKILL");
  rmSync(root, { recursive: true });
});

let files: SiteFiles;
beforeEach(() => {
  files = siteFiles(mkdtempSync(join(root, "site-")));
});

/** Time goes by as fast as somebody waits for it. */
function quickClock(onLook: () => void = () => {}): Clock {
  let ms = 0;
  return {
    nowMs: () => ms,
    monotonicMs: () => ms,
    after(delayMs, run) {
      const timer = setImmediate(() => {
        ms += delayMs;
        onLook();
        run();
      });
      return { cancel: () => clearImmediate(timer) };
    },
  };
}

function aProcess(): ProcessId {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  sleepers.push(child);
  return { ...whereWeAre(), pid: child.pid!, startTick: startTickOf(child.pid!)! };
}
const facts = { user: "ann", since: "2026-11-26T10:00:00.000Z", version: "1" };
const take = (process: ProcessId, clock: Clock = quickClock()) => takeSite(files, "polaris", process, facts, clock);

it("is taken, released, and taken again", async () => {
  const first = await take(aProcess());
  expect(holderOf(files)).toEqual(first);
  releaseSite(files, first);
  expect(holderOf(files)).toBeNull();
  const second = await take(aProcess());
  expect(second.run).not.toBe(first.run);
  // What the first one does late is nothing to the second.
  releaseSite(files, first);
  expect(holderOf(files)).toEqual(second);
  expect([isAnothers(files, first), isAnothers(files, second)]).toEqual([true, false]);
});

it("refuses a second one, and says who runs it", async () => {
  const process = aProcess();
  await take(process);
  await expect(take(aProcess())).rejects.toMatchObject({
    code: "REFUSED",
    message: expect.stringContaining(
      `site polaris is run by ann since 2026-11-26T10:00:00.000Z: process ${process.pid} on ${process.host}`,
    ),
  });
});

it.each<[string, Partial<ProcessId>]>([
  ["a process whose number another has", { startTick: "1" }],
  ["a process from before the machine was started", { boot: "b" }],
  ["a process of another machine that writes nothing", { host: "login2" }],
])("takes what %s has left", async (_what, other) => {
  await take({ ...aProcess(), ...other });
  const next = await take(aProcess());
  expect(holderOf(files)).toEqual(next);
});

it("is looked at once where a process of another machine has left it", async () => {
  await take({ ...aProcess(), host: "login2" });
  let looks = 0;
  const clock = quickClock(() => {
    looks += 1;
  });
  await freeSite(files, clock);
  expect([looks > 0, holderOf(files)]).toEqual([true, null]);
  looks = 0;
  await take(aProcess(), clock);
  expect(looks).toBe(0);
});

it("refuses while a process of another machine writes its status", async () => {
  await take({ ...aProcess(), host: "login2" });
  let beat = 0;
  const clock = quickClock(() => {
    beat += 1;
    if (beat % 4 === 0) writeFileSync(files.status, String(beat));
  });
  await expect(take(aProcess(), clock)).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining("on login2") });
});

it.each(["", "{", "[]", '{"run":"x"}'])("takes a file that says %j for nobody's", async (text) => {
  writeFileSync(files.run, text);
  const holder = await take(aProcess());
  expect(holderOf(files)).toEqual(holder);
});

it("gives it to one of many that come at a time, also over what a dead one left", async () => {
  for (let round = 0; round < 6; round += 1) {
    await take({ ...aProcess(), startTick: "1" }).catch(() => {});
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => take(aProcess())));
    const taken = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(taken.length).toBe(1);
    expect(holderOf(files)).toEqual(taken[0]);
    releaseSite(files, taken[0]!);
  }
  expect(readdirSync(files.folder)).toEqual([]);
});
