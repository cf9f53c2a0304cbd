/** A process is recognised by more than its number, and a number that fits nothing else is never sent a signal. */
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import {
  lifeNow,
  lifeOf,
  ownProcess,
  type ProcessId,
  signalProcess,
  startTickOf,
  whereWeAre,
} from "../../../src/cli/service/process-id.js";

const sleeper = spawn("sleep", ["600"], { stdio: "ignore" });
const pid = sleeper.pid!;
afterEach(() => expect(startTickOf(pid)).not.toBeNull());

const recorded = (): ProcessId => ({ ...whereWeAre(), pid, startTick: startTickOf(pid)! });

it("knows itself", () => {
  expect(lifeNow(ownProcess())).toBe("alive");
});

it.each<[string, Partial<ProcessId>, string]>([
  ["the process itself", {}, "alive"],
  ["a number that another process has now", { startTick: "1" }, "gone"],
  ["a number that nobody has", { pid: 2 ** 22 + 5 }, "gone"],
  ["a machine that was started anew since", { boot: "00000000-0000-0000-0000-000000000000" }, "gone"],
  ["another machine that shares the folder", { host: "login2" }, "elsewhere"],
  ["another machine of the same name", { machine: "ffffffffffffffffffffffffffffffff" }, "elsewhere"],
  ["another container of this machine", { namespace: "pid:[1]" }, "elsewhere"],
])("tells %s", (_what, other, life) => {
  const process = { ...recorded(), ...other };
  expect(lifeOf(process, whereWeAre(), startTickOf)).toBe(life);
  // Signal 0 would be sent to what is alive alone; the last test sends a real one.
  if (life !== "alive") expect(signalProcess(process, "SIGKILL")).toBe(false);
});

it("takes a process that was not collected yet for gone", async () => {
  const parent = spawn("sh", ["-c", "sh -c 'exit 0' & echo $!; exec sleep 600"], { stdio: ["ignore", "pipe", "ignore"] });
  const child = await new Promise<number>((resolve) => parent.stdout!.once("data", (text) => resolve(Number(text))));
  await expect.poll(() => startTickOf(child)).toBeNull();
  parent.kill("SIGKILL");
});

it("reads a name with parentheses in it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-process-id-"));
  // The system takes the name from the file.
  const program = join(folder, "x) S 1 (");
  copyFileSync("/bin/sleep", program);
  const odd = spawn(program, ["600"], { stdio: "ignore" });
  try {
    await expect.poll(() => readFileSync(`/proc/${odd.pid}/stat`, "utf8")).toContain("(x) S 1 () S");
    expect(startTickOf(odd.pid!)).toMatch(/^\d{3,}$/);
    expect(Math.abs(Number(startTickOf(odd.pid!)) - Number(startTickOf(process.pid)))).toBeLessThan(100 * 600);
  } finally {
    odd.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});

it("sends a signal to the one that is meant", async () => {
  const other = spawn("sleep", ["600"], { stdio: "ignore" });
  const ended = new Promise((resolve) => other.once("exit", (_code, signal) => resolve(signal)));
  expect(signalProcess({ ...whereWeAre(), pid: other.pid!, startTick: startTickOf(other.pid!)! }, "SIGTERM")).toBe(true);
  expect(await ended).toBe("SIGTERM");
});
