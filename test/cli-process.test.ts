/** The `xpcs` process as a shell sees it: exit codes, signals, closed pipes. Runs the build that the set-up made. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MAIN = join(ROOT, "dist/cli/main.js");

let folder = "";
let children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-process-"));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH, HOME: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  return child;
}

function ended(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

function firstOutput(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once("data", (data: Buffer) => resolve(data.toString()));
    child.once("close", (code) => reject(new Error(`ended with ${code} before any output`)));
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.on("data", (data: Buffer) => {
    text += data.toString();
  });
  return () => text;
}

describe("xpcs", () => {
  it("exits 2 on a usage error, with nothing on stdout", async () => {
    const child = start("corr", "--nonsense", "--json");
    const [out, err] = [collect(child.stdout), collect(child.stderr)];
    expect(await ended(child)).toEqual({ code: 2, signal: null });
    expect(out()).toBe("");
    expect(JSON.parse(err())).toMatchObject({ error: { code: "INVALID_ARGUMENT" } });
  });

  it("exits 3 where there is no central", async () => {
    // Port 9 (discard) of this machine: nobody listens there.
    const child = start("jobs", "--central", "ws://127.0.0.1:9", "--token", "t");
    const err = collect(child.stderr);
    expect(await ended(child)).toEqual({ code: 3, signal: null });
    expect(err()).toMatch(/^xpcs: .+ \(UNAVAILABLE\)\n$/);
  });

  it("is content when its reader goes away", async () => {
    const child = start("--help");
    child.stdout?.destroy();
    const err = collect(child.stderr);
    expect((await ended(child)).code).toBe(0);
    expect(err()).toBe("");
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 0],
  ] as const)("a service stops cleanly on %s with exit code %i", async (signal, code) => {
    const child = start("central", "--data", join(folder, "central"), "--listen", "127.0.0.1:0", "--json");
    expect(JSON.parse(await firstOutput(child))).toMatchObject({ url: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+/) });
    const end = ended(child);
    child.kill(signal);
    expect(await end).toEqual({ code, signal: null });
  });
});
