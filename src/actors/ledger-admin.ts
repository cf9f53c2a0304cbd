/** The part of the client's interface that is about the ledger as a whole, and about whole experiments. Who may call it is access-rights.ts's. */
import type { Principal } from "../core/access.js";
import { XpcsError } from "../core/errors.js";
import { experimentOf, type JobId } from "../core/job.js";
import type { ClientApi } from "../core/protocols.js";
import { liveJobsOf } from "../ledger/decide-archive.js";
import { exportLines } from "../ledger/exchange.js";
import { type ExperimentMoment, experimentLines } from "../ledger/experiment-file.js";
import type { Backups } from "./backups.js";
import type { Central } from "./central.js";
import type { Housekeeping } from "./housekeeping.js";
import { CLIENT_REQUESTS, parseRequest } from "./requests.js";

/** The experiment between two commits: its live jobs are what the events in the store say. */
async function momentOf(central: Central, experiment: string): Promise<ExperimentMoment> {
  const { taken } = await central.turn(() => {
    const box: { taken: ExperimentMoment | null } = { taken: null };
    central.afterCommit(() => {
      const { state, ledger } = central;
      const live = liveJobsOf(state, experiment);
      box.taken = { experiment, sequence: state.sequence, live, sites: new Map(state.sites), store: ledger.moment() };
    });
    return box;
  });
  return taken!;
}

/** Ids of the experiment's jobs in the archive. */
async function* archivedIds({ ledger }: Central, experiment: string): AsyncGenerator<JobId> {
  for await (const job of ledger.archivedJobs()) if (experimentOf(job.spec) === experiment) yield job.id;
}

async function isArchived(central: Central, experiment: string): Promise<boolean> {
  for await (const _ of archivedIds(central, experiment)) return true;
  return false;
}

/** Within a turn: the keys in the archive that only these jobs came with. */
function archivedKeys({ ledger, state }: Central, ids: readonly JobId[], experiment: string): string[] {
  const all = new Set([...ids, ...liveJobsOf(state, experiment).map(({ id }) => id)]);
  const keys = new Set(ids.map((id) => ledger.archivedJob(id)?.key ?? ""));
  return [...keys].filter((key) => ledger.archivedKey(key)?.jobs.every((id) => all.has(id)));
}

const noJobs = (experiment: string) => new XpcsError("NOT_FOUND", `experiment ${experiment} has no jobs`);

/** How often the archive is looked at again because it changed meanwhile. */
const TRIES = 5;

/** Copies of the ledger and of experiments, in the name of `principal`. */
export function ledgerAdmin(
  central: Central,
  { person, experiment: only }: Principal,
  { backups, housekeeping }: { readonly backups: Backups; readonly housekeeping: Housekeeping },
): Pick<ClientApi, "backup" | "archiveExperiment" | "removeExperiment"> {
  return {
    async backup(request) {
      const { id, part } = parseRequest(CLIENT_REQUESTS.backup, "backup", request);
      if (id !== null) return backups.part(id, part);
      // Between two commits: what a caller has been told of is in it.
      const moment = await central.turn(() => central.ledger.moment());
      return backups.begin(exportLines(moment), moment);
    },
    async archiveExperiment(request) {
      const { experiment, id, part } = parseRequest(CLIENT_REQUESTS.archiveExperiment, "archiveExperiment", request);
      if (only !== null && only !== experiment) throw noJobs(experiment);
      if (id !== null) return backups.part(id, part);
      const moment = await momentOf(central, experiment);
      try {
        if (moment.live.length === 0 && !(await isArchived(central, experiment))) throw noJobs(experiment);
      } catch (error) {
        await moment.store.close();
        throw error;
      }
      return backups.begin(experimentLines(moment), moment.store);
    },
    async removeExperiment(request) {
      const { experiment, jobs, sequence } = parseRequest(CLIENT_REQUESTS.removeExperiment, "removeExperiment", request);
      for (let tries = 0; tries < TRIES; tries += 1) {
        const before = central.state.archived;
        const archived: JobId[] = [];
        for await (const id of archivedIds(central, experiment)) archived.push(id);
        const events = await central.turn(() => {
          if (central.state.archived !== before) return null;
          const keys = archivedKeys(central, archived, experiment);
          return central.execute({ type: "remove", experiment, archived, archivedKeys: keys, jobs, sequence }, person);
        });
        if (events === null) continue;
        const removed = events.flatMap((event) => (event.type === "removed" ? event.jobs : []));
        await housekeeping.forgetJobs(removed);
        return { removed: removed.length };
      }
      throw new XpcsError("OVERLOADED", "jobs are going into the archive just now: try again in a minute");
    },
  };
}
