/** Quotas: jobs that have not ended and bytes of logs, of an experiment and of a person; what is refused, what frees, what a restart keeps. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AttemptLogs } from "../../src/actors/attempt-logs.js";
import { CENTRAL_SETTINGS } from "../../src/actors/central-settings.js";
import { type QuotaRules, Quotas } from "../../src/actors/quotas.js";
import { tokenHash } from "../../src/actors/token-file.js";
import { makeToken } from "../../src/actors/tokens.js";
import { parseSettings } from "../../src/cli/settings-file.js";
import { CLIENT_API_METHODS, type ClientApi, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { noop, openClient, openSite, start, type TestCentral, temporaryDir } from "./support.js";
import { virtualClock } from "./virtual-clock.js";

const SMITH = "2026-3/smith";
const JONES = "2026-3/jones";
const rules = (more: Partial<QuotaRules>): QuotaRules => ({ experiment: {}, person: {}, experiments: {}, persons: {}, ...more });

let central: TestCentral;
let folder: Awaited<ReturnType<typeof temporaryDir>>;
let isRunning = false;
const open: Connection<unknown>[] = [];

async function end(): Promise<void> {
  for (const { close } of open.splice(0)) close();
  if (isRunning) await central.stop();
  isRunning = false;
}

beforeEach(async () => {
  folder = await temporaryDir();
});
afterEach(async () => {
  await end();
  await folder.remove();
});

async function begin(quotas: QuotaRules): Promise<Connection<ClientApi>> {
  central = await start(folder.dir, { quotas });
  isRunning = true;
  const boss = await openClient(central);
  open.push(boss);
  return boss;
}

async function restart(quotas: QuotaRules): Promise<Connection<ClientApi>> {
  await end();
  return begin(quotas);
}

async function member(boss: Connection<ClientApi>, person: string): Promise<Connection<ClientApi>> {
  const token = makeToken("operator", randomBytes);
  await boss.remote.addToken({ hash: tokenHash(token), role: "operator", person, validS: null });
  const link = await openWebSocket(central.url, { clock: realClock });
  const session = { clock: realClock, token, version: VERSION, party: "client" } as const;
  const client = await openSession<ClientApi>(link, CLIENT_API_METHODS, session);
  open.push(client);
  return client;
}

let keys = 0;
const submit = async (who: Connection<ClientApi>, count: number, experiment = SMITH, key = `k${keys++}`) =>
  (await who.remote.submit({ key, jobs: Array.from({ length: count }, () => noop({}, { experiment, attemptsMax: 1 })) })).jobs;
const refusal = (text: string) => ({ code: "REFUSED", message: expect.stringContaining(text) });

describe("jobs that have not ended", () => {
  it("of an experiment are bounded; a repeat is none more, the end of one makes room, and others are not touched", async () => {
    const quotas = rules({ experiment: { liveJobs: 3 } });
    const boss = await begin(quotas);
    const [first] = await submit(boss, 2, SMITH, "key");
    await expect(submit(boss, 2)).rejects.toMatchObject(
      refusal("experiment 2026-3/smith has 2 jobs that have not ended, and may have 3: 2 more do not fit"),
    );
    await submit(boss, 1);
    expect((await submit(boss, 2, SMITH, "key"))[0]).toBe(first);
    await expect(submit(boss, 1)).rejects.toMatchObject(refusal("has 3 jobs"));
    await submit(boss, 3, JONES);
    await boss.remote.cancel({ ids: [first!] });
    await submit(boss, 1);
    await expect(boss.remote.retry({ ids: [first!] })).rejects.toMatchObject(refusal("1 more do not fit"));
    expect((await boss.remote.job({ id: first! })).state).toBe("canceled");
    const again = await restart(quotas);
    await expect(submit(again, 1)).rejects.toMatchObject(refusal("has 3 jobs"));
    expect((await again.remote.jobs({ experiment: SMITH, states: ["ready"] })).jobs).toHaveLength(3);
  });

  it("of a person are bounded over all experiments, and single ones may have more or less", async () => {
    const boss = await begin(
      rules({ experiments: { [JONES]: { liveJobs: 1 } }, person: { liveJobs: 2 }, persons: { bob: { liveJobs: 4 } } }),
    );
    const [alice, bob] = [await member(boss, "alice"), await member(boss, "bob")];
    await submit(alice, 1);
    await submit(alice, 1, JONES);
    await expect(submit(alice, 1, "2026-3/other")).rejects.toMatchObject(refusal("person alice has 2 jobs"));
    await expect(submit(bob, 1, JONES)).rejects.toMatchObject(refusal("experiment 2026-3/jones has 1 jobs"));
    await submit(bob, 4);
    await expect(submit(bob, 1)).rejects.toMatchObject(refusal("person bob has 4 jobs"));
  });

  it("count as ended when they finish and fail at a site, and not while they run", async () => {
    const boss = await begin(rules({ experiment: { liveJobs: 2 } }));
    await submit(boss, 2);
    const site = await openSite(central);
    open.push(site);
    const me = { site: "a", instance: "1" };
    await site.remote.join({ ...me, host: "h", slots: 2, apps: ["xpcs.noop"], held: [] });
    const { leases } = await site.remote.lease({ ...me, slots: 2, waitMs: 5_000 });
    await expect(submit(boss, 1)).rejects.toMatchObject(refusal("has 2 jobs"));
    const [one, two] = leases.map(({ job, epoch }) => ({ job, epoch }));
    await site.remote.complete({ ...me, lease: one!, outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 1 });
    await site.remote.fail({ ...me, lease: two!, code: "COMMAND_FAILED", reason: "no" });
    await submit(boss, 2);
    await expect(submit(boss, 1)).rejects.toMatchObject(refusal("has 2 jobs"));
  });

  it("over HTTP are told of with 409", async () => {
    await begin(rules({ person: { liveJobs: 0 } }));
    const response = await fetch(`${central.url.replace("ws", "http")}/v1/jobs`, {
      method: "POST",
      headers: { authorization: `Bearer ${central.operatorToken}`, "idempotency-key": "k" },
      body: JSON.stringify({ jobs: [noop()] }),
    });
    expect([response.status, await response.json()]).toMatchObject([409, { error: { code: "REFUSED" } }]);
  });
});

describe("bytes of logs", () => {
  const me = { site: "a", instance: "1" };
  const worker = async (slots: number) => {
    const site = await openSite(central);
    open.push(site);
    await site.remote.join({ ...me, host: "h", slots, apps: ["xpcs.noop"], held: [] });
    const { leases } = await site.remote.lease({ ...me, slots, waitMs: 5_000 });
    return { site, leases: leases.map(({ job, epoch }) => ({ job, epoch })) };
  };
  const push = async (site: Connection<WorkSource>, lease: { job: string; epoch: number }, offset: number, text: string) =>
    (await site.remote.pushLog({ ...me, lease, stream: "stdout", offset, data: Buffer.from(text) })).size;
  const log = async (who: Connection<ClientApi>, id: string) =>
    (await who.remote.logs({ id, stream: "stdout", offset: 0, waitMs: 0 })).text;
  const NOTE = "\n[left out: the logs of experiment 2026-3/smith have all the bytes that they may have]\n";

  it("of an experiment are bounded over its jobs; the log says what is left out, the site is told to stop, and a restart forgets nothing", async () => {
    const quotas = rules({ experiment: { logBytes: 10 } });
    const boss = await begin(quotas);
    await submit(boss, 2);
    await submit(boss, 1, JONES);
    const { site, leases } = await worker(3);
    const [first, second, theirs] = leases;
    expect(await push(site, first!, 0, "12345678")).toBe(8);
    expect(await push(site, second!, 0, "abcdef")).toBe(0);
    expect(await log(boss, second!.job)).toBe(`ab${NOTE}`);
    // Asked again, as after a lost answer: no second note, and no more bytes.
    expect(await push(site, second!, 2 + NOTE.length, "more")).toBe(2 + NOTE.length);
    expect(await log(boss, second!.job)).toBe(`ab${NOTE}`);
    expect(await push(site, first!, 8, "9")).toBe(8);
    expect(await log(boss, first!.job)).toBe(`12345678${NOTE}`);
    expect(await push(site, theirs!, 0, "0123456789")).toBe(10);
    const again = await restart(quotas);
    await submit(again, 1);
    const next = await worker(1);
    expect(await push(next.site, next.leases[0]!, 0, "x")).toBe(0);
    expect(await log(again, next.leases[0]!.job)).toBe(NOTE);
  });

  it("that were deleted are free again after the next measurement", async () => {
    const id = "j1";
    const job = { id, spec: noop({}, { experiment: SMITH }), owner: "operator", state: "ready" };
    const state = { jobs: new Map([[id, job]]) } as unknown as ConstructorParameters<typeof Quotas>[1];
    const dir = join(folder.dir, "measured");
    mkdirSync(join(dir, id), { recursive: true });
    writeFileSync(join(dir, id, "1.stdout"), "x".repeat(30));
    writeFileSync(join(dir, "stray-file"), "not a job's");
    const clock = virtualClock(0);
    const quotas = new Quotas(rules({ experiment: { logBytes: 100 }, person: { logBytes: 90 } }), state, new AttemptLogs(dir), clock);
    await quotas.measured();
    expect(quotas.logRoom(id)).toEqual({ bytes: 60, of: "person operator" });
    quotas.logGrew(id, 70);
    expect(quotas.logRoom(id)!.bytes).toBe(-10);
    rmSync(join(dir, id), { recursive: true });
    await quotas.measured();
    expect(quotas.logRoom(id)!.bytes).toBe(-10);
    await clock.advance(600_000);
    await quotas.measured();
    expect(quotas.logRoom(id)!.bytes).toBe(90);
    expect(quotas.logRoom("never-was")).toBeNull();
  });
});

describe("the settings of central", () => {
  it("have quotas, all of them optional", () => {
    const text = readFileSync(new URL("../../examples/central-settings.json", import.meta.url), "utf8");
    expect(parseSettings(CENTRAL_SETTINGS, text, "the example").quotas).toMatchObject({ experiment: { liveJobs: 50_000 } });
    expect(CENTRAL_SETTINGS.parse({}).quotas).toEqual(rules({}));
    expect(CENTRAL_SETTINGS.parse({}).data).toBeNull();
  });

  it.each([
    ['{"quotas": {"experiment": {"liveJobs": -1}}}', /quotas\.experiment\.liveJobs/],
    ['{"quotas": {"experiments": {"smith": {}}}}', /quotas\.experiments\.smith: is no experiment/],
    ['{"quotas": {"persons": {"alice": {"jobs": 1}}}}', /quotas\.persons\.alice/],
    ['{"quota": {}}', /quota/],
  ])("%s is refused with its place", (text, message) => {
    expect(() => parseSettings(CENTRAL_SETTINGS, text, "c.json")).toThrow(message);
  });
});
