/** Signals that are meant for all processes of a batch job: who ends by them, and what is made of it. Real kernel hosts; needs the built output. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import type { CommandRun } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { endedFromOutside, signalOf } from "../../src/sites/job-signals.js";
import { type HostProcess, startHost } from "../../src/sites/kernel-host.js";
import { DEFAULT_SUPERVISION } from "../../src/sites/supervision.js";

const MAIN = fileURLToPath(new URL("../../dist/sites/kernel-host-main.js", import.meta.url));
let folder: string;
let host: HostProcess;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-job-signals-"));
  host = startHost({ clock: realClock, rules: DEFAULT_SUPERVISION.hosts, main: MAIN });
});
afterEach(async () => {
  await host.kill();
  rmSync(folder, { recursive: true, force: true });
});

const run = (work: Parameters<HostProcess["run"]>[0]["work"]) =>
  host.run({ work, onProgress: () => {}, signal: new AbortController().signal });

function command(script: string): CommandRun {
  const logs = { stdout: join(folder, "stdout"), stderr: join(folder, "stderr") };
  const plain = { app: "command", before: [], after: [], env: {}, exclusive: false } as const;
  return { ...plain, argv: ["/bin/sh", "-c", script], cwd: folder, logs, pidFile: join(folder, "pid") };
}

it("a kernel host ends by none of them, and goes on with its work", async () => {
  await run({ app: "xpcs.noop", durationMs: 1 });
  const work = run({ app: "xpcs.noop", durationMs: 600 });
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"] as const) process.kill(host.pid, name);
  await expect(work).resolves.toEqual({ summary: null });
  expect(host.usable).toBe(true);
});

it.each([
  ["kill -TERM $$", "SIGTERM", true],
  ["kill -USR2 $$", "SIGUSR2", true],
  ["sh -c 'kill -KILL $$'; exit $?", "SIGKILL", true],
  ["kill -SEGV $$", "SIGSEGV", false],
  ["exit 3", null, false],
])("a command that ends by `%s` tells the signal %s", async (script, signal, outside) => {
  const failure = await run(command(script)).catch((error: XpcsError) => error);
  expect(failure).toMatchObject({ code: "COMMAND_FAILED", details: { signal } });
  expect(endedFromOutside(failure as XpcsError)).toBe(outside);
});

it("a kernel host that is killed tells the signal", async () => {
  await run({ app: "xpcs.noop", durationMs: 1 });
  const work = run({ app: "xpcs.noop", durationMs: 60_000 });
  process.kill(host.pid, "SIGKILL");
  await expect(work).rejects.toMatchObject({ code: "NATIVE_CRASHED", details: { signal: "SIGKILL" } });
});

it("other errors are none of it, whatever they tell", () => {
  expect(endedFromOutside(new XpcsError("IO_FAILED", "", { signal: "SIGKILL" }))).toBe(false);
  expect(endedFromOutside(new XpcsError("NATIVE_CRASHED", "no sign of life"))).toBe(false);
  expect([signalOf(128, null), signalOf(255, null), signalOf(0, null), signalOf(null, "SIGXCPU")]).toEqual([null, null, null, "SIGXCPU"]);
});
