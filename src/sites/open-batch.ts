/** The batch jobs of a batch file: its scheduler, with commands of this machine or the HTTP API of a facility. */
import { join, posix } from "node:path";
import type { Clock } from "../core/clock.js";
import { createApiMachine } from "./batch-api.js";
import { createMachine } from "./batch-command.js";
import type { BatchFile } from "./batch-file.js";
import { type BatchJobs, createBatchJobs } from "./batch-jobs.js";
import type { Machine, Scheduler } from "./schedulers/define.js";
import { schedulerNamed } from "./schedulers/registry.js";

const STRIKE_MS = 10_000;
/** More than a submission takes that somebody waits for. */
const LATE_MS = 30_000;

export interface BatchWorld {
  /** What commands see of it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Name of the person here. */
  readonly user: string;
}

export interface OpenBatch {
  readonly scheduler: Scheduler;
  readonly machine: Machine;
  /** In a folder of that name below the file's, here and at the facility; without a name in the file's own. */
  jobs(name?: string): BatchJobs;
  /** A path of the nodes below the folder of the batch file. */
  there(name: string): string;
}

/** Opens what a batch file names. @throws REFUSED an API in clear text */
export function openBatch(file: BatchFile, { environment, clock, user }: BatchWorld): OpenBatch {
  const { api: settings, folder, commands } = file;
  const scheduler = schedulerNamed(file.scheduler);
  const limits = { timeoutMs: commands.timeoutS * 1000, perMinute: commands.perMinute, clock, user };
  const machine =
    settings === undefined || scheduler.api === undefined
      ? createMachine({ ...limits, environment })
      : createApiMachine({ ...limits, settings, credential: scheduler.api.credential(settings, clock) });
  const remote = settings?.folder;
  const { nodes, pilots, jobs: ofJobs } = scheduler.launch;
  const launch = { nodes, pilots: file.launch.pilots ?? pilots, jobs: file.launch.jobs ?? ofJobs };
  return {
    scheduler,
    machine,
    jobs: (name = ".") =>
      createBatchJobs({
        ...{ scheduler, machine, launch, folder: join(folder, name), clock, strikeMs: STRIKE_MS, lateMs: LATE_MS },
        ...(remote === undefined ? {} : { there: posix.join(remote, name) }),
      }),
    there: (name) => (remote === undefined ? join(folder, name) : posix.join(remote, name)),
  };
}
