/** What a token opens, from outside: roles, its end while a link is open, failed log-ins, and whose name the ledger carries. */
import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeToken } from "../../src/actors/tokens.js";
import type { TokenRequest } from "../../src/core/access.js";
import { LIMITS } from "../../src/core/limits.js";
import type { LogFields } from "../../src/core/log.js";
import {
  CLIENT_API_METHODS,
  type ClientApi,
  GATE_METHODS,
  type Gate,
  WORK_SOURCE_METHODS,
  type WorkSource,
} from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { type Connection, connect, openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { noop, openClient, openSite, type TestCentral, withCentral } from "./support.js";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
let central: TestCentral;
let boss: Connection<ClientApi>;
let log: { event: string; fields: LogFields }[];
/** Added to the wall clock that central sees. */
let laterMs = 0;

const note = (event: string, fields: LogFields = {}) => void log.push({ event, fields });

beforeEach(() => {
  laterMs = 0;
  log = [];
});
withCentral(
  async (made) => {
    central = made;
    boss = await openClient(central);
  },
  { logger: { info: note, warn: note, error: note }, clock: { ...realClock, nowMs: () => Date.now() + laterMs } },
);
afterEach(() => boss.close());

const session = { clock: realClock, version: VERSION };
const dial = () => openWebSocket(central.url, { clock: realClock });
const client = async (token: string) => openSession<ClientApi>(await dial(), CLIENT_API_METHODS, { ...session, token, party: "client" });
const site = async (token: string) => openSession<WorkSource>(await dial(), WORK_SOURCE_METHODS, { ...session, token, party: "site" });

async function newToken(request: Partial<TokenRequest> & Pick<TokenRequest, "role">): Promise<{ token: string; id: string }> {
  const token = makeToken(request.role, randomBytes);
  const made = await boss.remote.addToken({ hash: sha256(token), person: "alice", validS: 3_600, ...request });
  return { token, id: made.token.id };
}

describe("a visitor", () => {
  it("sees everything and changes nothing", async () => {
    const { jobs } = await boss.remote.submit({ key: "k", jobs: [noop()] });
    const { token } = await newToken({ role: "visitor" });
    const { remote, welcome, close } = await client(token);
    expect(welcome).toMatchObject({ role: "visitor", person: "alice", experiment: null });
    expect(welcome.expiresInMs).toBeGreaterThan(3_500_000);
    expect((await remote.jobs({})).jobs).toHaveLength(1);
    expect(await remote.job({ id: jobs[0]! })).toMatchObject({ owner: "operator" });
    expect((await remote.changes({ cursor: null, waitMs: 0 })).jobs).toEqual([]);
    const refused = { code: "PERMISSION_DENIED", message: expect.stringContaining("alice's token (visitor)") };
    await expect(remote.submit({ key: "v", jobs: [noop()] })).rejects.toMatchObject(refused);
    await expect(remote.cancel({ ids: jobs })).rejects.toMatchObject(refused);
    await expect(remote.tokens({})).rejects.toMatchObject(refused);
    await expect(remote.revokeToken({ id: "t" })).rejects.toMatchObject(refused);
    await expect(remote.addToken({ hash: sha256("x"), role: "operator", person: "alice", validS: null })).rejects.toMatchObject(refused);
    expect((await boss.remote.job({ id: jobs[0]! })).state).toBe("ready");
    close();
  });
});

describe("an operator of one experiment", () => {
  it("makes no tokens, so that it cannot let itself into others", async () => {
    const { token } = await newToken({ role: "operator", experiment: "2026-3/smith" });
    const { remote, close } = await client(token);
    await expect(remote.addToken({ hash: sha256("x"), role: "operator", person: "alice", validS: null })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringContaining("operator of all experiments"),
    });
    close();
  });
});

describe("a site's token", () => {
  it("is for its site alone, and not for clients", async () => {
    const { token } = await newToken({ role: "site", site: "polaris" });
    await expect(client(token)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const { remote, close } = await site(token);
    const joinAs = (name: string) => remote.join({ site: name, instance: "1", host: "h", slots: 1, apps: [], held: [] });
    await expect(joinAs("other")).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringContaining("for site polaris"),
    });
    await joinAs("polaris");
    close();
  });

  it("comes from a join code, over a link that has shown no token", async () => {
    const code = makeToken("join", randomBytes);
    await boss.remote.addToken({ hash: sha256(code), role: "site", site: "polaris", person: "alice", validS: null, join: true });
    const token = makeToken("site", randomBytes);
    const gate = connect<Gate>(await dial(), GATE_METHODS, { clock: realClock });
    const made = await gate.remote.exchangeCode({ code, hash: sha256(token), version: VERSION });
    expect(made.token).toMatchObject({ site: "polaris", role: "site" });
    await expect(gate.remote.exchangeCode({ code, hash: sha256("other"), version: VERSION })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    gate.close();
    const { close } = await site(token);
    close();
  });
});

describe("a token that ends", () => {
  it("closes the links that it opened, and says why, when it is revoked", async () => {
    const { token, id } = await newToken({ role: "operator" });
    const { closed } = await client(token);
    await boss.remote.revokeToken({ id });
    expect((await closed).message).toContain("was revoked");
    await expect(client(token)).rejects.toMatchObject({ code: "PERMISSION_DENIED", message: expect.stringContaining("was revoked") });
    expect((await boss.remote.jobs({})).jobs).toEqual([]);
  });

  it("closes what was opened with its descendants too, when they end with it, and makes no more", async () => {
    const { token, id } = await newToken({ role: "operator" });
    const thief = await client(token);
    const made = makeToken("operator", randomBytes);
    await thief.remote.addToken({ hash: sha256(made), role: "operator", person: "nobody", validS: null });
    const helper = await client(made);
    const [{ descendants }, late] = await Promise.all([
      boss.remote.revokeToken({ id, descendants: true }),
      // Sent on an open link right after the order.
      thief.remote.addToken({ hash: sha256("late"), role: "operator", person: "nobody", validS: null }).catch(({ code }) => code),
    ]);
    expect(descendants.filter(({ state }) => state === "valid")).toEqual([]);
    expect(descendants).toMatchObject([{ person: "nobody", createdBy: "alice", madeWith: id }]);
    expect(late).toBe("PERMISSION_DENIED");
    expect((await helper.closed).message).toContain("was revoked");
    await expect(client(made)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect((await boss.remote.tokens({})).tokens.filter(({ person, state }) => person === "nobody" && state === "valid")).toEqual([]);
  });

  it("is warned of in the log, and closes its links when it expires", async () => {
    const { token, id } = await newToken({ role: "operator", validS: 86_400 });
    const { closed } = await client(token);
    const warnings = () =>
      log.filter(({ event, fields }) => event === "token-expires" && fields.token === id).map(({ fields }) => fields.reason);
    laterMs = 13 * 3_600_000;
    await vi.waitFor(() => expect(warnings()).toEqual(["less than 12 h are left: make a new one"]), { timeout: 3_000 });
    laterMs = 23 * 3_600_000;
    await vi.waitFor(() => expect(warnings()).toHaveLength(2), { timeout: 3_000 });
    laterMs = 24 * 3_600_000;
    expect((await closed).message).toContain("expired");
    expect(warnings()).toHaveLength(2);
  });
});

describe("failed log-ins", () => {
  it("are refused unread after some, a right token too, while open links go on", async () => {
    for (let n = 0; n < LIMITS.loginFailuresMax; n += 1)
      await expect(client(`wrong ${n}`)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(client(central.operatorToken)).rejects.toMatchObject({
      code: "OVERLOADED",
      message: expect.stringMatching(/looked at in \d+ s/),
    });
    expect((await boss.remote.jobs({})).jobs).toEqual([]);
    expect(JSON.stringify(log)).not.toContain("wrong 1");
  });
});

describe("the ledger and the log", () => {
  it("carry the name of the person behind every order", async () => {
    const { token } = await newToken({ role: "operator", person: "carol" });
    const { remote, close } = await client(token);
    const { jobs } = await remote.submit({ key: "k", jobs: [noop(), noop()] });
    await boss.remote.cancel({ ids: [jobs[0]!] });
    const worker = await openSite(central);
    await worker.remote.join({ site: "a", instance: "1", host: "h", slots: 1, apps: ["xpcs.noop"], held: [] });
    await worker.remote.lease({ site: "a", instance: "1", slots: 1, waitMs: 1_000 });
    await worker.remote.fail({ site: "a", instance: "1", lease: { job: jobs[1]!, epoch: 1 }, code: "IO_FAILED", reason: "disk" });
    expect(await remote.job({ id: jobs[0]! })).toMatchObject({ owner: "carol", reason: "canceled by operator" });
    const by = (event: string) => log.filter((line) => line.event === event).map(({ fields }) => fields.by);
    expect(by("submitted")).toEqual(["carol"]);
    expect(by("canceled")).toEqual(["operator"]);
    expect(by("site-joined")).toEqual(["site"]);
    expect(by("attempt-ended")).toEqual(["site"]);
    expect(by("leased")).toEqual([undefined]);
    expect(by("token-created")).toEqual(["operator"]);
    close();
    worker.close();
  });
});
