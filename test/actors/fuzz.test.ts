/**
 * Well-formed calls with ill-formed arguments, thousands of them, by a holder of a token: good requests of every method of both interfaces, changed at
 * random. Each is answered or refused with a code, none is a defect, and afterwards the ledger replays to what central has.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LiveSnapshot } from "../../src/core/live.js";
import { CLIENT_API_METHODS, type ClientApi, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { openLevelStore } from "../../src/ledger/level-store.js";
import { verifyLedger } from "../../src/ledger/verify.js";
import type { Connection } from "../../src/wire/connect.js";
import { seeded } from "../ledger/world.js";
import { checkEvents } from "../sim/promises.js";
import { noop, openClient, openSite, start, type TestCentral, temporaryDir } from "./support.js";

const ROUNDS = 250;
const me = { site: "a", instance: "1" };
const lease = { job: "j", epoch: 1 };

const LIVE: LiveSnapshot = {
  ...{
    cursor: 1,
    ended: null,
    note: null,
    source: "ws://detector:7979",
    frames: 10,
    missing: 0,
    gaps: 0,
    events: 5,
    framesPerS: 1,
    eventsPerS: 1,
  },
  ...{ frameTimeS: 1e-3, repeatsAfter: null, delays: [1], binsLeftOut: 0, saxs: [0.1, null], goal: null },
  bins: [
    {
      bin: 1,
      q: 0.1,
      g2: [1.2],
      error: [null],
      pairs: [3],
      fit: { tau: 1, tauError: null, contrast: 0.2, contrastError: 0.1, baseline: 1 },
    },
  ],
  intensity: { framesPerRow: 1, mean: [0.1] },
};

/** A good request of each method; `JOB` becomes the id of a job. */
const REQUESTS: Record<keyof ClientApi | keyof WorkSource, unknown> = {
  submit: { key: "k", jobs: [noop({ a: "b" }, { parents: ["JOB"], resources: { cores: 1 }, deadline: "2027-01-01T00:00:00Z" })] },
  jobs: { states: ["ready"], tags: { a: "b" }, limit: 10, after: "JOB", submittedAfter: "2026-01-01T00:00:00Z", owner: "x" },
  explain: { id: "JOB" },
  job: { id: "JOB" },
  sites: {},
  cancel: { ids: ["JOB"] },
  modify: { ids: ["JOB"], changes: { priority: 3, deadline: null, tags: { c: "d" } } },
  retry: { ids: ["JOB"], children: true },
  changes: { cursor: null, waitMs: 0 },
  live: { id: "JOB", cursor: null, waitMs: 0 },
  logs: { id: "JOB", epoch: 1, stream: "stdout", offset: 0, waitMs: 0 },
  addToken: { hash: "0".repeat(64), role: "visitor", person: "x", validS: 60 },
  tokens: {},
  revokeToken: { id: "x" },
  backup: { id: null, part: 0 },
  archiveExperiment: { experiment: "2026-3/smith", id: null, part: 0 },
  removeExperiment: { experiment: "2026-3/smith", jobs: 1, sequence: 1 },
  downtimes: {},
  addDowntime: { id: "d1", site: "z", from: "2026-12-07T15:00:00Z", to: "2099-12-07T15:00:00Z", text: "t" },
  removeDowntime: { id: "d1" },
  setProbation: { site: "z", reason: "r" },
  join: { ...me, host: "h", slots: 2, apps: ["xpcs.noop"], held: [lease] },
  lease: { ...me, slots: 1, jobsMax: 1, waitMs: 0 },
  renew: { ...me, held: [{ ...lease, state: "running", progress: 0.5, filesInMs: 9 }] },
  complete: {
    ...me,
    lease,
    outputs: [{ path: "/o", bytes: 1, sha256: "0".repeat(64) }],
    summary: { a: 1 },
    startedAtMs: 0,
    finishedAtMs: 1,
  },
  fail: { ...me, lease, code: "NATIVE_CRASHED", reason: "r" },
  giveBack: { ...me, leases: [lease], reason: "r" },
  pushLive: { ...me, lease, live: LIVE },
  pushLog: { ...me, lease, stream: "stdout", offset: 0, data: new Uint8Array([65]) },
  backlog: {
    site: me.site,
    pilots: ["s-1"],
    slots: 1,
    apps: ["xpcs.noop"],
    capacity: { cores: 1, memoryGb: 1, gpus: 0, nodes: 1, walltimeS: 60 },
  },
  leave: me,
};

const ODD: readonly unknown[] = [
  null,
  undefined,
  true,
  -1,
  0,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  "",
  "..",
  "/",
  "__proto__",
  "constructor",
  "\u0000",
  "\ud800",
  "x".repeat(5_000),
  [],
  {},
  [[]],
  new Uint8Array(3),
  new Float64Array([Number.NaN]),
  JSON.parse('{"__proto__":{"polluted":true}}'),
];

let central: TestCentral;
let folder: Awaited<ReturnType<typeof temporaryDir>>;
let client: Connection<ClientApi>;
let site: Connection<WorkSource>;
const defects: string[] = [];
const rng = seeded(20261126);
const pick = <T>(items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;

beforeAll(async () => {
  folder = await temporaryDir();
  const note = (event: string, fields: unknown) => void defects.push(`${event} ${JSON.stringify(fields)}`);
  central = await start(folder.dir, { logger: { info() {}, warn() {}, error: note } });
  client = await openClient(central);
  site = await openSite(central);
});
afterAll(async () => {
  client.close();
  site.close();
  await folder.remove();
});

/** The value with one part replaced, left out, doubled, or added. */
function changed(value: unknown): unknown {
  if (rng() < 0.25 || typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return pick(ODD);
  if (Array.isArray(value)) {
    if (value.length === 0 || rng() < 0.3) return [...value, ...(rng() < 0.5 ? value : [pick(ODD)])];
    const at = Math.floor(rng() * value.length);
    return value.map((item, place) => (place === at ? changed(item) : item));
  }
  const fields = Object.entries(value);
  if (fields.length === 0 || rng() < 0.15) return { ...value, [pick(["extra", "__proto__x", "toString", "id"])]: pick(ODD) };
  const [name, field] = pick(fields);
  if (rng() < 0.1) return Object.fromEntries(fields.filter(([other]) => other !== name));
  return { ...value, [name]: changed(field) };
}

const withJob = (value: unknown, job: string): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll('"JOB"', JSON.stringify(job))) as unknown;

describe("a call with any argument", () => {
  const answers: Record<string, number> = {};

  it.each([...Object.keys(CLIENT_API_METHODS), ...Object.keys(WORK_SOURCE_METHODS)])(
    "of %s is answered, or refused with a code",
    async (name) => {
      const method = name as keyof typeof REQUESTS;
      const isClients = method in CLIENT_API_METHODS;
      const remote = (isClients ? client.remote : site.remote) as unknown as Record<string, (request: unknown) => Promise<unknown>>;
      for (let round = 0; round < ROUNDS; round += 1) {
        // A job that is there, and a site that holds it: what the request is about.
        const { jobs } = await client.remote.submit({ key: `${name} ${round % 20}`, jobs: [noop()] });
        if (!isClients && round % 10 === 0)
          await site.remote.join({ ...me, host: "h", slots: 2, apps: ["xpcs.noop"], held: [] }).catch(() => {});
        const good = REQUESTS[method];
        const request = method === "pushLog" ? good : withJob(good, jobs[0]!);
        const sent = rng() < 0.1 ? request : changed(rng() < 0.3 ? changed(request) : request);
        const answer = await remote[name]!(sent).then(
          () => "answered",
          (error: { code?: string; message: string }) => error.code ?? `no code: ${error.message}`,
        );
        answers[answer] = (answers[answer] ?? 0) + 1;
        expect(answer, `${name} ${JSON.stringify(sent)?.slice(0, 300)}`).toMatch(
          /^(answered|INVALID_ARGUMENT|NOT_FOUND|REFUSED|KEY_CONFLICT|STALE_LEASE|PERMISSION_DENIED|OVERLOADED)$/,
        );
      }
    },
    120_000,
  );

  it("is no defect, pollutes nothing, and leaves a ledger that says one thing", async () => {
    expect(defects).toEqual([]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(answers.answered).toBeGreaterThan(200);
    expect(answers.INVALID_ARGUMENT).toBeGreaterThan(1_000);
    const { jobs } = await client.remote.submit({ key: "honest", jobs: [noop()] });
    expect(await client.remote.job({ id: jobs[0]! })).toMatchObject({ state: "ready", attempts: [] });
    await central.stop();
    const store = await openLevelStore(join(folder.dir, "ledger"));
    try {
      expect((await verifyLedger(store)).jobs).toBeGreaterThan(100);
      await checkEvents(store.events(0), new Set());
    } finally {
      await store.close();
    }
  });
});
