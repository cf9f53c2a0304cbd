/** `xpcs demo --keep` as a process, until it has printed where its stream can be seen. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";

const CLI = join(import.meta.dirname, "../../dist/cli/main.js");

export interface DemoProcess {
  readonly child: ChildProcess;
  /** Its temporary files, and its results in `out`. */
  readonly folder: string;
  /** What it has printed. */
  said(): string;
  /** Of the stream that plays on, logged in. */
  readonly link: string;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  end(): Promise<void>;
}

/** Resolves when the stream plays. */
export async function startDemo(): Promise<DemoProcess> {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-demo-page-"));
  const child = spawn(process.execPath, [CLI, "demo", "--keep", "--out", join(folder, "out")], { env: { ...process.env, TMPDIR: folder } });
  let said = "";
  child.stdout.on("data", (data: Buffer) => {
    said += data.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const end = async (): Promise<void> => {
    if (child.exitCode === null) child.kill("SIGINT");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await expect.poll(() => said, { timeout: 60_000 }).toContain("see its g2 settle at");
    return { child, folder, said: () => said, link: /see its g2 settle at (http\S+)/.exec(said)![1]!, ended, end };
  } catch (error) {
    await end();
    throw error;
  }
}
