/** Tokens: what is kept of them, who may have made them, when they end, and join codes. */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LoginLimiter } from "../../src/actors/login-limiter.js";
import { makeToken, Tokens } from "../../src/actors/tokens.js";
import type { TokenRequest } from "../../src/core/access.js";
import { LIMITS } from "../../src/core/limits.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import { beforeExpiry, timeLeft } from "../../src/core/token-expiry.js";
import { virtualClock } from "./virtual-clock.js";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const HOUR_MS = 3_600_000;

let dir: string;
let nowMs = Date.UTC(2026, 10, 25);
const clock = { ...realClock, nowMs: () => nowMs };
const open = () => Tokens.open(dir, { clock, logger: silentLogger, randomBytes });
const request = (token: string, more: Partial<TokenRequest> = {}): TokenRequest => ({
  ...{ hash: sha256(token), role: "operator", person: "alice", validS: 3_600 },
  ...more,
});

beforeEach(async () => {
  nowMs = Date.UTC(2026, 10, 25);
  dir = await mkdtemp(join(tmpdir(), "xpcs-tokens-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));
const kept = () => readFileSync(join(dir, "tokens.json"), "utf8");

describe("the tokens of a central", () => {
  it("are an operator's and a site's at first, shown once, and kept as hashes", async () => {
    const { tokens, first } = await open();
    expect((await tokens.admit(first!.operatorToken)).principal).toMatchObject({ role: "operator", person: "operator", experiment: null });
    expect((await tokens.admit(first!.siteToken)).principal).toMatchObject({ role: "site", site: null });
    expect(kept()).not.toContain(first!.operatorToken.slice(8));
    expect(statSync(join(dir, "tokens.json")).mode & 0o777).toBe(0o600);
    const again = await open();
    expect(again.first).toBeNull();
    expect((await again.tokens.admit(first!.operatorToken)).principal.role).toBe("operator");
  });

  it("have nothing near them that counts", async () => {
    const { tokens, first } = await open();
    const { operatorToken } = first!;
    for (const wrong of ["", operatorToken.slice(0, -1), `${operatorToken}x`, operatorToken.toUpperCase(), sha256(operatorToken)]) {
      await expect(tokens.admit(wrong)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    }
  });

  it("are added with a name, an experiment or a site, once per token, and listed without anything secret", async () => {
    const { tokens } = await open();
    const token = makeToken("operator", randomBytes);
    const view = await tokens.add(request(token, { experiment: "2026-3/smith" }), "boss", null);
    expect(await tokens.add(request(token, { experiment: "2026-3/smith" }), "boss", null)).toEqual(view);
    expect(view).toMatchObject({ person: "alice", experiment: "2026-3/smith", state: "valid", createdBy: "boss" });
    expect(tokens.list()).toHaveLength(3);
    expect(JSON.stringify(tokens.list())).not.toContain(sha256(token));
    await expect(tokens.add(request(token, { role: "visitor" }), "boss", null)).rejects.toMatchObject({ code: "KEY_CONFLICT" });
    await expect(tokens.add(request("x", { role: "site", experiment: "e" }), "boss", null)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(tokens.add(request("x", { site: "s" }), "boss", null)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(tokens.add(request("x", { role: "site", join: true }), "boss", null)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("end when they expire or are revoked, and say so", async () => {
    const { tokens } = await open();
    const [short, long] = [makeToken("operator", randomBytes), makeToken("operator", randomBytes)];
    const { id } = await tokens.add(request(short), "boss", null);
    await tokens.add(request(long, { validS: null, person: "bob" }), "boss", null);
    expect(tokens.endOf(id)).toBeNull();
    nowMs += HOUR_MS;
    await expect(tokens.admit(short)).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringMatching(/of alice expired at 2026-11-25T01/),
    });
    expect(tokens.endOf(id)).toBe("expired");
    const bob = (await tokens.admit(long)).principal.token;
    expect((await tokens.revoke(bob, "boss", false)).token).toMatchObject({ state: "revoked" });
    expect((await tokens.revoke(bob, "boss", false)).token).toMatchObject({ state: "revoked" });
    await expect(tokens.admit(long)).rejects.toMatchObject({ message: expect.stringContaining("of bob was revoked") });
    await expect(tokens.revoke("t0000000000", "boss", false)).rejects.toMatchObject({ code: "NOT_FOUND" });
    const again = await open();
    await expect(again.tokens.admit(long)).rejects.toMatchObject({ message: expect.stringContaining("was revoked") });
  });

  it("that another process made or revoked count without a restart", async () => {
    const { tokens } = await open();
    const other = (await open()).tokens;
    const token = makeToken("visitor", randomBytes);
    const { id } = await other.add(request(token, { role: "visitor" }), "file", null);
    expect((await tokens.admit(token)).principal.role).toBe("visitor");
    await other.revoke(id, "file", false);
    await tokens.reload();
    expect(tokens.endOf(id)).toBe("revoked");
  });

  it("survive many writers at once, and a writer that died with the lock", async () => {
    const writers = await Promise.all([open(), open(), open()]);
    await Promise.all(writers.flatMap(({ tokens }, at) => [1, 2, 3].map((n) => tokens.add(request(`token ${at} ${n}`), "boss", null))));
    await writers[0]!.tokens.reload();
    expect(writers[0]!.tokens.list()).toHaveLength(2 + 9);
    const lock = join(dir, "tokens.json.lock");
    writeFileSync(lock, "");
    utimesSync(lock, 0, 0);
    await writers[1]!.tokens.add(request("after the lock"), "boss", null);
    expect(writers[1]!.tokens.list()).toHaveLength(2 + 10);
  });

  it("are kept when the file is damaged or gone while central runs; a start on a damaged one is refused", async () => {
    const { tokens, first } = await open();
    const path = join(dir, "tokens.json");
    writeFileSync(path, `{"version":2,"tokens":[{"id":"t1"}]}`);
    await tokens.reload();
    expect((await tokens.admit(first!.operatorToken)).principal.role).toBe("operator");
    await expect(open()).rejects.toMatchObject({ code: "CORRUPT_DATA", message: expect.stringContaining("tokens.0") });
    rmSync(path);
    await tokens.reload();
    expect((await tokens.admit(first!.operatorToken)).principal.role).toBe("operator");
  });

  it("are forgotten 90 days after their end, and no more than a bound are kept", async () => {
    const { tokens } = await open();
    await tokens.add(request("old"), "boss", null);
    nowMs += HOUR_MS + 1_000 * LIMITS.endedTokensKeptS;
    await tokens.add(request("new"), "boss", null);
    expect(tokens.list().map(({ state }) => state)).toEqual(["valid", "valid", "valid"]);
  });
});

describe("a join code", () => {
  const join_ = async () => {
    const { tokens } = await open();
    const code = makeToken("join", randomBytes);
    const view = await tokens.add(
      { hash: sha256(code), role: "site", person: "alice", site: "polaris", validS: 7_200, join: true },
      "boss",
      null,
    );
    return { tokens, code, view };
  };

  it("is exchanged once for the token of its site, again only by who made that token, and opens nothing itself", async () => {
    const { tokens, code, view } = await join_();
    expect(view).toMatchObject({ join: true, expiresAt: "2026-11-26T00:00:00.000Z" });
    await expect(tokens.admit(code)).rejects.toMatchObject({ message: expect.stringContaining("join code") });
    const site = makeToken("site", randomBytes);
    const made = await tokens.exchange(code, sha256(site));
    expect(made).toMatchObject({
      role: "site",
      site: "polaris",
      expiresAt: "2026-11-25T02:00:00.000Z",
      createdBy: view.id,
      madeWith: view.id,
    });
    expect(await tokens.exchange(code, sha256(site))).toEqual(made);
    await expect(tokens.exchange(code, sha256("another"))).rejects.toMatchObject({ message: expect.stringContaining("was used") });
    expect((await tokens.admit(site)).principal).toMatchObject({ role: "site", site: "polaris", person: "alice" });
  });

  it("is refused when it is forged, expired or revoked, and cannot take over a token that exists", async () => {
    const { tokens, code, view } = await join_();
    await expect(tokens.exchange("xpcs_join_forged", sha256("s"))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const existing = makeToken("operator", randomBytes);
    await tokens.add(request(existing), "boss", null);
    await expect(tokens.exchange(existing, sha256("s"))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(tokens.exchange(code, sha256(existing))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    nowMs += 1_000 * LIMITS.joinCodeS;
    await expect(tokens.exchange(code, sha256("s"))).rejects.toMatchObject({ message: expect.stringContaining("expired") });
    nowMs -= 1_000 * LIMITS.joinCodeS;
    await tokens.revoke(view.id, "boss", false);
    await expect(tokens.exchange(code, sha256("s"))).rejects.toMatchObject({ message: expect.stringContaining("was revoked") });
  });
});

describe("what was made with a token", () => {
  const states = (tokens: Tokens) => Object.fromEntries(tokens.list().map(({ id, state }) => [id, state]));
  /** boss made a, a made b, and a join code of b made site c; boss made d too. */
  const family = async () => {
    const { tokens, first } = await open();
    const boss = (await tokens.admit(first!.operatorToken)).principal.token;
    const make = async (name: string, madeWith: string, more: Partial<TokenRequest> = {}) =>
      (await tokens.add(request(name, { validS: null, ...more }), name, madeWith)).id;
    const a = await make("a", boss);
    const b = await make("b", a);
    const code = await make("code", b, { role: "site", site: "polaris", join: true });
    const c = (await tokens.exchange("code", sha256("c"))).id;
    const d = await make("d", boss);
    return { tokens, boss, a, b, code, c, d };
  };

  it("is known, and lives on when that is revoked alone", async () => {
    const { tokens, boss, a, b, code, c, d } = await family();
    expect(Object.fromEntries(tokens.list().map(({ id, madeWith }) => [id, madeWith]))).toMatchObject({
      [a]: boss,
      [b]: a,
      [c]: code,
      [d]: boss,
    });
    const { token, descendants } = await tokens.revoke(a, "boss", false);
    expect(token).toMatchObject({ id: a, state: "revoked" });
    expect(descendants.map(({ id, state }) => [id, state])).toEqual([
      [c, "valid"],
      [code, "used"],
      [b, "valid"],
    ]);
    expect(states(tokens)).toMatchObject({ [boss]: "valid", [a]: "revoked", [b]: "valid", [c]: "valid", [d]: "valid" });
  });

  it("ends with it when that is asked for, also later, by way of others, and after a restart", async () => {
    const { tokens, boss, a, b, code, c, d } = await family();
    await tokens.revoke(a, "boss", false);
    const again = (await open()).tokens;
    const ended = await again.revoke(a, "boss", true);
    expect(await again.revoke(a, "boss", true)).toEqual(ended);
    expect(ended.descendants.map(({ id, state }) => [id, state])).toEqual([
      [c, "revoked"],
      [code, "used"],
      [b, "revoked"],
    ]);
    expect(states(again)).toMatchObject({ [boss]: "valid", [a]: "revoked", [b]: "revoked", [c]: "revoked", [d]: "valid" });
    await expect(again.admit("c")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  it("cannot be added once that has ended", async () => {
    const { tokens, a } = await family();
    await tokens.revoke(a, "boss", true);
    const late = { code: "PERMISSION_DENIED", message: expect.stringContaining("has ended") };
    await expect(tokens.add(request("late"), "a", a)).rejects.toMatchObject(late);
    await expect(tokens.add(request("late"), "a", "t00000000000")).rejects.toMatchObject(late);
    const brief = await tokens.add(request("brief"), "boss", null);
    nowMs += HOUR_MS;
    await expect(tokens.add(request("late"), "brief", brief.id)).rejects.toMatchObject(late);
  });

  it("keeps it in the list as long as itself counts, so that it can still be ended", async () => {
    const { tokens, boss, a, b } = await family();
    await tokens.revoke(a, "boss", false);
    nowMs += 1_000 * LIMITS.endedTokensKeptS;
    await tokens.add(request("new"), "boss", null);
    expect(states(tokens)).toMatchObject({ [a]: "revoked", [b]: "valid" });
    await tokens.revoke(boss, "boss", true);
    expect(states(tokens)).toMatchObject({ [b]: "revoked" });
    nowMs += 1_000 * LIMITS.endedTokensKeptS;
    await tokens.add(request("newer"), "boss", null);
    expect(Object.keys(states(tokens)).filter((id) => [boss, a, b].includes(id))).toEqual([]);
  });
});

describe("the warning of a token's end", () => {
  it("comes 12 h and 2 h before it, once each, however far the end is", async () => {
    const time = virtualClock(0);
    const told: string[] = [];
    beforeExpiry(time, 60 * 24 * HOUR_MS, (leftMs) => told.push(timeLeft(leftMs)));
    beforeExpiry(time, null, () => told.push("never"));
    for (let hour = 0; hour < 60 * 24 - 13; hour += 24) await time.advance(24 * HOUR_MS);
    expect(told).toEqual(["12 h 0 min", "2 h 0 min"]);
  });

  it("comes at once when the end is near, and not after it was called off", async () => {
    const time = virtualClock(0);
    const told: string[] = [];
    beforeExpiry(time, 3 * HOUR_MS, (leftMs) => told.push(timeLeft(leftMs))).cancel();
    beforeExpiry(time, 90 * 60_000, (leftMs) => told.push(timeLeft(leftMs)));
    await time.advance(24 * HOUR_MS);
    expect(told).toEqual(["3 h 0 min", "1 h 30 min"]);
  });
});

describe("failed log-ins", () => {
  it("from one address, or one network of IPv6, are refused unread after a while, until the window is over", async () => {
    const time = virtualClock(0);
    const limiter = new LoginLimiter(time);
    const fail = (address: string, times: number) => Array.from({ length: times }, () => limiter.failed(address));
    fail("10.0.0.1", LIMITS.loginFailuresMax - 1);
    expect(limiter.waitMs("10.0.0.1")).toBe(0);
    await time.advance(10_000);
    fail("::ffff:10.0.0.1", 1);
    expect(limiter.waitMs("10.0.0.1")).toBe(LIMITS.loginWindowMs - 10_000);
    expect(limiter.waitMs("10.0.0.2")).toBe(0);
    fail("2001:db8:1:2::1", 5);
    fail("2001:db8:1:2:3:4:5:6", 5);
    expect(limiter.waitMs("2001:db8:1:2:ffff::9")).toBeGreaterThan(0);
    expect(limiter.waitMs("2001:db8:1:3::1")).toBe(0);
    await time.advance(LIMITS.loginWindowMs);
    expect(limiter.waitMs("10.0.0.1")).toBe(0);
  });

  it("are remembered for a bounded number of addresses", () => {
    const limiter = new LoginLimiter(virtualClock(0));
    const address = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    for (let times = 0; times < LIMITS.loginFailuresMax; times += 1) limiter.failed(address(0));
    for (let n = 1; n <= LIMITS.loginAddressesMax; n += 1) limiter.failed(address(n));
    expect(limiter.waitMs(address(0))).toBe(0);
  });
});
