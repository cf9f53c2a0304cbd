/**
 * One attempt, step by step: stage in, run in a kernel host, stage out, complete. Each step may be the last: whatever stops
 * the attempt, its folder goes, nothing half-made stays anywhere, and central hears the outcome if it still cares.
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { type Clock, sleep } from "../core/clock.js";
import { ERROR_CODES, isCode, toXpcsError, XpcsError } from "../core/errors.js";
import { type FileRef, isCommandJob, type Lease, type OutputFile } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { SiteNews, WorkSource } from "../core/protocols.js";
import { notTaken, type SubmitterRule, takesFrom } from "../core/submitters.js";
import { digestFile, digestOfDigests } from "../files/digest.js";
import type { Destination, DestinationFound } from "../files/publication.js";
import { checkReadable, checkWritable, type Roots, readable } from "../files/roots.js";
import { fromSystem } from "../files/system-error.js";
import type { Reconnecting } from "../wire/reconnecting.js";
import { type Plan, planOf, progressOf, summaryRecord, type WorkPlace } from "./apps.js";
import { attemptFolder, type Completion, createFolder, removeFolder, writeRecord } from "./attempt-folder.js";
import type { CommandApps } from "./command-apps.js";
import { stopBeforeLoss } from "./exclusive.js";
import { type HeldLease, type HeldLeases, walltimeError } from "./held-leases.js";
import { endedFromOutside } from "./job-signals.js";
import type { KernelPool } from "./kernel-pool.js";
import { endLeftCommand } from "./left-command.js";
import { shipLive } from "./live-shipper.js";
import type { Transfers } from "./locations.js";
import { shipLogs } from "./log-shipper.js";
import type { ResultAccess } from "./result-access.js";
import type { RunSlots } from "./run-slots.js";
import type { Lanes } from "./staging/lanes.js";

/** Between two tries to forget a publication whose destination cannot be reached. */
const SETTLE_AGAIN_MS = 5_000;

export interface AttemptContext {
  readonly site: string;
  readonly instance: string;
  readonly workDir: string;
  readonly threadsPerSlot: number;
  /** Of each of its nodes. */
  readonly coresPerNode: number;
  /** Words before programs on several nodes; null: it has one. */
  readonly launcher: readonly string[] | null;
  readonly commands: CommandApps;
  readonly access: ResultAccess;
  readonly transfers: Transfers;
  /** So many bring their files at a time. */
  readonly bringing: Lanes;
  readonly slots: RunSlots;
  /** Whose jobs it takes. */
  readonly submitters: SubmitterRule;
  /** Where jobs may read and write; null: anywhere. */
  readonly roots: Roots | null;
  readonly link: Pick<Reconnecting<WorkSource>, "call">;
  readonly leases: HeldLeases;
  readonly kernels: KernelPool;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the site has been told to stop. */
  readonly stopping: AbortSignal;
  /** Aborted when the site ends without waiting for central any longer. */
  readonly abandon: AbortSignal;
}

/** Tells people why a transfer waits. */
function reporter({ leases, logger }: AttemptContext, held: HeldLease): (reason: string | null) => void {
  return (reason) => {
    if (held.reason === reason) return;
    held.reason = reason;
    leases.touch();
    if (reason !== null) logger.warn("transfer-waits", { job: held.lease.job, epoch: held.lease.epoch, reason });
  };
}

/** What crossed the link of a location, and how long it took. */
interface Crossing {
  bytes: number;
  ms: number;
}

/** Adds the time of `work` to a crossing, if anything crossed. */
async function timed<T>(clock: Clock, crossing: Crossing, work: (moved: (bytes: number) => void) => Promise<T>): Promise<T> {
  const startMs = clock.monotonicMs();
  let bytes = 0;
  const done = await work((more) => {
    bytes += more;
  });
  crossing.bytes += bytes;
  if (bytes > 0) crossing.ms += clock.monotonicMs() - startMs;
  return done;
}

/** `stageInBytes` and `stageInS`, or nothing where nothing crossed. */
function crossed(name: "stageIn" | "stageOut", { bytes, ms }: Crossing): Completion["summary"] {
  return bytes === 0 ? {} : { [`${name}Bytes`]: bytes, [`${name}S`]: ms / 1_000 };
}

/** Makes the inputs readable; files of one location cross together. */
async function stageIn(
  context: AttemptContext,
  held: HeldLease,
  refs: readonly FileRef[],
  dir: string,
  crossing: Crossing,
): Promise<string[]> {
  const { transfers } = context;
  const { lease, arrival, signal } = held;
  const { job, epoch } = lease;
  arrival.wants(refs.length);
  const paths = new Map<FileRef, string>();
  // What is on a shared path is there at once: with its sizes those of all are known sooner.
  const used = [...new Set(refs.map(transfers.of))].sort((a, b) => Number(b.local) - Number(a.local));
  const comes = used.some(({ local }) => !local);
  for (const transfer of used) {
    const group = refs.filter((ref) => transfers.of(ref) === transfer);
    const request = {
      lease: { job, epoch },
      refs: group,
      dir,
      report: reporter(context, held),
      signal,
      ...(comes && { arriving: arrival }),
    };
    const local = await timed(context.clock, crossing, (moved) => transfer.stageIn({ ...request, moved }));
    for (const [at, ref] of group.entries()) paths.set(ref, local[at]!);
  }
  arrival.done();
  return refs.map((ref) => paths.get(ref)!);
}

function checkStopped(held: HeldLease): void {
  if (held.signal.aborted) throw new XpcsError("CANCELED", "the attempt was stopped");
}

async function compute(context: AttemptContext, held: HeldLease, plan: Plan, folder: string): Promise<Omit<Completion, "outputs">> {
  const crossing: Crossing = { bytes: 0, ms: 0 };
  const paths = await context.bringing.run(() => stageIn(context, held, plan.inputs, folder, crossing), held.signal);
  const stagedMs = context.clock.monotonicMs();
  const hosts = await context.slots.take(held);
  const slotWaitS = Math.round(context.clock.monotonicMs() - stagedMs) / 1_000;
  try {
    const done = await runWork(context, held, plan, { paths, folder, hosts });
    return { ...done, summary: { ...done.summary, ...crossed("stageIn", crossing), ...(plan.hasFolder ? { slotWaitS } : {}) } };
  } finally {
    // What follows needs no slot: the next one begins.
    context.slots.leave(held);
    context.leases.release(held);
  }
}

async function runWork(context: AttemptContext, held: HeldLease, plan: Plan, place: WorkPlace): Promise<Omit<Completion, "outputs">> {
  const { clock, kernels, leases } = context;
  const { folder } = place;
  const work = plan.work(place);
  checkStopped(held);
  if (plan.exclusive) await leases.confirm(held);
  const guard = plan.exclusive ? stopBeforeLoss(clock, leases, held) : null;
  held.state = "running";
  leases.touch();
  const startedAtMs = clock.nowMs();
  const { walltimeS } = held.lease.resources ?? {};
  const { job, epoch } = held.lease;
  const logs = work.app === "command" ? shipLogs({ ...context, lease: { job, epoch }, files: work.logs }) : null;
  const live = work.app === "xpcs.stream" ? shipLive({ ...context, lease: { job, epoch } }) : null;
  const walltime = walltimeS === undefined ? null : clock.after(walltimeS * 1000, () => held.stop("walltime"));
  try {
    const { summary } = await kernels.run({
      work,
      onProgress: (progress) => {
        held.progress = Math.max(held.progress ?? 0, progressOf(progress));
        if (progress.live !== undefined) live?.tell(progress.live);
      },
      signal: held.signal,
    });
    return { summary: summaryRecord(summary), startedAtMs, finishedAtMs: clock.nowMs() };
  } finally {
    walltime?.cancel();
    guard?.cancel();
    await logs?.finish();
    await live?.finish();
    if (work.app === "command") endLeftCommand(folder);
  }
}

/** The file that the work should have made, with its digest. */
async function madeFile(path: string, { ref }: Destination, signal: AbortSignal): Promise<OutputFile> {
  try {
    return { path, ...(await digestFile(path, signal)) };
  } catch (error) {
    if (!isCode(error, "NOT_FOUND")) throw error;
    throw new XpcsError("COMMAND_FAILED", `it ended well, but did not write its output ${ref.path}`);
  }
}

/** The digest of a command's results, where central wants one; a correlation has told its own. */
function digested({ digest, work }: Lease, results: readonly OutputFile[]): Completion["summary"] {
  return digest === true && isCommandJob(work) && results.length > 0 ? { contentSha256: digestOfDigests(results) } : {};
}

/** An attempt with a folder and, mostly, result files. */
async function produce(context: AttemptContext, held: HeldLease, plan: Plan): Promise<Completion> {
  const { clock, leases, logger, transfers, workDir } = context;
  const { job, epoch } = held.lease;
  // What is for comparing only goes nowhere.
  const destinations = held.lease.check === true ? [] : plan.destinations;
  if (context.roots !== null) {
    const pathsOf = (refs: readonly FileRef[]) => refs.filter((ref) => transfers.of(ref).local).map(({ path }) => path);
    await checkReadable(pathsOf(plan.inputs), readable(context.roots));
    await checkWritable(pathsOf(destinations.map(({ ref }) => ref)), context.roots);
  }
  const access = await context.access.of(held.lease.experiment);
  const found: DestinationFound[] = [];
  for (const destination of destinations) found.push(await transfers.of(destination.ref).inspect(destination));
  const published = found.flatMap((there) => (there.kind === "published" ? [there.output] : []));
  if (destinations.length > 0 && published.length === destinations.length) {
    logger.info("publication-found", { job, epoch, path: published.map(({ path }) => path).join(" ") });
    return { outputs: published, summary: { adopted: true }, startedAtMs: clock.nowMs(), finishedAtMs: clock.nowMs() };
  }
  const folder = attemptFolder(workDir, held.lease);
  const results = plan.results(folder);
  await createFolder(folder, { lease: { job, epoch }, destinations });
  for (const result of results) await mkdir(dirname(result), { recursive: true });
  const computed = await compute(context, held, plan, folder);
  checkStopped(held);
  held.state = "staged-out";
  held.progress = 1;
  leases.touch();
  const locals: OutputFile[] = [];
  for (const [at, result] of results.entries()) locals.push(await madeFile(result, plan.destinations[at]!, held.signal));
  const done = { ...computed, summary: { ...computed.summary, ...digested(held.lease, locals) } };
  const expected = destinations.map(({ ref }, at) => ({ ...locals[at]!, path: ref.path }));
  await writeRecord(folder, { lease: { job, epoch }, destinations, completion: { ...done, outputs: expected } });
  const outputs: OutputFile[] = [];
  const crossing: Crossing = { bytes: 0, ms: 0 };
  for (const [at, destination] of destinations.entries()) {
    const there = found[at]!;
    const seen = there.kind === "free" ? there.seen : null;
    const confirm = () => leases.confirm(held);
    const request = { destination, epoch, local: locals[at]!, seen, access, confirm, report: reporter(context, held), signal: held.signal };
    outputs.push(await timed(clock, crossing, (moved) => transfers.of(destination.ref).stageOut({ ...request, moved })));
  }
  return { ...done, summary: { ...done.summary, ...crossed("stageOut", crossing) }, outputs };
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

/** What ended a process of an attempt may be about to end the site, or to tell it to stop: a batch job's end reaches its processes one after the other. */
const KILLED_WAIT_MS = 2_000;

/** Work that was ended with its site did not fail: it goes back, or is lost with the site. */
async function awaitOwnEnd({ clock, stopping }: AttemptContext, held: HeldLease, error: XpcsError): Promise<void> {
  if (!endedFromOutside(error)) return;
  await sleep(clock, KILLED_WAIT_MS, AbortSignal.any([stopping, held.signal]));
  if (stopping.aborted) held.stop("returned");
}

/** Why it ended: a stopped attempt fails with whatever the stop broke. */
function endOf(held: HeldLease, error: XpcsError): XpcsError {
  if (held.stopReason === "canceled") return new XpcsError("CANCELED", "canceled by its owner");
  return held.stopReason === "walltime" ? walltimeError(held.lease) : error;
}

/** Why a lease goes back without counting as an attempt. */
const RETURNED: Readonly<Record<string, string>> = {
  halted: "all work of the site was stopped by hand",
  recalled: "it was recalled before it began",
  returned: "the site is stopping",
  unrenewed: "the site could not renew its lease, and two attempts of an exclusive command must not run at once",
};

async function reportFailure(context: AttemptContext, held: HeldLease, error: XpcsError): Promise<void> {
  const { site, instance, link, logger, abandon } = context;
  const { job, epoch } = held.lease;
  if (held.stopReason === "lost" || isCode(error, "STALE_LEASE")) return logger.info("attempt-discarded", { job, epoch });
  const options = { signal: abandon };
  const lease = { job, epoch };
  const returned = RETURNED[held.stopReason ?? ""];
  if (returned !== undefined) {
    await link.call((source) => source.giveBack({ site, instance, leases: [lease], reason: returned }), options);
    return logger.info("lease-returned", { job, epoch });
  }
  const { code, message } = endOf(held, error);
  const reason = message.slice(0, LIMITS.reasonCharsMax);
  logger.warn("attempt-failed", { job, epoch, code, reason });
  await link.call((source) => source.fail({ site, instance, lease, code, reason }), options);
}

/** Central has refused the report because the job has ended otherwise: no attempt will look for this one's publication any more. */
export function endedElsewhere(error: unknown): boolean {
  return isCode(error, "STALE_LEASE") && toXpcsError(error).details.jobEnded === true;
}

/** Forgets what was kept to recognise publications. */
export async function settleAll({ transfers }: Pick<AttemptContext, "transfers">, destinations: readonly Destination[]): Promise<void> {
  for (const destination of destinations) await transfers.of(destination.ref).settle(destination);
}

/** @returns whether a folder may be left */
async function completeOrFail(context: AttemptContext, held: HeldLease): Promise<boolean> {
  const { leases, logger, workDir } = context;
  const { job, epoch } = held.lease;
  let plan: Plan | null = null;
  let later = false;
  const settle = async (): Promise<void> => {
    later = !(await settlePatiently(context, held, plan?.destinations ?? []));
  };
  try {
    if (!takesFrom(context.submitters, held.lease)) throw new XpcsError("REFUSED", notTaken(context.site, held.lease));
    plan = planOf(held.lease, context);
    const completion = plan.hasFolder
      ? await produce(context, held, plan)
      : { ...(await compute(context, held, plan, workDir)), outputs: [] };
    leases.release(held);
    const { news } = await reportCompletion(context, held.lease, completion);
    logger.info("attempt-finished", { job, epoch });
    leases.apply(news);
    await settle();
  } catch (error) {
    if (context.abandon.aborted) throw error;
    await awaitOwnEnd(context, held, toXpcsError(error));
    leases.release(held);
    if (endedElsewhere(error)) await settle();
    await reportFailure(context, held, fromSystem(error));
  }
  // What the folder has of its publications is for the next process of this site (recovery.ts).
  return (plan?.hasFolder ?? false) && !later;
}

/**
 * Forgets what was kept to recognise the publications. Where a destination cannot be reached it tries again, for as long as the site is there.
 * @returns false: that is still to be done
 */
async function settlePatiently(context: AttemptContext, held: HeldLease, destinations: readonly Destination[]): Promise<boolean> {
  const { clock, abandon } = context;
  for (;;) {
    try {
      await settleAll(context, destinations);
      return true;
    } catch (error) {
      logUntidy(context, held, error);
      if (ERROR_CODES[fromSystem(error).code].retry !== "yes") return true;
    }
    await sleep(clock, SETTLE_AGAIN_MS, abandon);
    if (abandon.aborted) return false;
  }
}

function logUntidy({ logger }: AttemptContext, held: HeldLease, error: unknown): void {
  logger.warn("attempt-untidy", { job: held.lease.job, epoch: held.lease.epoch, reason: fromSystem(error).message });
}

/** Runs one attempt to its end; never throws. The lease stays in `leases` until the end. */
export async function runAttempt(context: AttemptContext, held: HeldLease): Promise<void> {
  const { leases, logger, workDir } = context;
  const { job, epoch } = held.lease;
  let hasFolder = true;
  try {
    hasFolder = await completeOrFail(context, held);
  } catch (error) {
    const { code, message } = fromSystem(error);
    if (code === "STALE_LEASE") logger.info("attempt-discarded", { job, epoch });
    else logger.warn("attempt-unreported", { job, epoch, code, reason: message });
    // The next process of this site tells central what this one could not (recovery.ts).
    if (context.abandon.aborted) return;
  } finally {
    leases.remove(held);
  }
  if (!hasFolder) return;
  await removeFolder(attemptFolder(workDir, held.lease)).catch((error) => logUntidy(context, held, error));
}
