/** `xpcs demo --keep` as a process, until it has printed where its stream can be seen. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { startXpcs, type Xpcs } from "../cli/xpcs-process.js";

export interface DemoProcess {
  readonly xpcs: Xpcs;
  /** Its temporary files, and its results in `out`. */
  readonly folder: string;
  /** Of the stream that plays on, logged in. */
  readonly link: string;
  end(): Promise<void>;
}

/** Resolves when the stream plays. */
export async function startDemo(): Promise<DemoProcess> {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-demo-page-"));
  const xpcs = startXpcs(["demo", "--keep", "--out", join(folder, "out")], { TMPDIR: folder });
  const end = async (): Promise<void> => {
    xpcs.kill("SIGINT");
    await xpcs.result;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await expect.poll(xpcs.printed, { timeout: 120_000 }).toContain("see its g2 settle at");
    return { xpcs, folder, link: /see its g2 settle at (http\S+)/.exec(xpcs.printed())![1]!, end };
  } catch (error) {
    await end();
    throw error;
  }
}
