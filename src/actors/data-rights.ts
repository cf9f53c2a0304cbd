/**
 * Which files a site may move through central's data server: those that a job names whose attempt is the site's, in the folders that central's settings
 * list for the job's experiment. What may be read or written where is checked here; moving the bytes is data-server.ts's.
 */
import type { Principal } from "../core/access.js";
import { XpcsError } from "../core/errors.js";
import { experimentOf, isCommandJob, type JobId, type SiteName, type Work } from "../core/job.js";
import { jobFiles } from "../core/job-files.js";
import type { LeaseRef } from "../core/protocols.js";
import { checkReadable, checkWritable, type Roots, readable } from "../files/roots.js";
import { holdsLease } from "../ledger/holds-lease.js";
import { type JobRecord, runningAt } from "../ledger/state.js";
import type { Central } from "./central.js";

/** The `data` of central's settings (docs/settings.md): folders, with `{cycle}` and `{name}` of the job's experiment. */
export type DataFolders = Roots;

/** Who asks: a site's token, and the site that it speaks for. */
export interface Caller {
  readonly principal: Principal;
  readonly site: SiteName;
}

export interface DataRights {
  /** To measure the link: any site, in its own name. @throws PERMISSION_DENIED */
  mayProbe(caller: Caller): void;
  /** Paths that the attempt reads. @throws REFUSED · STALE_LEASE · NOT_FOUND */
  mayRead(caller: Caller, lease: LeaseRef, paths: readonly string[]): Promise<void>;
  /** A path that the attempt makes, while its lease is current. @throws REFUSED · STALE_LEASE · CANCELED · NOT_FOUND */
  mayWrite(caller: Caller, lease: LeaseRef, path: string): Promise<void>;
  /** A path that the job makes, of which the site has, or had, an attempt. @throws REFUSED · STALE_LEASE · NOT_FOUND */
  mayLook(caller: Caller, job: JobId, path: string): Promise<void>;
  /** The same, when the job has ended, or the site has its lease. */
  maySettle(caller: Caller, job: JobId, path: string): Promise<void>;
  /** The same, of an attempt that is or was the site's. */
  mayDiscard(caller: Caller, lease: LeaseRef, path: string): Promise<void>;
  /** Resolves when the ledger says, durably, that the lease is current. @throws STALE_LEASE · CANCELED */
  confirm(caller: Caller, lease: LeaseRef): Promise<void>;
}

function inputsOf(work: Work): string[] {
  if (isCommandJob(work)) return Object.values(work.inputs).map(({ path }) => path);
  return work.app === "xpcs.noop" ? [] : jobFiles(work).map(({ path }) => path);
}

function outputsOf(work: Work): string[] {
  if (isCommandJob(work)) return Object.values(work.outputs).map(({ path }) => path);
  return work.app === "xpcs.noop" ? [] : [work.out.path];
}

/** Folders for one experiment, `CYCLE/NAME`. */
export function foldersOf({ read, write }: DataFolders, experiment: string): Roots {
  const [cycle = "", name = ""] = experiment.split("/");
  const named = (folder: string) => folder.replace(/\{(cycle|name)\}/g, (_, part: string) => (part === "cycle" ? cycle : name));
  return { read: read.map(named), write: write.map(named) };
}

function checkNamed(job: JobRecord, named: readonly string[], paths: readonly string[]): void {
  const known = new Set(named);
  const other = paths.find((path) => !known.has(path));
  if (other !== undefined) throw new XpcsError("REFUSED", `job ${job.id} does not name ${other}`);
}

function checkCurrent(job: JobRecord, site: SiteName, lease: LeaseRef): void {
  if (!holdsLease(job, site, lease))
    throw new XpcsError("STALE_LEASE", `site ${site} does not hold attempt ${lease.epoch} of job ${job.id}`);
  if (job.cancelRequested) throw new XpcsError("CANCELED", `${job.id} was canceled`);
}

/** @param folders null: nothing goes through central */
export function dataRights(central: Pick<Central, "state" | "turn">, folders: DataFolders | null): DataRights {
  const mayProbe = ({ principal, site }: Caller): void => {
    if (principal.role !== "site") throw new XpcsError("PERMISSION_DENIED", "files move with the token of a site");
    if (principal.site !== null && principal.site !== site)
      throw new XpcsError("PERMISSION_DENIED", `this token is for site ${principal.site}, not for ${site}`);
  };
  const jobOf = (caller: Caller, id: JobId): { job: JobRecord; folders: Roots } => {
    mayProbe(caller);
    const { site } = caller;
    if (folders === null) throw new XpcsError("REFUSED", "central's settings list no folders whose files may go through it (data)");
    const job = central.state.jobs.get(id);
    // In the same words whether there is such a job: its id tells a site nothing about others.
    if (job === undefined || !job.attempts.some((attempt) => attempt.site === site))
      throw new XpcsError("NOT_FOUND", `site ${site} has no attempt of a job ${id}`);
    return { job, folders: foldersOf(folders, experimentOf(job.spec)) };
  };
  const outOf = async (caller: Caller, id: JobId, path: string): Promise<JobRecord> => {
    const { job, folders: own } = jobOf(caller, id);
    checkNamed(job, outputsOf(job.spec.work), [path]);
    await checkWritable([path], own);
    return job;
  };
  return {
    mayProbe,
    async mayRead(caller, lease, paths) {
      const { job, folders: own } = jobOf(caller, lease.job);
      checkCurrent(job, caller.site, lease);
      checkNamed(job, inputsOf(job.spec.work), paths);
      await checkReadable(paths, readable(own));
    },
    async mayWrite(caller, lease, path) {
      checkCurrent(await outOf(caller, lease.job, path), caller.site, lease);
    },
    async mayLook(caller, id, path) {
      await outOf(caller, id, path);
    },
    async maySettle(caller, id, path) {
      const job = await outOf(caller, id, path);
      if (job.finishedAt === null) checkCurrent(job, caller.site, { job: id, epoch: runningAt(job, caller.site)?.epoch ?? job.epoch });
    },
    async mayDiscard(caller, lease, path) {
      const job = await outOf(caller, lease.job, path);
      if (!job.attempts.some(({ site, epoch }) => site === caller.site && epoch === lease.epoch))
        throw new XpcsError("STALE_LEASE", `site ${caller.site} has no attempt ${lease.epoch} of job ${lease.job}`);
    },
    confirm: ({ site }, lease) => central.turn(() => checkCurrent(central.state.jobs.get(lease.job)!, site, lease)),
  };
}
