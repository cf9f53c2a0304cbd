/**
 * Transfers of one attempt in a process of their own, as a site makes them: prints the seconds and the CPU time that they took, without those of
 * Node's start. One argument: JSON of how the backend is opened and what to do.
 */
import { readFileSync } from "node:fs";
import type { OutputFile } from "../../src/core/job.js";
import { realClock } from "../../src/core/real-clock.js";
import { digestFile } from "../../src/files/digest.js";
import { openCache } from "../../src/sites/staging/cache.js";
import type { CentralAccess, LocationSettings, Transfer } from "../../src/sites/transfers/define.js";
import { BACKENDS } from "../../src/sites/transfers/registry.js";

export interface StageTask {
  readonly settings: LocationSettings;
  readonly central: CentralAccess;
  readonly cacheFolder: string;
  /** The attempt's folder. */
  readonly dir: string;
  readonly lease: { readonly job: string; readonly epoch: number };
  readonly inputs: readonly string[];
  /** Brought before, untimed: a site is not new when it stages a file. */
  readonly warmUp: Pick<StageTask, "lease" | "inputs"> | null;
  /** A result of this machine to be published, and where; digested first, as an attempt does. */
  readonly result?: { readonly local: string; readonly to: string };
}

/** What the child prints. */
export interface Staged {
  readonly s: number;
  /** CPU time of the process and of the programs that it ran, s. */
  readonly cpuS: number;
  /** One sha256 pass over the result, made just before; 0 without one. */
  readonly passS: number;
}

/** Of a clock tick in /proc, s. */
const TICK_S = 0.01;
const CACHE_BYTES = 100e9;
const { signal } = new AbortController();
const report = (reason: string | null) => {
  if (reason !== null) console.error(reason);
};

function cpuS(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * TICK_S;
}

async function publish(transfer: Transfer, { lease, result }: StageTask): Promise<void> {
  const { local, to } = result!;
  const destination = { ref: { path: to }, job: lease.job, overwrite: false };
  const made: OutputFile = { path: local, ...(await digestFile(local)) };
  const found = await transfer.inspect(destination);
  if (found.kind !== "free") throw new Error(`${to} is there already`);
  const { seen } = found;
  const confirm = async () => {};
  await transfer.stageOut({ destination, epoch: lease.epoch, local: made, seen, access: {}, confirm, report, signal });
  await transfer.settle(destination);
}

async function run(task: StageTask): Promise<Staged> {
  const { settings, central, cacheFolder, dir, lease, inputs, warmUp, result } = task;
  const transfer = BACKENDS.find(({ name }) => name === settings.by)!.open(settings, {
    site: "bench",
    central: () => central,
    cache: openCache({ folder: cacheFolder, bytesMax: CACHE_BYTES, clock: realClock, boot: "this" }),
    clock: realClock,
    rng: Math.random,
  });
  const bring = (what: Pick<StageTask, "lease" | "inputs">) =>
    transfer.stageIn({ lease: what.lease, refs: what.inputs.map((path) => ({ path })), dir, report, signal });
  if (warmUp !== null) await bring(warmUp);
  const passFrom = performance.now();
  if (result !== undefined) await digestFile(result.local);
  const passS = (performance.now() - passFrom) / 1_000;
  const cpuFrom = cpuS();
  const from = performance.now();
  if (inputs.length > 0) await bring({ lease, inputs });
  if (result !== undefined) await publish(transfer, task);
  return { s: (performance.now() - from) / 1_000, cpuS: cpuS() - cpuFrom, passS };
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? "{}") as StageTask)));
process.exit(0);
