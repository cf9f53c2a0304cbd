/** A token of one experiment can neither list, read, change nor guess the jobs of another. */
import { createHash, randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { makeToken } from "../../src/actors/tokens.js";
import type { Role } from "../../src/core/access.js";
import { DEFAULT_EXPERIMENT } from "../../src/core/job.js";
import { CLIENT_API_METHODS, type ClientApi } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { noop, openClient, type TestCentral, withCentral } from "./support.js";

const OURS = "2026-3/smith";
const THEIRS = "2026-3/jones";

let central: TestCentral;
let boss: Connection<ClientApi>;
let us: Connection<ClientApi>;
let them: Connection<ClientApi>;

async function member(experiment: string, role: Role = "operator"): Promise<Connection<ClientApi>> {
  const token = makeToken(role, randomBytes);
  const hash = createHash("sha256").update(token).digest("hex");
  await boss.remote.addToken({ hash, role, person: experiment, experiment, validS: null });
  const link = await openWebSocket(central.url, { clock: realClock });
  return openSession<ClientApi>(link, CLIENT_API_METHODS, { clock: realClock, token, version: VERSION, party: "client" });
}

withCentral(async (made) => {
  central = made;
  boss = await openClient(central);
  us = await member(OURS);
  them = await member(THEIRS);
});
afterEach(() => {
  for (const { close } of [boss, us, them]) close();
});

const submit = async (who: Connection<ClientApi>, key: string, more = {}) =>
  (await who.remote.submit({ key, jobs: [noop({}, more)] })).jobs[0]!;
const idsOf = async (who: Connection<ClientApi>, query = {}) => (await who.remote.jobs(query)).jobs.map(({ id }) => id);
/** What a call answers, or the error's code and message. */
const outcome = (call: Promise<unknown>) => call.catch(({ code, message }: { code: string; message: string }) => ({ code, message }));

describe("a token of one experiment", () => {
  it("submits into its own experiment, and into no other", async () => {
    const id = await submit(us, "k");
    expect(await us.remote.job({ id })).toMatchObject({ experiment: OURS, owner: OURS });
    expect((await us.remote.job({ id: await submit(us, "k2", { experiment: OURS }) })).experiment).toBe(OURS);
    await expect(submit(us, "k3", { experiment: THEIRS })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(submit(us, "k4", { experiment: DEFAULT_EXPERIMENT })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  it("lists its own jobs alone, whatever it asks for", async () => {
    const ours = await submit(us, "k");
    const theirs = await submit(them, "k");
    const staff = await submit(boss, "k");
    expect(await idsOf(us)).toEqual([ours]);
    expect(await idsOf(us, { ids: [ours, theirs, staff] })).toEqual([ours]);
    expect(await idsOf(us, { experiment: THEIRS })).toEqual([]);
    expect(await idsOf(us, { experiment: DEFAULT_EXPERIMENT })).toEqual([]);
    expect((await idsOf(boss)).sort()).toEqual([ours, theirs, staff].sort());
    expect(await idsOf(await member(OURS, "visitor"))).toEqual([ours]);
  });

  it("learns of a job of another no more than of one that never was", async () => {
    const theirs = await submit(them, "k");
    const never = theirs.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    const asked = (id: string) => [
      outcome(us.remote.job({ id })),
      outcome(us.remote.cancel({ ids: [id] })),
      outcome(us.remote.retry({ ids: [id] })),
      outcome(us.remote.modify({ ids: [id], changes: { tags: { a: "b" } } })),
      outcome(us.remote.submit({ key: "child", jobs: [noop({}, { parents: [id] })] })),
      outcome(us.remote.jobs({ after: id })),
      outcome(us.remote.jobs({ ids: [id] })),
    ];
    const [about, ofNothing] = await Promise.all([Promise.all(asked(theirs)), Promise.all(asked(never))]);
    expect(JSON.stringify(about).replaceAll(theirs, "ID")).toBe(JSON.stringify(ofNothing).replaceAll(never, "ID"));
    expect(about[0]).toMatchObject({ code: "NOT_FOUND" });
    expect((await them.remote.job({ id: theirs })).state).toBe("ready");
  });

  it("cancels nothing when one of the jobs is another's", async () => {
    const ours = await submit(us, "k");
    const theirs = await submit(them, "k");
    await expect(us.remote.cancel({ ids: [ours, theirs] })).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await us.remote.job({ id: ours })).state).toBe("ready");
  });

  it("may use a key that another experiment used, and gets jobs of its own", async () => {
    const theirs = await submit(them, "scan 53");
    const ours = await submit(us, "scan 53");
    expect(ours).not.toBe(theirs);
    expect(await submit(us, "scan 53")).toBe(ours);
    await expect(us.remote.submit({ key: "scan 53", jobs: [noop({ a: "b" })] })).rejects.toMatchObject({ code: "KEY_CONFLICT" });
  });

  it("hears of its own changes alone, also while others change", async () => {
    const { cursor } = await us.remote.changes({ cursor: null, waitMs: 0 });
    const news = us.remote.changes({ cursor, waitMs: 5_000 });
    for (let n = 0; n < 20; n += 1) await submit(them, `their ${n}`);
    const ours = await submit(us, "k");
    const heard = await news;
    expect(heard.jobs.map(({ id }) => id)).toEqual([ours]);
    const nothing = await us.remote.changes({ cursor: heard.cursor, waitMs: 50 });
    expect(nothing.jobs).toEqual([]);
    await submit(them, "again");
    expect((await us.remote.changes({ cursor: nothing.cursor, waitMs: 50 })).jobs).toEqual([]);
    expect((await us.remote.changes({ cursor, waitMs: 0 })).jobs.map(({ id }) => id)).toEqual([ours]);
  });
});
