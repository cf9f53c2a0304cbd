/** What if the sites were others: changes of a shift's sites, from a file (docs/replay.md). */
import { z } from "zod";
import { XpcsError } from "../core/errors.js";
import type { SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { LinkModel, Shift, SiteModel } from "./shift.js";

const factor = z.number().positive().max(1e6);
const megabytes = z.number().positive().max(1e9);

export const SITE_CHANGES = z.strictObject({
  sites: z
    .array(
      z
        .strictObject({
          name: z.string().min(1),
          /** A new site: as this one of the shift, but for what follows. */
          like: z.string().min(1).optional(),
          /** It is not there. */
          without: z.literal(true).optional(),
          slots: z.int().min(1).max(LIMITS.siteSlotsMax).optional(),
          prefetch: z.int().min(0).max(LIMITS.heldLeasesMax).optional(),
          /** Runs take so many times as long. */
          runFactor: factor.optional(),
          /** Of all transfers together, MB/s. */
          linkMBps: megabytes.optional(),
          /** Of one transfer, MB/s. */
          transferMBps: megabytes.optional(),
          transfersMax: z.int().min(1).max(10_000).optional(),
          jobsPerTransfer: z.int().min(1).max(10_000).optional(),
        })
        .readonly(),
    )
    .min(1)
    .readonly(),
});

export type SiteChanges = z.output<typeof SITE_CHANGES>;
type SiteChange = SiteChanges["sites"][number];

/** MB/s as bytes/ms. */
const perMs = (mbps: number): number => mbps * 1_000;
const FREE: LinkModel = { bytesPerMs: Number.POSITIVE_INFINITY, transfersMax: 8, jobsPerTransfer: 1, lookMs: 0 };

function linkWith(link: LinkModel | null, { linkMBps, transferMBps, transfersMax, jobsPerTransfer }: SiteChange): LinkModel | null {
  const asks = linkMBps !== undefined || transferMBps !== undefined || transfersMax !== undefined || jobsPerTransfer !== undefined;
  if (link === null && !asks) return null;
  const before = link ?? FREE;
  return {
    ...before,
    ...(linkMBps === undefined ? {} : { bytesPerMs: perMs(linkMBps) }),
    transfersMax: transfersMax ?? before.transfersMax,
    jobsPerTransfer: jobsPerTransfer ?? before.jobsPerTransfer,
  };
}

function changed(model: SiteModel, change: SiteChange): SiteModel {
  const { name, slots = model.slots, prefetch = model.prefetch, runFactor = 1, transferMBps, linkMBps } = change;
  const link = linkWith(model.link, change);
  // Of files that came without a link nobody measured a rate: then the whole link is one transfer's.
  const unknown = model.link === null && linkMBps !== undefined ? perMs(linkMBps) : null;
  return {
    ...model,
    ...{ name, slots, prefetch, link },
    times(job, spec) {
      const times = model.times(job, spec);
      const rateBytesPerMs = transferMBps === undefined ? (unknown ?? times.rateBytesPerMs) : perMs(transferMBps);
      return { ...times, runMs: times.runMs * runFactor, rateBytesPerMs };
    },
  };
}

/**
 * The shift with other sites.
 *
 * @throws INVALID_ARGUMENT a change is of no site of the shift, or of two
 */
export function withChanges(shift: Shift, { sites: changes }: SiteChanges): Shift {
  const models = new Map<SiteName, SiteModel>(shift.sites.map((model) => [model.name, model]));
  const names = [...models.keys()].join(", ");
  const seen = new Set<SiteName>();
  for (const change of changes) {
    const { name, like, without } = change;
    if (seen.has(name)) throw new XpcsError("INVALID_ARGUMENT", `the changes name site ${name} twice`);
    seen.add(name);
    if (like !== undefined && models.has(name)) throw new XpcsError("INVALID_ARGUMENT", `the shift has a site ${name}: leave out its like`);
    const base = shift.sites.find((model) => model.name === (like ?? name));
    if (base === undefined)
      throw new XpcsError("INVALID_ARGUMENT", `the shift has no site ${like ?? name}, but ${names}; of a new one, say which it is like`);
    if (without) models.delete(name);
    else models.set(name, changed(base, change));
  }
  if (models.size === 0) throw new XpcsError("INVALID_ARGUMENT", "the changes leave no site");
  return { ...shift, sites: [...models.values()] };
}
