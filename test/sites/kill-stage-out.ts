/** Kills a stage-out at random moments while looking at the final name all the time. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("./stage-out-child.mjs", import.meta.url));

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
  readonly transfer: string;
  readonly work: string;
  readonly ref: { readonly path: string };
  readonly megabytes: number;
  readonly kills: number;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Runs one child; kills it `delayMs` after it began, unless that is null. @returns whether it was killed before it was done */
function runChild(args: readonly string[], delayMs: number | null): Promise<boolean> {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (text) => {
    const first = out === "";
    out += text;
    if (first && delayMs !== null) setTimeout(() => child.kill("SIGKILL"), delayMs);
  });
  return new Promise((resolve) => child.once("exit", () => resolve(!out.includes("done"))));
}

export async function killDuringStageOut({ transfer, work, ref, megabytes, kills }: KillOptions): Promise<KillReport> {
  const local = join(work, "large.partial");
  const bytes = Buffer.alloc(megabytes * 1024 * 1024);
  for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at, at);
  const expectedSha256 = sha256(bytes);
  const partial: number[] = [];
  let looks = 0;
  const look = setInterval(() => {
    looks += 1;
    const size = existsSync(ref.path) ? statSync(ref.path).size : null;
    if (size !== null && size !== bytes.length) partial.push(size);
  }, 2);
  let killed = 0;
  const args = (epoch: number) => [transfer, ref.path, local, String(bytes.length), expectedSha256, String(epoch)];
  for (let kill = 0; kill < kills; kill += 1) {
    writeFileSync(local, bytes);
    if (await runChild(args(kill + 1), kill * 9)) killed += 1;
    // Begin again from nothing half of the time, so that the kills also hit the copying.
    if (kill % 2 === 1) rmSync(ref.path, { force: true });
  }
  writeFileSync(local, bytes);
  await runChild(args(kills + 1), null);
  clearInterval(look);
  const finalSha256 = existsSync(ref.path) ? sha256(readFileSync(ref.path)) : null;
  return { partial, looks, killed, finalSha256, expectedSha256 };
}
