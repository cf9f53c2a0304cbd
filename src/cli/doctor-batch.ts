/** The part of `xpcs doctor` about batch jobs: does the scheduler of a batch file answer, is what the file asks for there, and does a small job run. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { sleep } from "../core/clock.js";
import { isCode, toXpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { makeFolder } from "../ledger/make-folder.js";
import type { BatchFile } from "../sites/batch-file.js";
import type { BatchJobs, BatchRequest, BatchStatus } from "../sites/batch-jobs.js";
import { type OpenBatch, openBatch } from "../sites/open-batch.js";
import type { BatchRef, Machine, Queue, Scheduler } from "../sites/schedulers/define.js";
import type { Check } from "./doctor-checks.js";
import { userName } from "./user-name.js";

const POLL_MS = 2_000;

/** What is wrong with the queue that a file names, as far as the scheduler tells; null: nothing. Pure. */
export function queueFault({ queue, walltimeS, nodes }: BatchFile["job"], queues: readonly Queue[]): string | null {
  if (queue === undefined || queues.length === 0) return null;
  const found = queues.find(({ name }) => name === queue);
  if (found === undefined) return `there is no queue ${queue}, there are ${queues.map(({ name }) => name).join(", ")}`;
  if (!found.open) return `the queue ${queue} is closed`;
  if (found.walltimeMaxS !== null && walltimeS > found.walltimeMaxS)
    return `the queue ${queue} gives at most ${found.walltimeMaxS} s, the file asks for ${walltimeS}`;
  if (found.nodes !== null && nodes > found.nodes) return `the queue ${queue} has ${found.nodes} nodes, the file asks for ${nodes}`;
  return null;
}

/** Null: something else answers. */
async function versionOf({ api, detection }: Scheduler, machine: Machine): Promise<string | null> {
  if (api !== undefined) return api.greet(machine);
  return detection === null ? null : detection.recognise(await machine.run(detection.probe));
}

async function checkScheduler(file: BatchFile, { scheduler, machine }: OpenBatch): Promise<Check> {
  const name = `batch ${file.scheduler}`;
  try {
    const version = await versionOf(scheduler, machine);
    if (version === null) {
      const found = `the commands here are not those of ${file.scheduler}`;
      return { name, status: "fail", found, advice: "name the scheduler of this machine in the file" };
    }
    const queues = await scheduler.queues(machine);
    const fault = queueFault(file.job, queues);
    const found = `${file.scheduler} ${version} answers`;
    if (fault !== null) return { name, status: "fail", found: fault, advice: "change the file" };
    const named =
      queues.length === 0 ? "" : `; queues ${queues.map((queue) => (queue.open ? queue.name : `${queue.name} (closed)`)).join(", ")}`;
    return { name, status: "ok", found: `${found}${named}`, advice: null };
  } catch (error) {
    const advice = isCode(error, "NOT_FOUND") ? "load the scheduler's module" : "try again, or ask the facility";
    return { name, status: "fail", found: toXpcsError(error).message, advice };
  }
}

async function untilEnded(jobs: BatchJobs, ref: BatchRef, signal: AbortSignal, tell: (text: string) => void): Promise<BatchStatus | null> {
  let said = "";
  while (!signal.aborted) {
    const [status] = await jobs.poll([ref]);
    if (status!.ending !== null) return status!;
    const now = `${status!.phase}: ${status!.sentence}`;
    if (now !== said) tell(`xpcs: the probe job ${ref.id} is ${now}`);
    said = now;
    await sleep(realClock, POLL_MS, signal);
  }
  return null;
}

/** A small job to be sent through the queue. */
export interface QueuedJob {
  /** Of the check. */
  readonly name: string;
  /** What it runs. @param folder its own */
  readonly argvIn: (folder: string) => BatchRequest["argv"];
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

/** How it went: when it is done, its folder is left to the caller, with `jobs` to forget it. */
export interface QueuedRun {
  readonly check: Check;
  readonly ran: { readonly ref: BatchRef; readonly waitedS: number } | null;
  readonly jobs: BatchJobs;
}

/** Submits a job, and waits for its end. */
export async function runInQueue(file: BatchFile, batch: OpenBatch, { name, argvIn, signal, tell }: QueuedJob): Promise<QueuedRun> {
  await makeFolder(file.folder, "the folder of the batch file");
  const jobs = batch.jobs();
  const submittedMs = Date.now();
  const tag = `xpcs-probe-${randomUUID().slice(0, 8)}`;
  const failed = (check: Omit<Check, "name">): QueuedRun => ({ check: { name, ...check }, ran: null, jobs });
  let ref: BatchRef | null = null;
  try {
    ({ ref } = await jobs.submit({ tag, argv: argvIn(join(file.folder, tag)), settings: file.job }));
    const status = await untilEnded(jobs, ref, signal, tell);
    if (status === null) {
      await jobs.cancel(ref);
      return failed({ status: "warn", found: `job ${ref.id} was interrupted and canceled`, advice: "run it again with more patience" });
    }
    if (status.ending!.outcome !== "done") {
      const found = `job ${ref.id}: ${status.ending!.sentence}`;
      return failed({ status: "fail", found, advice: `read ${ref.folder}/output.log` });
    }
    const waitedS = Math.max(0, ((status.startedMs ?? Date.now()) - submittedMs) / 1000);
    const found = `job ${ref.id} waited ${waitedS.toFixed(0)} s and ran`;
    return { check: { name, status: "ok", found, advice: null }, ran: { ref, waitedS }, jobs };
  } catch (error) {
    return failed({ status: "fail", found: toXpcsError(error).message, advice: `nothing of it is left but ${file.folder}/${tag}` });
  }
}

async function runProbe(file: BatchFile, batch: OpenBatch, signal: AbortSignal, tell: (text: string) => void): Promise<Check> {
  const argvIn = () => ["/bin/sh", "-c", "uname -n"] as const;
  const { check, ran, jobs } = await runInQueue(file, batch, { name: "batch probe", argvIn, signal, tell });
  if (ran !== null) await jobs.forget(ran.ref);
  return check;
}

/** The batch jobs of the file, as this process asks for them. */
export function batchHere(file: BatchFile): OpenBatch {
  return openBatch(file, { environment: process.env, clock: realClock, user: userName() });
}

export interface BatchCheckOptions {
  readonly probe: boolean;
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

/** Checks a batch file on this machine; with `probe` also submits a job that prints its node's name, and waits for its end. */
export async function checkBatch(file: BatchFile, { probe, signal, tell }: BatchCheckOptions): Promise<Check[]> {
  const batch = batchHere(file);
  const answers = await checkScheduler(file, batch);
  if (!probe || answers.status === "fail") return [answers];
  return [answers, await runProbe(file, batch, signal, tell)];
}
