/** Runs transfers in processes of their own, and the tools that they are compared with. */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CentralAccess, LocationSettings } from "../../src/sites/transfers/define.js";
import type { Staged, StageTask } from "./stage-child.js";

const CHILD = fileURLToPath(new URL("./stage-child.js", import.meta.url));
export const NO_CENTRAL: CentralAccess = { url: "ws://127.0.0.1:1", token: "none", trust: {}, insecure: false };

/** Runs a program to its end. @returns what it wrote @throws it failed */
export function runProgram(argv: readonly string[]): Promise<string> {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (text) => {
    out += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`${program} cannot be run: ${error.message}`)));
    child.once("close", (code) => (code === 0 ? resolve(out) : reject(new Error(`${program} ended with ${code}`))));
  });
}

/** What a transfer is opened with, and its lease. */
export interface Opening {
  readonly settings: LocationSettings;
  readonly central: CentralAccess;
  readonly lease: StageTask["lease"];
  readonly warmUp: StageTask["warmUp"];
}

/** Brings files into an empty cache and an empty folder, which are gone afterwards. @param folder for these */
export async function stage(opening: Opening, folder: string, inputs: readonly string[]): Promise<Staged> {
  const dir = join(folder, "attempt");
  mkdirSync(dir, { recursive: true });
  try {
    const task: StageTask = { ...opening, cacheFolder: join(folder, "staged"), dir, inputs };
    return JSON.parse(await runProgram([process.execPath, CHILD, JSON.stringify(task)])) as Staged;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Publishes a result on the same file system. */
export async function publish(local: string, to: string, inputs: readonly string[]): Promise<Staged> {
  const settings = { folder: "/", by: "shared-path" };
  const lease = { job: "bench", epoch: 1 };
  const task: StageTask = {
    settings,
    central: NO_CENTRAL,
    cacheFolder: "/nowhere",
    dir: "/nowhere",
    lease,
    inputs,
    warmUp: null,
    result: { local, to },
  };
  return JSON.parse(await runProgram([process.execPath, CHILD, JSON.stringify(task)])) as Staged;
}
