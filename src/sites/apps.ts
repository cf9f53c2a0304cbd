/**
 * What each app needs from a site, as data: the files to stage in, where the result goes, and the work for a kernel host.
 * Pure; moving the files and running the work is attempt.ts.
 */
import { basename } from "node:path";
import type { CorrSummary } from "../core/analysis.js";
import type { FileRef, JobId, Lease } from "../core/job.js";
import type { KernelWork } from "./kernel-host.js";
import type { Destination } from "./transfers/define.js";

/** Apps of this build; a site offers those that its machine can run. */
export const APPS = ["xpcs.noop", "xpcs.corr"] as const;

export interface Plan {
  readonly inputs: readonly FileRef[];
  readonly destination: Destination | null;
  /** The work, once the inputs are at `paths` (in the order of `inputs`); the result goes to `out`. */
  readonly work: (paths: readonly string[], out: string) => KernelWork;
}

/** What a lease asks for. */
export function planOf({ job, epoch, work, resources }: Lease, { site, threadsPerSlot }: { site: string; threadsPerSlot: number }): Plan {
  if (work.app === "xpcs.noop") return { inputs: [], destination: null, work: () => work };
  const named = (["input", "qmap", "job", "metadata"] as const).flatMap((name) => {
    const ref = work[name];
    return ref === undefined ? [] : [{ name, ref }];
  });
  return {
    inputs: named.map(({ ref }) => ref),
    destination: { ref: work.out, job, overwrite: work.overwrite },
    work: (paths, out) => ({
      app: "xpcs.corr",
      request: {
        files: Object.fromEntries(named.map(({ name }, at) => [name, paths[at]])),
        options: { threads: resources?.cores || threadsPerSlot * (resources?.slots ?? 1), ...work.options },
        out,
        // The attempt's folder is its own; the destination's rule is the transfer's business.
        overwrite: true,
        provenance: provenance(job, epoch, site),
      },
    }),
  };
}

function provenance(job: JobId, epoch: number, site: string): Record<string, string> {
  return { job_id: job, epoch: String(epoch), site };
}

/** What the ledger keeps of a kernel's report: numbers and short words, no paths of this site. */
export function summaryRecord(summary: CorrSummary | null): Record<string, string | number | boolean | null> {
  if (summary === null) return {};
  const { out, warnings, timings, ...flat } = summary;
  return { ...flat, ...timings, result: basename(out), warnings: warnings.join("; ").slice(0, 1000) };
}

/** Share of each stage in the whole, by experience: reading and correlating overlap, writing is short. */
const STAGES = { reading: [0, 0.45], correlating: [0.45, 0.95], writing: [0.95, 1] } as const;

/** Overall progress, 0 to 1. */
export function progressOf({ stage, fraction }: { stage: keyof typeof STAGES; fraction: number }): number {
  const [from, to] = STAGES[stage];
  return from + (to - from) * Math.min(1, Math.max(0, fraction));
}
