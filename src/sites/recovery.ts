/**
 * What a site's earlier process left in the work folder: publications that central was not told of, and half-made files.
 * Runs once after a site has joined, so that no other process of the same name is alive.
 */
import type { LeaseRef } from "../core/protocols.js";
import { fromSystem } from "../files/system-error.js";
import { type AttemptContext, endedElsewhere, reportCompletion, settleAll } from "./attempt.js";
import { type AttemptRecord, leftFolders, removeFolder } from "./attempt-folder.js";
import { endLeftCommand } from "./left-command.js";

type RecoveryContext = Pick<AttemptContext, "site" | "instance" | "workDir" | "link" | "abandon" | "logger" | "transfers">;

/** Completes an attempt whose result is at its destination, under its own epoch; nothing else of it can be saved. */
async function completePublished(context: RecoveryContext, { lease, destinations, completion }: AttemptRecord): Promise<void> {
  const { site, instance, link, abandon, logger, transfers } = context;
  for (const destination of destinations) await transfers.of(destination.ref).discard({ destination, epoch: lease.epoch });
  if (completion === undefined) return;
  const found = await Promise.all(destinations.map((destination) => transfers.of(destination.ref).inspect(destination)));
  const outputs = found.flatMap((there) => (there.kind === "published" ? [there.output] : []));
  if (outputs.length < destinations.length) {
    await link.call((source) => source.giveBack({ site, instance, leases: [lease], reason: "the site was restarted" }), {
      signal: abandon,
    });
    return;
  }
  await reportCompletion(context, lease, { ...completion, outputs }).catch(async (error: unknown) => {
    if (endedElsewhere(error)) await settleAll(context, destinations);
    throw error;
  });
  logger.info("publication-recovered", { ...lease, path: outputs.map(({ path }) => path).join(" ") });
  await settleAll(context, destinations);
}

/** The leases that `recoverAttempts` will complete: the site still holds them when it joins. */
export async function recoverableLeases(workDir: string): Promise<LeaseRef[]> {
  const left = await leftFolders(workDir);
  return left.flatMap(({ record }) => (record?.completion === undefined ? [] : [record.lease]));
}

/**
 * Tells central of what was published, and empties the work folder.
 * A lease that was granted again is not ours to complete: its next attempt finds the publication by itself.
 */
export async function recoverAttempts(context: RecoveryContext): Promise<void> {
  for (const { folder, record } of await leftFolders(context.workDir)) {
    try {
      endLeftCommand(folder);
      if (record) await completePublished(context, record);
    } catch (error) {
      const { code, message } = fromSystem(error);
      context.logger.info("attempt-not-recovered", { folder, code, reason: message });
      if (context.abandon.aborted) return;
    }
    await removeFolder(folder);
  }
}
