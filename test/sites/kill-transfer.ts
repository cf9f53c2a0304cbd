/** Kills stage-ins and stage-outs at random moments, while looking at the final name all the time. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Rig } from "./transfer-rigs.js";

const CHILD = fileURLToPath(new URL("./transfer-child.mjs", import.meta.url));

export interface KillReport {
  /** Sizes seen under the final name that are not the whole. */
  readonly partial: number[];
  readonly looks: number;
  /** Children that were killed before they were done. */
  readonly killed: number;
  readonly finalSha256: string | null;
  readonly expectedSha256: string;
}

export interface KillOptions {
  readonly rig: Rig;
  readonly work: string;
  /** The result, or the input, where the submitter has it. */
  readonly path: string;
  readonly megabytes: number;
  readonly kills: number;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function numbered(megabytes: number): Buffer {
  const bytes = Buffer.alloc(megabytes * 1024 * 1024);
  for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at, at);
  return bytes;
}

/** Runs one child; kills it `delayMs` after it began, unless that is null. @returns whether it was killed before it was done */
function runChild(task: object, delayMs: number | null): Promise<boolean> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(task)], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (text) => {
    const first = out === "";
    out += text;
    if (first && delayMs !== null) setTimeout(() => child.kill("SIGKILL"), delayMs);
  });
  return new Promise((resolve) => child.once("exit", () => resolve(!out.includes("done"))));
}

/** Looks at a name until it is stopped. */
function watch(sizeOf: () => Promise<number | null>, bytes: number): { partial: number[]; stop: () => Promise<number> } {
  const partial: number[] = [];
  let looks = 0;
  let going = true;
  const looking = (async () => {
    while (going) {
      const size = await sizeOf();
      looks += 1;
      if (size !== null && size !== bytes) partial.push(size);
      await new Promise((later) => setTimeout(later, 2));
    }
  })();
  return {
    partial,
    async stop() {
      going = false;
      await looking;
      return looks;
    },
  };
}

const sizeHere = async (path: string): Promise<number | null> => (existsSync(path) ? statSync(path).size : null);

/** A result that is published by a process that is killed. */
export async function killDuringStageOut({ rig: { opening, far }, work, path, megabytes, kills }: KillOptions): Promise<KillReport> {
  const local = join(work, "large.partial");
  const bytes = numbered(megabytes);
  const expectedSha256 = sha256(bytes);
  // Only where names are of a file system: a store promises to show objects whole, and the one of the tests does not keep that while it joins parts.
  const seen = watch(() => (opening.settings.by === "s3" ? Promise.resolve(null) : sizeHere(path)), bytes.length);
  const task = (epoch: number) => ({
    opening,
    out: {
      destination: { ref: { path }, job: "j1", overwrite: false },
      epoch,
      local: { path: local, bytes: bytes.length, sha256: expectedSha256 },
    },
  });
  let killed = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    writeFileSync(local, bytes);
    if (await runChild(task(kill + 1), kill * 9)) killed += 1;
    // Begin again from nothing half of the time, so that the kills also hit the copying.
    if (kill % 2 === 1) await far.remove(path);
  }
  writeFileSync(local, bytes);
  await runChild(task(kills + 1), null);
  const looks = await seen.stop();
  const last = await far.read(path);
  const finalSha256 = last === null ? null : sha256(last);
  return { partial: seen.partial, looks, killed, finalSha256, expectedSha256 };
}

/** An input that is brought by a process that is killed. @param staged where it shall be */
export async function killDuringStageIn(options: KillOptions & { readonly staged: string; readonly dir: string }): Promise<KillReport> {
  const { rig, path, megabytes, kills, staged, dir } = options;
  const bytes = numbered(megabytes);
  await rig.far.write(path, bytes);
  const seen = watch(() => sizeHere(staged), bytes.length);
  const task = { opening: rig.opening, into: { lease: { job: "j1", epoch: 1 }, refs: [{ path }], dir } };
  let killed = 0;
  for (let kill = 0; kill < kills; kill += 1) if (await runChild(task, 5 + kill * 9)) killed += 1;
  await runChild(task, null);
  const looks = await seen.stop();
  return { partial: seen.partial, looks, killed, finalSha256: sha256(readFileSync(staged)), expectedSha256: sha256(bytes) };
}
