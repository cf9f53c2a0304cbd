/** The demo as a person runs it: every part real, nothing left running. Takes some ten seconds. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const CLI = join(import.meta.dirname, "../../dist/cli/main.js");
const ROOT = mkdtempSync(join(tmpdir(), "xpcs-demo-test-"));
const started: ChildProcess[] = [];

afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(ROOT, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function demo(args: readonly string[], onOutput: (child: ChildProcess, soFar: string) => void = () => {}): Promise<Ended> {
  // Its own temporary folder, so that what it leaves there can be seen.
  const child = spawn(process.execPath, [CLI, "demo", ...args], { env: { ...process.env, TMPDIR: ROOT } });
  started.push(child);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data: Buffer) => {
    stdout += data.toString();
    onOutput(child, stdout);
  });
  child.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
  });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that has ended but was not yet collected by its parent still answers.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** The process ids in `... are up (processes 1, 2, 3)`. */
function processIds(stdout: string): number[] {
  return (/\(processes ([\d, ]+)\)/.exec(stdout)?.[1] ?? "").split(", ").map(Number);
}

describe("xpcs demo", () => {
  it("recovers every decay rate, and leaves results, a plot and nothing else", async () => {
    const out = join(ROOT, "out");
    const { code, stdout, stderr } = await demo(["--out", out]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toMatch("All decay rates agree with the truth.");
    const results = [...stdout.matchAll(/^ {2}(\S+_results\.hdf)$/gm)].map((match) => match[1]!);
    expect(results.length).toBeGreaterThanOrEqual(6);
    for (const path of results) expect(existsSync(path), path).toBe(true);
    expect(readFileSync(join(out, "colloid_whole_g2.svg"), "utf8")).toMatch(/^<svg[\s\S]*delay \(s\)[\s\S]*<\/svg>\s*$/);
    const pids = processIds(stdout);
    expect(pids).toHaveLength(3);
    expect(pids.filter(alive)).toEqual([]);
    expect(readdirSync(ROOT)).toEqual(["out"]);
  }, 120_000);

  it("stops all it started on Ctrl-C", async () => {
    let sent = false;
    const { code, stdout } = await demo(["--out", join(ROOT, "interrupted")], (child, soFar) => {
      if (sent || !soFar.includes("submitted")) return;
      sent = true;
      child.kill("SIGINT");
    });
    expect(sent).toBe(true);
    expect(code).toBe(130);
    const pids = processIds(stdout);
    expect(pids).toHaveLength(3);
    expect(pids.filter(alive)).toEqual([]);
    expect(readdirSync(ROOT).filter((name) => name.startsWith("xpcs-demo-"))).toEqual([]);
  }, 60_000);
});
