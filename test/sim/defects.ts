/** Planted defects: the product with one thing wrong, each of which the simulation must find. The test of the tests. */
import { XpcsError } from "../../src/core/errors.js";
import type { SiteNews } from "../../src/core/protocols.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import type { EventStore } from "../../src/ledger/store.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { always } from "../../src/router/policy-rules.js";
import { sharedPath } from "../../src/sites/transfers/shared-path.js";
import { type Decide, plantRules } from "./mounts.js";
import type { PromiseName } from "./promises.js";
import type { Replacements } from "./world.js";

export interface Defect {
  readonly name: string;
  /** Promises of which any may be the first that is seen broken. */
  readonly breaks: readonly PromiseName[];
  readonly replacements?: Replacements;
  /** Puts it in; the answer takes it out again. */
  readonly plant?: () => () => void;
}

function rules(replace: (real: Decide) => Decide): () => () => void {
  return () => {
    plantRules(replace);
    return () => plantRules(null);
  };
}

/** A store that differs in some methods. */
function altered(store: EventStore, methods: Partial<EventStore>): EventStore {
  return Object.assign(Object.create(store) as EventStore, methods);
}

function without(events: ReturnType<Decide>, drop: (event: LedgerEvent) => boolean): ReturnType<Decide> {
  return events instanceof XpcsError ? events : events.filter((event) => !drop(event));
}

export const DEFECTS: readonly Defect[] = [
  {
    name: "a completion under an old epoch is taken",
    breaks: ["P3"],
    plant: rules((real) => (state, command, now) => {
      const decision = real(state, command, now);
      if (command.type !== "complete" || !(decision instanceof XpcsError) || decision.code !== "STALE_LEASE") return decision;
      const { lease, outputs, summary, runMs } = command;
      if (state.jobs.get(lease.job)?.state !== "leased") return decision;
      return [{ type: "completed", at: now, job: lease.job, epoch: lease.epoch, outputs, summary, runMs }];
    }),
  },
  {
    name: "a completion that is repeated is recorded again",
    breaks: ["P3"],
    plant: rules((real) => (state, command, now) => {
      const decision = real(state, command, now);
      if (command.type !== "complete" || decision instanceof XpcsError || decision.length > 0) return decision;
      const { lease, outputs, summary, runMs } = command;
      return [{ type: "completed", at: now, job: lease.job, epoch: lease.epoch, outputs, summary, runMs }];
    }),
  },
  {
    name: "a key that is used again makes jobs again",
    breaks: ["P1", "P2"],
    plant: rules((real) => (state, command, now) => {
      if (command.type !== "submit") return real(state, command, now);
      const keys = new Map(state.keys);
      keys.delete(command.key);
      return real({ ...state, keys }, command, now);
    }),
  },
  {
    name: "a submission is answered before it is on the disk",
    // A client's question about a job that is gone is answered so.
    breaks: ["P1", "P2", "defect"],
    replacements: {
      store: (store) =>
        altered(store, {
          append: async (events) => void store.append(events).catch(() => {}),
        }),
    },
  },
  {
    name: "a checkpoint leaves keys out",
    breaks: ["P1", "P2", "P6"],
    replacements: {
      store: (store) =>
        altered(store, {
          checkpoint: (at, changes) =>
            store.checkpoint(at, { ...changes, records: changes.records.filter(([name]) => !name.startsWith("key/")) }),
        }),
    },
  },
  {
    name: "a job that changes after its record was written ahead is not written again",
    breaks: ["P1", "P3", "P6"],
    replacements: {
      store: (store) => {
        const written = new Set<string>();
        return altered(store, {
          ahead: (records) => {
            for (const [name] of records) written.add(name);
            return store.ahead(records);
          },
          checkpoint: (at, changes) =>
            store.checkpoint(at, { ...changes, records: changes.records.filter(([name]) => !written.delete(name)) }),
        });
      },
    },
  },
  {
    name: "an event is not written",
    breaks: ["P3", "P6"],
    replacements: {
      store: (store) =>
        altered(store, {
          append: (events) => store.append(events.filter(({ type }) => type !== "modified")),
        }),
    },
  },
  {
    name: "leases never expire",
    breaks: ["P4"],
    plant: rules((real) => (state, command, now) => (command.type === "expire" ? [] : real(state, command, now))),
  },
  {
    name: "a restarted central forgets when its leases end",
    breaks: ["P4"],
    replacements: {
      central: (central) => {
        for (const id of central.state.jobs.keys()) central.terms.drop(id);
      },
    },
  },
  {
    name: "a cancel is acknowledged and forgotten",
    breaks: ["P1"],
    plant: rules(
      (real) => (state, command, now) =>
        without(real(state, command, now), ({ type }) => command.type === "cancel" && (type === "cancelRequested" || type === "canceled")),
    ),
  },
  {
    name: "attempts have no limit",
    breaks: ["P3", "P4"],
    plant: rules((real) => (state, command, now) => {
      const decision = real(state, command, now);
      if (decision instanceof XpcsError || command.type !== "fail") return decision;
      return decision
        .filter(({ type }) => type === "attemptEnded")
        .map((event) => (event.type === "attemptEnded" && event.next === "fail" ? { ...event, next: "retry", notBefore: now } : event));
    }),
  },
  {
    name: "a waiting job does not say what it waits for",
    breaks: ["P7"],
    replacements: {
      policyOf: always({
        name: "silent",
        choose(job, sites, now) {
          const choice = soonest.choose(job, sites, now);
          return choice.action === "wait" ? { ...choice, why: () => "" } : choice;
        },
      }),
    },
  },
  {
    name: "a site does not hear that its lease is lost",
    breaks: ["P5"],
    replacements: {
      source: (source) => ({
        ...source,
        join: async (request) => {
          const { news, ...rest } = await source.join(request);
          return { ...rest, news: { ...news, lost: [] } };
        },
        renew: async (request) => {
          const { news } = await source.renew(request);
          return { news: { ...news, lost: [] } };
        },
      }),
    },
  },
  {
    name: "the answer of a job's other attempt is recorded as well",
    breaks: ["P3"],
    plant: rules((real) => (state, command, now) => {
      const decision = real(state, command, now);
      if (command.type !== "complete" || !(decision instanceof XpcsError) || decision.code !== "STALE_LEASE") return decision;
      const { lease, outputs, summary, runMs } = command;
      const job = state.jobs.get(lease.job);
      const attempt = job?.attempts.find(({ epoch }) => epoch === lease.epoch);
      if (job?.state !== "finished" || attempt?.outcome !== "canceled") return decision;
      return [{ type: "completed", at: now, job: job.id, epoch: lease.epoch, outputs, summary, runMs }];
    }),
  },
  {
    name: "a check goes to the site where its job ran",
    breaks: ["defect"],
    plant: rules((real) => (state, command, now) => {
      const decision = real(state, command, now);
      if (decision instanceof XpcsError || command.type !== "crossCheck") return decision;
      return decision.map((event) =>
        event.type === "submitted"
          ? { ...event, specs: event.specs.map((spec) => ({ ...spec, checkOf: { job: command.job, sites: [] } })) }
          : event,
      );
    }),
  },
  {
    name: "of three runs the wrong site is named",
    breaks: ["defect"],
    plant: rules((real) => (state, command, now) => {
      const decision = real(state, command, now);
      if (decision instanceof XpcsError || command.type !== "compare") return decision;
      return decision.map((event) =>
        event.type === "crossChecked" && event.wrong !== null
          ? { ...event, wrong: event.runs.find(({ site }) => site !== event.wrong)!.site }
          : event,
      );
    }),
  },
  {
    name: "a site publishes what is for comparing only",
    breaks: ["P5"],
    replacements: {
      source: (source) => ({
        ...source,
        lease: async (request) => {
          const { leases, news } = await source.lease(request);
          return { leases: leases.map(({ check: _, ...lease }) => lease), news };
        },
      }),
    },
  },
  {
    name: "of two attempts both may publish",
    breaks: ["P5"],
    plant: rules((real) => (state, command, now) => (command.type === "claim" ? [] : real(state, command, now))),
  },
  {
    name: "an attempt that ends takes the one beside it with it",
    breaks: ["P3", "P4", "P6"],
    plant: rules((real) => (state, command, now) => {
      const decision = real(state, command, now);
      if (decision instanceof XpcsError) return decision;
      return decision.map((event) =>
        event.type === "attemptEnded" && event.next === "other" ? { ...event, next: "retry", notBefore: now } : event,
      );
    }),
  },
  {
    name: "a site gives back what it is asked for, begun or not",
    breaks: ["P5"],
    replacements: {
      source: (source) => {
        const obey = async ({ site, instance }: { site: string; instance: string }, { recall = [] }: SiteNews) => {
          if (recall.length > 0) await source.giveBack({ site, instance, leases: recall, reason: "asked for" });
        };
        return {
          ...source,
          lease: async (request) => {
            const answer = await source.lease(request);
            await obey(request, answer.news);
            return answer;
          },
          renew: async (request) => {
            const answer = await source.renew(request);
            await obey(request, answer.news);
            return answer;
          },
        };
      },
    },
  },
  {
    name: "a site publishes without asking whether its lease is current",
    breaks: ["P5"],
    plant: () => {
      const real = sharedPath.stageOut;
      sharedPath.stageOut = (request) => real({ ...request, confirm: async () => {} });
      return () => {
        sharedPath.stageOut = real;
      };
    },
  },
  {
    name: "a pilot is submitted again without looking for its tag",
    breaks: ["P8"],
    replacements: { farm: { scheduler: (scheduler) => ({ ...scheduler, find: async () => [] }) } },
  },
  {
    name: "pilots that are queued do not count",
    breaks: ["P8"],
    replacements: {
      farm: {
        batch: (jobs) => ({ ...jobs, poll: async (refs) => (await jobs.poll(refs)).filter(({ phase }) => phase !== "queued") }),
      },
    },
  },
  {
    name: "a site forgets the pilots that it had when it was killed",
    breaks: ["P8"],
    replacements: {
      farm: {
        batch: (jobs) => {
          const mine = new Set<string>();
          return {
            ...jobs,
            submit: (request) => {
              mine.add(request.tag);
              return jobs.submit(request);
            },
            known: async () => (await jobs.known()).filter(({ tag }) => mine.has(tag)),
          };
        },
      },
    },
  },
  {
    name: "a submission that had no answer is forgotten",
    breaks: ["P8"],
    replacements: { farm: { batch: (jobs) => ({ ...jobs, unsettled: async () => [] }) } },
  },
  {
    name: "a pilot is withdrawn in the log alone",
    breaks: ["P8"],
    replacements: { farm: { batch: (jobs) => ({ ...jobs, cancel: async () => {} }) } },
  },
  {
    name: "a pilot does not look at its walltime",
    breaks: ["P8"],
    replacements: { farm: { life: (life) => ({ ...life, endsS: null, idleS: null }) } },
  },
  {
    name: "a job that the scheduler does not list once is gone",
    breaks: ["P8"],
    replacements: {
      farm: {
        scheduler: (scheduler) => ({
          ...scheduler,
          status: async (refs, machine) => {
            const seen = await scheduler.status(refs, machine);
            const missing = refs.filter(({ id }) => !seen.some((sighting) => sighting.id === id));
            const ending = { outcome: "gone", exitCode: null, sentence: "it is not listed" } as const;
            return [...seen, ...missing.map(({ id }) => ({ id, phase: "ended", words: "", sentence: ending.sentence, ending }) as const)];
          },
        }),
      },
    },
  },
];
