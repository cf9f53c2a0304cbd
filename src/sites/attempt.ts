/**
 * One attempt, step by step: stage in, run in a kernel host, stage out, complete. Each step may be the last: whatever stops
 * the attempt, its folder goes, nothing half-made stays anywhere, and central hears the outcome if it still cares.
 */
import { join } from "node:path";
import type { Clock } from "../core/clock.js";
import { isCode, XpcsError } from "../core/errors.js";
import type { FileRef } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { SiteNews, WorkSource } from "../core/protocols.js";
import type { Reconnecting } from "../wire/reconnecting.js";
import { type Plan, planOf, progressOf, summaryRecord } from "./apps.js";
import { attemptFolder, type Completion, createFolder, removeFolder, writeRecord } from "./attempt-folder.js";
import { digestFile } from "./digest.js";
import { type HeldLease, type HeldLeases, walltimeError } from "./held-leases.js";
import type { KernelPool } from "./kernel-pool.js";
import { fromSystem } from "./system-error.js";
import type { Destination, DestinationFound } from "./transfers/define.js";
import { transferFor } from "./transfers/registry.js";

export interface AttemptContext {
  readonly site: string;
  readonly instance: string;
  readonly workDir: string;
  readonly threadsPerSlot: number;
  readonly link: Pick<Reconnecting<WorkSource>, "call">;
  readonly leases: HeldLeases;
  readonly kernels: KernelPool;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the site ends without waiting for central any longer. */
  readonly abandon: AbortSignal;
}

const RESULT_NAME = "result.partial";

/** Makes the inputs readable; files of one backend cross together. */
async function stageIn(refs: readonly FileRef[], dir: string, signal: AbortSignal): Promise<string[]> {
  const paths = new Map<FileRef, string>();
  for (const transfer of new Set(refs.map(transferFor))) {
    const group = refs.filter((ref) => transferFor(ref) === transfer);
    const local = await transfer.stageIn({ refs: group, dir, signal });
    for (const [at, ref] of group.entries()) paths.set(ref, local[at]!);
  }
  return refs.map((ref) => paths.get(ref)!);
}

function checkStopped(held: HeldLease): void {
  if (held.signal.aborted) throw new XpcsError("CANCELED", "the attempt was stopped");
}

async function compute(context: AttemptContext, held: HeldLease, plan: Plan, folder: string): Promise<Omit<Completion, "outputs">> {
  const { clock, kernels, leases } = context;
  const paths = await stageIn(plan.inputs, folder, held.signal);
  checkStopped(held);
  held.state = "running";
  leases.touch();
  const startedAtMs = clock.nowMs();
  const { walltimeS } = held.lease.resources ?? {};
  const walltime = walltimeS === undefined ? null : clock.after(walltimeS * 1000, () => held.stop("walltime"));
  try {
    const { summary } = await kernels.run({
      work: plan.work(paths, join(folder, RESULT_NAME)),
      onProgress: (progress) => {
        held.progress = Math.max(held.progress ?? 0, progressOf(progress));
      },
      signal: held.signal,
    });
    return { summary: summaryRecord(summary), startedAtMs, finishedAtMs: clock.nowMs() };
  } finally {
    walltime?.cancel();
  }
}

/** An attempt with a result file. */
async function produce(context: AttemptContext, held: HeldLease, plan: Plan, destination: Destination): Promise<Completion> {
  const { clock, leases, logger, workDir } = context;
  const { job, epoch } = held.lease;
  const transfer = transferFor(destination.ref);
  const found: DestinationFound = await transfer.inspect(destination);
  if (found.kind === "published") {
    logger.info("publication-found", { job, epoch, path: destination.ref.path });
    return { outputs: [found.output], summary: { adopted: true }, startedAtMs: clock.nowMs(), finishedAtMs: clock.nowMs() };
  }
  const folder = attemptFolder(workDir, held.lease);
  await createFolder(folder, { lease: { job, epoch }, destination });
  const done = await compute(context, held, plan, folder);
  checkStopped(held);
  held.state = "staged-out";
  held.progress = 1;
  leases.touch();
  const result = join(folder, RESULT_NAME);
  const local = { path: result, ...(await digestFile(result, held.signal)) };
  await writeRecord(folder, {
    lease: { job, epoch },
    destination,
    completion: { ...done, outputs: [{ ...local, path: destination.ref.path }] },
  });
  const output = await transfer.stageOut({
    destination,
    epoch,
    local,
    seen: found.seen,
    confirm: () => leases.confirm(held),
    signal: held.signal,
  });
  return { ...done, outputs: [output] };
}

/** Tells central that the work is done; waits for it as long as the site lives. */
export async function reportCompletion(
  context: Pick<AttemptContext, "site" | "instance" | "link" | "abandon">,
  lease: { readonly job: string; readonly epoch: number },
  completion: Completion,
): Promise<{ news: SiteNews }> {
  const { site, instance, link, abandon } = context;
  const { job, epoch } = lease;
  return link.call((source) => source.complete({ site, instance, lease: { job, epoch }, ...completion }), { signal: abandon });
}

/** Why it ended: a stopped attempt fails with whatever the stop broke. */
function endOf(held: HeldLease, error: XpcsError): XpcsError {
  if (held.stopReason === "canceled") return new XpcsError("CANCELED", "canceled by its owner");
  return held.stopReason === "walltime" ? walltimeError(held.lease) : error;
}

async function reportFailure(context: AttemptContext, held: HeldLease, error: XpcsError): Promise<void> {
  const { site, instance, link, logger, abandon } = context;
  const { job, epoch } = held.lease;
  if (held.stopReason === "lost" || isCode(error, "STALE_LEASE")) return logger.info("attempt-discarded", { job, epoch });
  const options = { signal: abandon };
  const lease = { job, epoch };
  if (held.stopReason === "returned") {
    await link.call((source) => source.giveBack({ site, instance, leases: [lease], reason: "the site is stopping" }), options);
    return logger.info("lease-returned", { job, epoch });
  }
  const { code, message } = endOf(held, error);
  const reason = message.slice(0, LIMITS.reasonCharsMax);
  logger.warn("attempt-failed", { job, epoch, code, reason });
  await link.call((source) => source.fail({ site, instance, lease, code, reason }), options);
}

async function completeOrFail(context: AttemptContext, held: HeldLease): Promise<void> {
  const { leases, logger, workDir } = context;
  const { job, epoch } = held.lease;
  try {
    const plan = planOf(held.lease, context);
    const { destination } = plan;
    const completion = destination
      ? await produce(context, held, plan, destination)
      : { ...(await compute(context, held, plan, workDir)), outputs: [] };
    const { news } = await reportCompletion(context, held.lease, completion);
    logger.info("attempt-finished", { job, epoch });
    leases.apply(news);
    if (destination)
      await transferFor(destination.ref)
        .settle(destination)
        .catch((error) => logUntidy(context, held, error));
  } catch (error) {
    if (context.abandon.aborted) throw error;
    await reportFailure(context, held, fromSystem(error));
  }
}

function logUntidy({ logger }: AttemptContext, held: HeldLease, error: unknown): void {
  logger.warn("attempt-untidy", { job: held.lease.job, epoch: held.lease.epoch, reason: fromSystem(error).message });
}

/** Runs one attempt to its end; never throws. The lease stays in `leases` until the end. */
export async function runAttempt(context: AttemptContext, held: HeldLease): Promise<void> {
  const { leases, logger, workDir } = context;
  const { job, epoch } = held.lease;
  try {
    await completeOrFail(context, held);
  } catch (error) {
    const { code, message } = fromSystem(error);
    if (code === "STALE_LEASE") logger.info("attempt-discarded", { job, epoch });
    else logger.warn("attempt-unreported", { job, epoch, code, reason: message });
    // The next process of this site tells central what this one could not (recovery.ts).
    if (context.abandon.aborted) return;
  } finally {
    leases.remove(held);
  }
  if (planOf(held.lease, context).destination)
    await removeFolder(attemptFolder(workDir, held.lease)).catch((error) => logUntidy(context, held, error));
}
