/**
 * What each app needs from a site, as data: the files to stage in, where the result goes, and the work for a kernel host.
 * Pure; moving the files and running the work is attempt.ts.
 */
import { basename, join } from "node:path";
import type { CorrFiles, CorrRequest, CorrSummary } from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";
import { type CommandJob, type CorrJob, type FileRef, isCommandJob, type Lease, type StreamJob } from "../core/job.js";
import { corrFilesOf, jobFiles } from "../core/job-files.js";
import type { Destination } from "../files/publication.js";
import { type Roots, readable } from "../files/roots.js";
import type { CommandApps } from "./command-apps.js";
import { checkCommand, commandRun, outputPath } from "./command-plan.js";
import type { KernelWork } from "./kernel-host.js";

/** Apps of this build; a site offers those that its machine can run. */
export const APPS = ["xpcs.noop", "xpcs.corr", "xpcs.stream"] as const;

/** Where the work of an attempt is done. */
export interface WorkPlace {
  /** Of the inputs, in their order. */
  readonly paths: readonly string[];
  /** Its own. */
  readonly folder: string;
  /** Names of the nodes that it has for itself; empty: it asked for none. */
  readonly hosts: readonly string[];
}

export interface Plan {
  readonly inputs: readonly FileRef[];
  readonly destinations: readonly Destination[];
  /** It needs a folder of its own. */
  readonly hasFolder: boolean;
  /** Where within the folder the work makes the file of each destination. */
  readonly results: (folder: string) => string[];
  readonly work: (place: WorkPlace) => KernelWork;
  /** Two attempts of it must never run at once. */
  readonly exclusive: boolean;
}

export interface SiteFacts {
  readonly site: string;
  readonly roots: Roots | null;
  readonly threadsPerSlot: number;
  readonly coresPerNode: number;
  readonly launcher: readonly string[] | null;
  readonly commands: CommandApps;
}

const RESULT_NAME = "result.partial";

/** Cores of an attempt that names none: of its nodes all, otherwise those of its slots. */
function coresOf({ resources = {} }: Lease, { threadsPerSlot, coresPerNode }: SiteFacts): number {
  const { cores, nodes = 0, slots = 1 } = resources;
  return cores || (nodes > 0 ? nodes * coresPerNode : threadsPerSlot * slots);
}

function commandPlan(lease: Lease, work: CommandJob, facts: SiteFacts): Plan {
  const { site, commands, launcher } = facts;
  const app = Object.hasOwn(commands, work.app) ? commands[work.app] : undefined;
  if (app === undefined) throw new XpcsError("REFUSED", `site ${site} does not allow the app ${work.app}`);
  checkCommand(app, work, { nodes: lease.resources?.nodes ?? 0, launcher });
  const inputs = Object.entries(work.inputs);
  const outputs = Object.entries(work.outputs);
  return {
    inputs: inputs.map(([, ref]) => ref),
    destinations: outputs.map(([, ref]) => ({ ref, job: lease.job, overwrite: work.overwrite })),
    hasFolder: true,
    results: (folder) => outputs.map(([name, ref]) => outputPath(folder, name, ref)),
    work: ({ paths, folder, hosts }) =>
      commandRun(app, lease, work, {
        folder,
        site,
        hosts,
        launcher,
        cores: coresOf(lease, facts),
        inputs: Object.fromEntries(inputs.map(([name], at) => [name, paths[at]!])),
      }),
    exclusive: app.exclusive,
  };
}

/**
 * What a lease asks for.
 *
 * @throws REFUSED this site can never run it
 */
export function planOf(lease: Lease, facts: SiteFacts): Plan {
  const { work } = lease;
  if (isCommandJob(work)) return commandPlan(lease, work, facts);
  const nothing = { inputs: [], destinations: [], hasFolder: false, results: () => [], exclusive: false };
  return work.app === "xpcs.noop" ? { ...nothing, work: () => work } : correlationPlan(lease, work, facts);
}

/** Of files, or of a stream: its source is not staged, it is dialed, or read where it is. */
function correlationPlan(lease: Lease, work: CorrJob | StreamJob, { site, roots, threadsPerSlot }: SiteFacts): Plan {
  const { job, epoch, resources } = lease;
  const inputs = jobFiles(work);
  const threads = resources?.cores || threadsPerSlot * (resources?.slots ?? 1);
  const requestOf = (files: CorrFiles, folder: string): CorrRequest => ({
    files,
    options: { threads, ...work.options },
    out: join(folder, RESULT_NAME),
    // The attempt's folder is its own; the destination's rule is the transfer's business.
    overwrite: true,
    provenance: { job_id: job, epoch: String(epoch), site },
  });
  return {
    inputs,
    destinations: [{ ref: work.out, job, overwrite: work.overwrite }],
    hasFolder: true,
    results: (folder) => [join(folder, RESULT_NAME)],
    exclusive: false,
    work: ({ paths, folder }) => {
      const place = (ref: FileRef) => paths[inputs.indexOf(ref)]!;
      const allowed = roots === null ? {} : { roots: [...readable(roots), folder] };
      if (work.app === "xpcs.corr") {
        const request = requestOf(corrFilesOf(work, place), folder);
        return { app: work.app, request: lease.digest === true ? { ...request, contentDigest: true } : request, ...allowed };
      }
      const { app, source, qmap, metadata, everyMs, patienceMs, until, framesMax, files: complete } = work;
      const files = { input: source, qmap: place(qmap), ...(metadata === undefined ? {} : { metadata: place(metadata) }) };
      const ends = { ...(until === undefined ? {} : { until }), ...(framesMax === undefined ? {} : { framesMax }) };
      const how = complete === undefined ? {} : { files: complete };
      return { app, stream: { source, request: requestOf(files, folder), everyMs, patienceMs, ...ends, ...how }, ...allowed };
    },
  };
}

/** What the ledger keeps of a kernel's report: numbers and short words, no paths of this site. */
export function summaryRecord(summary: CorrSummary | null): Record<string, string | number | boolean | null> {
  if (summary === null) return {};
  const { out, warnings, timings, stream, ...flat } = summary;
  const ofStream =
    stream === undefined
      ? {}
      : { streamEnded: stream.ended, streamMissing: stream.missing, streamGaps: stream.gaps, streamNote: stream.note };
  return { ...flat, ...timings, ...ofStream, result: basename(out), warnings: warnings.join("; ").slice(0, 1000) };
}

/** Share of each stage in the whole, by experience: reading and correlating overlap, writing is short. */
const STAGES = { reading: [0, 0.45], correlating: [0.45, 0.95], writing: [0.95, 1] } as const;

/** Overall progress, 0 to 1. */
export function progressOf({ stage, fraction }: { stage: keyof typeof STAGES; fraction: number }): number {
  const [from, to] = STAGES[stage];
  return from + (to - from) * Math.min(1, Math.max(0, fraction));
}
