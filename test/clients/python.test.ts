/** The Python client of clients/python against a live central and site: each call, lost connections, restarts, hostile answers, tokens and TLS. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { ERROR_CODES } from "../../src/core/errors.js";
import type { LiveSnapshot } from "../../src/core/live.js";
import { VERSION } from "../../src/core/version.js";
import { connect } from "../../src/index.js";
import { decodeFrame, encodeFrame } from "../../src/wire/codec.js";
import { openSite, start, type TestCentral, temporaryDir, withCentral } from "../actors/support.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { TcpProxy } from "../chaos/tcp-proxy.js";
import { CLIENT, type PythonRun, SKIP, startPython } from "./python-process.js";

const SCENARIOS = fileURLToPath(new URL("scenarios.py", import.meta.url));

const LIVE: LiveSnapshot = {
  ...{ cursor: 1, ended: null, note: null, source: "ws://detector:7979", frames: 0, missing: 0, gaps: 0, events: 5 },
  ...{ framesPerS: 1, eventsPerS: 1, frameTimeS: 1e-3, repeatsAfter: null, delays: [1], binsLeftOut: 0, saxs: [0.1, null], goal: null },
  bins: [{ bin: 1, q: 0.1, g2: [1.2], error: [null], pairs: [3], fit: null }],
  intensity: { framesPerRow: 1, mean: [0.1] },
};

const running: PythonRun[] = [];
function scenario(name: string, args: Readonly<Record<string, unknown>>): PythonRun {
  const run = startPython(SCENARIOS, [name, JSON.stringify(args)]);
  running.push(run);
  return run;
}
afterEach(() => {
  for (const run of running.splice(0)) run.kill();
});

if (SKIP !== null) console.warn(`the Python client is not tested: ${SKIP}`);

describe.skipIf(SKIP !== null)("the package by itself", () => {
  it("passes its own tests", async () => {
    await startPython("-m", ["unittest", "discover", "-s", `${CLIENT}/tests`]).end();
  });

  it("has the program's version, and its codes of errors", async () => {
    const text = `import json, xpcs_client; print(json.dumps([xpcs_client.__version__, xpcs_client.CODES]))`;
    const codes = Object.fromEntries(Object.entries(ERROR_CODES).map(([code, { retry }]) => [code, retry]));
    expect(await startPython("-c", [text]).next()).toEqual([VERSION, codes]);
    expect(readFileSync(`${CLIENT}/pyproject.toml`, "utf8")).toContain(`version = "${VERSION}"`);
  });
});

describe.skipIf(SKIP !== null)("a central and a site as processes", () => {
  let facility: Facility;
  let where: { url: string; token: string };
  beforeAll(async () => {
    facility = await startFacility();
    where = { url: facility.url, token: facility.operatorToken };
    mkdirSync(join(facility.folder, "work"), { recursive: true });
    const apps = join(facility.folder, "apps.json");
    const says = ["/bin/sh", "-c", 'echo "$0"; echo err >&2; sleep 0.6; echo bye', "{text}"];
    writeFileSync(apps, JSON.stringify({ says: { argv: says, parameters: { text: { type: "text" } } } }));
    await facility.startSite("here", 4, ["--apps", apps]);
  });
  afterAll(() => facility.end());

  it("does what each call says", async () => {
    const run = scenario("everyday", where);
    expect(await run.next()).toEqual({ state: "finished", site: "here", tags: { n: "one" }, priority: 3, last: true });
    expect(await run.next()).toEqual({ job: true, site: "here", why: true, happened: true });
    expect(await run.next()).toEqual(["here"]);
    expect(await run.next()).toEqual({ same: true, conflict: "KEY_CONFLICT" });
    expect(await run.next()).toEqual({ page: true, rest: true, next: null });
    expect(await run.next()).toEqual({ ready: 5, limited: 3 });
    expect(await run.next()).toEqual({ modified: true, priority: 9 });
    expect(await run.next()).toEqual({ canceled: 5, again: 5, final: 1 });
    expect(await run.next()).toEqual({ retry: true, state: "ready" });
    const [noJob, noCancel, noWait, noAttempt, noData, noCursor, isFinal, noLimit, late] = (await run.next()) as string[];
    expect([noJob, noCancel, noWait]).toEqual(["NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]);
    expect([noAttempt, noData, noCursor, noLimit]).toEqual(Array(4).fill("INVALID_ARGUMENT"));
    expect([isFinal, late]).toEqual(["REFUSED", "DEADLINE_EXCEEDED"]);
    expect(await run.next()).toEqual([true]);
    expect(await run.next()).toBe(true);
    expect(await run.next()).toBe("UNAVAILABLE");
    await run.end();
  });

  it("reads what a command writes, as it comes and afterwards", async () => {
    const run = scenario("logs", where);
    expect(await run.next()).toEqual({ followed: "héllo\nbye\n", again: "héllo\nbye\n", err: "rr\n" });
    await run.end();
  });

  it("goes on where central is killed and started again", async () => {
    const run = scenario("waits_through_a_fault", where);
    const job = (await run.next()) as string;
    await facility.kill("central");
    await new Promise((resolve) => setTimeout(resolve, 500));
    await facility.startCentral();
    // The site that it is pinned to comes only now.
    await facility.startSite("later", 1);
    expect(await run.next()).toEqual({ state: "finished", seen: true });
    expect((await facility.client.job(job)).attempts.filter(({ outcome }) => outcome === "finished")).toHaveLength(1);
    await run.end();
  });
});

describe.skipIf(SKIP !== null)("a central with many jobs", () => {
  it("takes them in several calls, lists them in several pages, and ends them", { timeout: 120_000 }, async () => {
    const facility = await startFacility();
    try {
      await facility.startSite("here", 64);
      const run = scenario("big", { url: facility.url, token: facility.operatorToken, jobs: 2_300 });
      expect(await run.next()).toEqual({ ids: 2_300, order: true });
      expect(await run.next()).toEqual({ tags: true });
      expect(await run.next()).toBe(true);
      expect(await run.next()).toEqual({ finished: 2_300, "in order": true });
      await run.end();
    } finally {
      await facility.end();
    }
  });
});

describe.skipIf(SKIP !== null)("links that fail", () => {
  let central: TestCentral;
  let proxy: TcpProxy;
  withCentral(async (made) => {
    central = made;
    proxy = await TcpProxy.listen(Number(new URL(made.url).port));
  });
  afterEach(() => proxy.close());
  const through = () => ({ url: `ws://127.0.0.1:${proxy.port}`, token: central.operatorToken });
  const count = async (): Promise<number> => {
    const client = await connect(central.url, { token: central.operatorToken });
    try {
      return (await client.jobs()).jobs.length;
    } finally {
      client.close();
    }
  };

  it("submits once when the connection breaks before the answer", async () => {
    const run = scenario("submits_through_a_fault", { ...through(), key: "once", jobs: 3 });
    expect(await run.next()).toBe("ready");
    // Requests arrive, answers do not.
    proxy.stall({ out: false, in: true });
    run.go();
    await expect.poll(count).toBe(3);
    proxy.cut();
    proxy.flow();
    expect(((await run.next()) as string[]).length).toBe(3);
    expect(await count()).toBe(3);
    await run.end();
  });

  it("notices a dead peer by its heartbeat, and dials again", { timeout: 60_000 }, async () => {
    const run = scenario("submits_through_a_fault", { ...through(), key: "silent", jobs: 2 });
    await run.next();
    proxy.stall({ out: true, in: true });
    run.go();
    // Longer than three heartbeats: the client has given the link up, and the next one waits in the proxy.
    await new Promise((resolve) => setTimeout(resolve, 11_000));
    proxy.flow();
    expect(((await run.next()) as string[]).length).toBe(2);
    expect(await count()).toBe(2);
    await run.end();
  });

  it("tells when nobody is there any more", { timeout: 60_000 }, async () => {
    const run = scenario("impatient", through());
    await run.next();
    await proxy.close();
    run.go();
    expect(await run.next()).toEqual({ code: "UNAVAILABLE", soon: true });
    expect(await run.next()).toBe("DEADLINE_EXCEEDED");
    await run.end();
    proxy = await TcpProxy.listen(1);
  });

  it("ends what waits when it is closed", async () => {
    const run = scenario("closed_meanwhile", through());
    expect(await run.next()).toEqual({ codes: ["UNAVAILABLE"], alive: false, threads: [] });
    await run.end();
  });

  it("follows what a site tells of a stream until its job has ended", async () => {
    const run = scenario("live", through());
    const job = (await run.next()) as string;
    // A site by hand: central does not look into what it tells.
    const { remote, close } = await openSite(central);
    const me = { site: "a", instance: "1" };
    await remote.join({ ...me, host: "h", slots: 1, apps: ["xpcs.noop"], held: [] });
    const { leases } = await remote.lease({ ...me, slots: 1, waitMs: 5_000 });
    const lease = { job, epoch: leases[0]!.epoch };
    for (const frames of [1_000, 2_000]) {
      await remote.pushLive({ ...me, lease, live: { ...LIVE, cursor: frames, frames } });
      expect(await run.next()).toMatchObject({ frames, bins: [{ g2: [1.2], error: [null] }] });
      // A cut link is no end.
      proxy.cut();
    }
    await remote.complete({ ...me, lease, outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 1 });
    expect(await run.next()).toBe("ended");
    expect(await run.next()).toBe("NOT_FOUND");
    await run.end();
    close();
  });

  it("is refused without a token that counts", async () => {
    for (const [token, code] of [
      ["xpcs_wrong", "PERMISSION_DENIED"],
      ["", "PERMISSION_DENIED"],
      [central.siteToken, "PERMISSION_DENIED"],
    ] as const) {
      const run = scenario("refused", { url: central.url, token });
      expect(await run.next()).toBe(code);
      await run.end();
    }
    const nobody = scenario("refused", { url: "ws://127.0.0.1:1", token: "x" });
    expect(await nobody.next()).toBe("UNAVAILABLE");
  });

  it("ends with its token, and hears before that it will", async () => {
    const client = await connect(central.url, { token: central.operatorToken });
    const made = await client.createToken({ role: "operator", person: "smith", validS: 3_600 });
    const expiring = scenario("expires", { url: central.url, token: made.token });
    expect(await expiring.next()).toEqual({ warned: true, hours: 1 });
    const run = scenario("token_ends", { url: central.url, token: made.token });
    expect(await run.next()).toBe(null);
    await client.revokeToken(made.view.id);
    run.go();
    expect(await run.next()).toBe("PERMISSION_DENIED");
    expect(await run.next()).toBe("PERMISSION_DENIED");
    client.close();
    await run.end();
  });
});

describe.skipIf(SKIP !== null)("TLS", () => {
  it("trusts a pin, or an authority, and nothing else", async () => {
    const folder = await temporaryDir();
    const central = await start(folder.dir, { tls: "made", randomBytes });
    try {
      const ca = readFileSync(join(folder.dir, "tls/cert.pem"), "utf8");
      const wrong = `sha256/${"A".repeat(43)}=`;
      const run = scenario("trusts", { url: central.url, token: central.operatorToken, pin: central.pin, wrong, ca });
      const denied = "PERMISSION_DENIED";
      expect(await run.next()).toEqual([null, denied, denied, null, "INVALID_ARGUMENT", "UNAVAILABLE"]);
      await run.end();
    } finally {
      await central.stop();
      await folder.remove();
    }
  });
});

interface FakeCall {
  readonly id: string;
  readonly path: readonly string[];
}
type Send = (bytes: Uint8Array | string) => void;

/** A central that lets everybody in, and answers calls as it is told. Imitates src/actors/gate.ts. */
async function fakeCentral(answer: (call: FakeCall, send: Send) => void): Promise<{ url: string; token: string; stop: () => void }> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  server.on("connection", (socket) => {
    socket.on("message", (data) => {
      const call = decodeFrame(new Uint8Array(data as Buffer)) as FakeCall;
      const welcome = { id: call.id, type: "RAW", value: { version: VERSION, role: "operator", expiresInMs: null } };
      if (call.path[0] === "authenticate") socket.send(encodeFrame(welcome));
      else answer(call, (bytes) => socket.send(bytes));
    });
  });
  const { port } = server.address() as { port: number };
  const stop = (): void => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  };
  return { url: `ws://127.0.0.1:${port}`, token: "any", stop };
}

describe.skipIf(SKIP !== null)("a central that answers wrongly", () => {
  const whole = (id: string): Uint8Array => encodeFrame({ id, type: "RAW", value: { sites: [] } });
  const hostile: Record<string, { readonly send: (id: string, send: Send) => void; readonly code: string }> = {
    "half a frame": { send: (id, send) => send(whole(id).subarray(0, 40)), code: "UNAVAILABLE" },
    "an empty message": { send: (_id, send) => send(new Uint8Array()), code: "UNAVAILABLE" },
    "another frame version": {
      send: (id, send) => send(Uint8Array.from(whole(id), (byte, at) => (at === 0 ? 9 : byte))),
      code: "UNAVAILABLE",
    },
    text: { send: (_id, send) => send("hello"), code: "UNAVAILABLE" },
    "more than a frame": { send: (_id, send) => send(new Uint8Array(1024 * 1024 + 2).fill(0xc0)), code: "UNAVAILABLE" },
    "a length without bytes": { send: (_id, send) => send(new Uint8Array([1, 0xdd, 0xff, 0xff, 0xff, 0xff])), code: "UNAVAILABLE" },
    "nesting without end": { send: (_id, send) => send(new Uint8Array(500_000).fill(0x91).fill(1, 0, 1)), code: "UNAVAILABLE" },
    "an answer of another kind": {
      send: (id, send) => send(encodeFrame({ id, type: "HANDLER", name: "proxy", value: {} })),
      code: "INTERNAL",
    },
    "an error without a code": {
      send: (id, send) => send(encodeFrame({ id, type: "HANDLER", name: "throw", value: [] })),
      code: "INTERNAL",
    },
    "strangers first, then the answer": {
      send(id, send) {
        for (const message of [null, 7, {}, { id: 7 }, { id: "other", type: "RAW" }, [id]]) send(encodeFrame(message));
        send(encodeFrame({ id, type: "HANDLER", name: "throw", value: { code: "REFUSED", message: "m", details: {} } }));
        send(whole(id));
      },
      code: "REFUSED",
    },
  };

  it.each(Object.entries(hostile))("ends with an error: %s", async (_name, { send: sendHostile, code }) => {
    const fake = await fakeCentral(({ id }, send) => sendHostile(id, send));
    try {
      const run = scenario("hostile", { url: fake.url, token: fake.token });
      expect(await run.next()).toEqual({ code, soon: true });
      await run.end();
    } finally {
      fake.stop();
    }
  });

  it("never has more calls unanswered than a link allows", async () => {
    let open = 0;
    let most = 0;
    const fake = await fakeCentral(({ id }, send) => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        send(whole(id));
      }, 100);
    });
    try {
      const run = scenario("crowd", { url: fake.url, token: fake.token, threads: 100 });
      expect(await run.next()).toBe(300);
      expect(most).toBe(64);
      await run.end();
    } finally {
      fake.stop();
    }
  });
});
