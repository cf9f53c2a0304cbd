/** Commands of streams as processes: started in a folder of their own, looked at while they run, gone after the tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { LiveSnapshot } from "../../src/core/live.js";
import { startXpcs, type Xpcs } from "./xpcs-process.js";

export const ROOT = mkdtempSync(join(tmpdir(), "xpcs-stream-cli-"));
export const at = (name: string): string => join(ROOT, name);

const started: Xpcs[] = [];
afterAll(() => {
  for (const one of started) one.kill("SIGKILL");
  rmSync(ROOT, { recursive: true, force: true });
});

export function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Xpcs {
  const one = startXpcs(args, { HOME: ROOT, XDG_CONFIG_HOME: at("config"), ...env });
  started.push(one);
  return one;
}

/** Lines of JSON. */
export const lines = (text: string): Record<string, unknown>[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

export const lives = (process: Xpcs): LiveSnapshot[] =>
  lines(process.printed()).flatMap(({ live }) => (live === undefined ? [] : [live as LiveSnapshot]));

export async function until<T>(look: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come`);
}

/** What a small, fast detector plays. */
export const PLAY = ["--photons", "40", "--rate", "20000", "--tau", "0.002"];

/** One that serves what `PLAY` says, and writes its q-map. Of an option that is given twice the last counts. */
export async function detector(...args: string[]): Promise<{ process: Xpcs; url: string }> {
  const process = start(["simulate-detector", "--json", ...PLAY, "--listen", "0", "--write-qmap", at("qmap.hdf"), ...args]);
  const url = await until(() => lines(process.printed())[0]?.url as string | undefined, "the detector");
  return { process, url };
}

/** A stream from there, looked at often. */
export function startStream(url: string, out: string, more: readonly string[], env: Readonly<Record<string, string>> = {}): Xpcs {
  return start(["stream", url, "--json", "--qmap", at("qmap.hdf"), "--out", at(out), "--every", "100ms", ...more], env);
}
