/** What clients ask of central, drawn from the seed before the run; and what they heard, which is what the promises are about. */
import { sleep } from "../../src/core/clock.js";
import { isCode } from "../../src/core/errors.js";
import type { JobId, JobSpec, JobView } from "../../src/core/job.js";
import type { ClientApi } from "../../src/core/protocols.js";
import type { Reconnecting } from "../../src/wire/reconnecting.js";
import { seeded } from "../ledger/world.js";
import { FARM, hasPilots } from "./farm.js";
import { CLIENT_NAMES, FAULTS_MS } from "./faults.js";
import type { History } from "./promises.js";
import { SITE_NAMES, type World } from "./world.js";

type Api = Reconnecting<ClientApi>;
type Ask = (api: Api, history: History, world: World) => Promise<void>;

interface Request {
  readonly atMs: number;
  readonly client: (typeof CLIENT_NAMES)[number];
  readonly ask: Ask;
}

const REQUESTS = 14;
const LOOK_MS = 4_000;

/** What only a pilot can run: pinned to its site, or because of what its node has. Some take a good part of a pilot's time. */
function forPilots(rng: () => number, share: number): Partial<JobSpec> | null {
  if (rng() >= share) return null;
  return rng() < 0.5 ? { site: FARM } : { resources: { gpus: 1 } };
}

function randomSpec(rng: () => number, key: string, at: number, share: number): JobSpec {
  const pinned = forPilots(rng, share);
  const work: JobSpec["work"] =
    rng() < 0.45
      ? { app: "xpcs.noop", durationMs: Math.round(rng() * (pinned !== null && rng() < 0.3 ? 10_000 : 4_000)) }
      : {
          app: "xpcs.corr",
          input: { path: "/data/in.bin" },
          qmap: { path: "/data/q.hdf" },
          out: { path: `/out/${key}-${at}.hdf` },
          overwrite: rng() < 0.3,
          options: {},
        };
  return {
    work,
    ...pinned,
    tags: { key },
    attemptsMax: 2 + Math.floor(rng() * 3),
    ...(at > 0 && rng() < 0.3 ? { parents: [`#${at - 1}`], onParentFailure: rng() < 0.5 ? "run" : "fail" } : {}),
    ...(rng() < 0.1 ? { deadline: new Date(Date.UTC(2026, 0, 1) + 20_000 + rng() * 80_000).toISOString() } : {}),
    ...(rng() < 0.2 ? { priority: 1 } : {}),
  };
}

/** A key with its jobs, sent; the same key again has the same answer, and another request with it is refused. */
function submit(key: string, jobs: readonly JobSpec[]): Ask {
  return async (api, history) => {
    try {
      const answer = await api.call((remote) => remote.submit({ key, jobs }));
      history.heard(key, answer.jobs, jobs.length);
    } catch (error) {
      if (!isCode(error, "KEY_CONFLICT")) throw error;
      history.marks.add("a key was used for another request");
    }
  };
}

/** Something about a job that was acknowledged before; nothing while there is none. */
function about(share: number, ask: (api: Api, id: JobId, history: History) => Promise<unknown>): Ask {
  return async (api, history) => {
    const ids = [...history.acknowledged.values()].flat();
    const id = ids[Math.floor(share * ids.length)];
    if (id === undefined) return;
    try {
      await ask(api, id, history);
    } catch (error) {
      // A retry of what runs or finished, a change of what is final: refused, and nothing has happened.
      if (!isCode(error, "REFUSED")) throw error;
    }
  };
}

/** Says that a site is down in a while; without an end it is taken back. */
function sayDown(id: string, site: string, inMs: number, forMs: number | null): Ask {
  return async (api, _history, world) => {
    const fromMs = world.clock.nowMs() + inMs;
    const [from, to] = [fromMs, forMs === null ? null : fromMs + forMs].map((ms) => (ms === null ? null : new Date(ms).toISOString()));
    try {
      await api.call((remote) => remote.addDowntime({ id, site, from: from!, to: to!, text: "" }));
    } catch (error) {
      // By the wall clock of central, which jumps, it is over already.
      if (isCode(error, "INVALID_ARGUMENT")) return;
      throw error;
    }
    if (to === null) await sleep(world.clock, inMs + 10_000).then(() => api.call((remote) => remote.removeDowntime({ id })));
  };
}

/** The requests of a seed. */
export function drawRequests(seed: number): Request[] {
  const rng = seeded(seed ^ 0xbeef);
  const requests: Request[] = [];
  const add = (ask: Ask, atMs = rng() * FAULTS_MS) => requests.push({ atMs, client: CLIENT_NAMES[Math.floor(rng() * 2)]!, ask });
  // Now and then more than the slots of all sites.
  const crowd = Math.floor(2 * REQUESTS * rng());
  for (let at = 0; at < REQUESTS; at += 1) {
    const key = `k${at}`;
    const jobs = Array.from({ length: at === crowd ? 12 : 1 + Math.floor(rng() * 3) }, (_, place) =>
      randomSpec(rng, key, place, hasPilots(seed) ? 0.4 : 0),
    );
    const atMs = rng() * FAULTS_MS;
    add(submit(key, jobs), atMs);
    if (rng() < 0.5) add(submit(key, jobs), atMs + rng() * 2_000);
    if (rng() < 0.15) add(submit(key, [{ ...jobs[0]!, tags: { other: "request" } }]), atMs + rng() * 3_000);
    if (rng() < 0.2)
      add(
        about(rng(), async (api, id, history) => {
          const { canceled } = await api.call((remote) => remote.cancel({ ids: [id] }));
          for (const job of canceled) history.canceled.add(job);
        }),
      );
    if (rng() < 0.1) add(about(rng(), (api, id) => api.call((remote) => remote.modify({ ids: [id], changes: { priority: 2 } }))));
  }
  // Of its own numbers, so that the other requests of a seed stay what they are.
  const downs = seeded(seed ^ 0xd0e);
  for (let at = 0; at < 3; at += 1) {
    if (downs() > 0.4) continue;
    const [site, inMs, forMs] = [SITE_NAMES[Math.floor(downs() * SITE_NAMES.length)]!, downs() * 8_000, 2_000 + downs() * 15_000];
    add(sayDown(`d${at}`, site, inMs, downs() < 0.3 ? null : forMs), downs() * (FAULTS_MS - 20_000));
  }
  return requests;
}

/** Sends them, each at its time; besides, one client looks at all jobs again and again. */
export function ask(world: World, requests: readonly Request[], history: History): { pending: () => number } {
  const clients = new Map(CLIENT_NAMES.map((name) => [name, world.startClient(name)]));
  let pending = requests.length;
  for (const { atMs, client, ask: send } of requests) {
    const { process, api } = clients.get(client)!;
    process.clock.after(atMs, () => {
      send(api, history, world).then(
        () => {
          pending -= 1;
        },
        (error: unknown) => history.failed(error),
      );
    });
  }
  const { process, api } = clients.get("ann")!;
  const look = () =>
    void api
      .call((remote) => remote.jobs({}))
      .then(
        ({ jobs }: { jobs: JobView[] }) => {
          for (const job of jobs) history.saw(job, world.clock.nowMs());
          process.clock.after(LOOK_MS, look);
        },
        (error: unknown) => history.failed(error),
      );
  process.clock.after(LOOK_MS, look);
  return { pending: () => pending };
}
