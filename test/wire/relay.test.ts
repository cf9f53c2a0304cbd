/** The relay of a site: for whom it opens tunnels, where they lead, and when they end. Real TLS. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as tlsConnect } from "node:tls";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ownCertificate } from "../../src/actors/certificate.js";
import { silentLogger } from "../../src/core/log.js";
import type { MethodTable } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { connect } from "../../src/wire/connect.js";
import { expose } from "../../src/wire/expose.js";
import { createHttpClient } from "../../src/wire/http-client.js";
import type { Relay } from "../../src/wire/relay-agent.js";
import { listenRelay, type RelayServer } from "../../src/wire/relay-server.js";
import { pinOf } from "../../src/wire/trust.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { type Listener, listenWebSocket } from "../../src/wire/websocket-server.js";

interface Echo {
  echo(request: unknown): Promise<unknown>;
}
const METHODS: MethodTable<Echo> = { echo: true };
const TOKEN = "token-of-a-batch-job";

let folder: string;
let relay: RelayServer;
let refused: string[];
let opened: number;
let central: Listener;
let plain: Listener;
let centralPin: string;
let access: Relay;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-relay-"));
  const own = await ownCertificate(join(folder, "central"), realClock, randomBytes);
  centralPin = pinOf(own.cert);
  const onLink = (link: Parameters<typeof expose>[2]): void =>
    void expose<Echo>({ echo: async (request) => request }, METHODS, link, { logger: silentLogger });
  const onRequest = (_request: unknown, response: { end(text: string): void }): void => response.end("data");
  const options = { host: "127.0.0.1", port: 0, clock: realClock, onLink, onRequest };
  central = await listenWebSocket({ ...options, tls: own });
  plain = await listenWebSocket(options);
  refused = [];
  opened = 0;
  const tls = await ownCertificate(join(folder, "relay"), realClock, randomBytes);
  relay = await listenRelay({
    ...{ host: "127.0.0.1", port: 0, tls, target: () => "central.example:443" },
    // Whatever the name is: the test's central.
    open: (target) =>
      new Promise((resolve) => {
        opened += 1;
        expect(target).toBe("central.example:443");
        const socket = dial(central.port, "127.0.0.1", () => resolve(socket));
      }),
    onRefused: (_peer, reason) => refused.push(reason),
  });
  relay.admit(new Set([TOKEN]));
  access = { url: relay.url, pin: pinOf(tls.cert), token: TOKEN };
});
afterEach(async () => {
  await relay.close();
  await central.close();
  await plain.close();
  rmSync(folder, { recursive: true, force: true });
});

const URL_OF_CENTRAL = "wss://central.example";
const open = (proxy: Relay, url = URL_OF_CENTRAL) =>
  openWebSocket(url, { clock: realClock, trust: { pin: centralPin }, proxy, openMs: 5_000 });

it("carries a link to central, whose key the pilot sees itself", async () => {
  const link = await open(access);
  const { remote, close } = connect<Echo>(link, METHODS, { clock: realClock });
  expect(await remote.echo({ text: "x".repeat(300_000) })).toEqual({ text: "x".repeat(300_000) });
  close();
  await vi.waitFor(() => expect(relay.tunnels).toBe(0));
  // The relay's own key is not taken for central's.
  const wrong = openWebSocket(URL_OF_CENTRAL, { clock: realClock, trust: { pin: access.pin }, proxy: access });
  await expect(wrong).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
});

it("carries HTTP, over kept connections", async () => {
  const client = createHttpClient({ url: new URL("https://central.example"), trust: { pin: centralPin }, proxy: access });
  const signal = new AbortController().signal;
  for (let count = 0; count < 3; count += 1) expect(await (await client.ask({ method: "GET", path: "/x", signal })).text()).toBe("data");
  expect(opened).toBe(1);
  client.close();
});

it.each([
  ["no token of a job", { token: "x" }, "PERMISSION_DENIED", /407/],
  ["a token that is no token", { token: "a b\tc" }, "PERMISSION_DENIED", /407/],
  ["another key", { pin: `sha256/${"A".repeat(43)}=` }, "PERMISSION_DENIED", /is pinned/],
  ["nobody there", { url: "https://127.0.0.1:1" }, "UNAVAILABLE", /cannot reach/],
] as const)("does not let through: %s", async (_what, change, code, message) => {
  await expect(open({ ...access, ...change })).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(opened).toBe(0);
});

it("shows its token to nobody but the pinned key", async () => {
  const seen: string[] = [];
  const tls = await ownCertificate(join(folder, "thief"), realClock, randomBytes);
  const thief = await listenRelay({
    host: "127.0.0.1",
    port: 0,
    tls,
    target: () => "",
    open: () => Promise.reject(new Error()),
    onRefused: (_peer, why) => seen.push(why),
  });
  thief.admit(new Set([TOKEN]));
  await expect(open({ ...access, url: thief.url })).rejects.toMatchObject({
    code: "PERMISSION_DENIED",
    message: expect.stringContaining("is pinned"),
  });
  // A request that had come would have been refused with a reason.
  expect(seen).toEqual([]);
  await thief.close();
});

it("leads to central only", async () => {
  await expect(open(access, `wss://127.0.0.1:${central.port}`)).rejects.toMatchObject({
    code: "PERMISSION_DENIED",
    message: expect.stringContaining("403"),
  });
  expect(refused).toEqual([expect.stringContaining(`127.0.0.1:${central.port}`)]);
  const status = await new Promise((resolve, reject) => {
    const request = httpsRequest(`${relay.url}/etc/passwd`, {
      rejectUnauthorized: false,
      headers: { "proxy-authorization": `Bearer ${TOKEN}` },
    });
    request.once("response", (response) => resolve(response.resume().statusCode)).once("error", reject);
    request.end();
  });
  expect(status).toBe(405);
  expect(opened).toBe(0);
});

it("cuts the tunnels of a batch job that is gone, and of no other", async () => {
  relay.admit(new Set([TOKEN, "other"]));
  const [mine, others] = await Promise.all([open(access), open({ ...access, token: "other" })]);
  const closed = new Promise((resolve) => mine.onClose(resolve));
  relay.admit(new Set(["other"]));
  expect(await closed).toMatchObject({ code: "UNAVAILABLE" });
  await expect(open(access)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  const { remote, close } = connect<Echo>(others, METHODS, { clock: realClock });
  expect(await remote.echo(1)).toBe(1);
  close();
});

it("tells when central is not there, and ends the pilot's link when central goes", async () => {
  const link = await open(access);
  const closed = new Promise((resolve) => link.onClose(resolve));
  await central.close();
  expect(await closed).toMatchObject({ code: "UNAVAILABLE" });
  await vi.waitFor(() => expect(relay.tunnels).toBe(0));
});

it("survives garbage, and peers that say nothing and go", async () => {
  for (const bytes of ["", "GET", "\u0000\u0001\u0002", "CONNECT central.example:443 HTTP/1.1\r\n\r\n"]) {
    await new Promise<void>((resolve) => {
      const socket = dial(Number(new URL(relay.url).port), "127.0.0.1", () => socket.end(bytes));
      socket.on("error", () => {});
      socket.resume().once("close", () => resolve());
    });
    await new Promise<void>((resolve) => {
      const socket = tlsConnect({ port: Number(new URL(relay.url).port), host: "127.0.0.1", rejectUnauthorized: false }, () =>
        socket.end(bytes),
      );
      socket.on("error", () => {});
      socket.resume().once("close", () => resolve());
    });
  }
  (await open(access)).close();
});

it.each([
  ["the relay", () => relay],
  ["central", () => central],
] as const)("%s ends at once beside a peer that never ends its TLS handshake", async (_who, listener) => {
  const socket = dial(Number(new URL(listener().url).port), "127.0.0.1");
  const cut = new Promise((resolve) => socket.on("error", () => {}).once("close", resolve));
  await new Promise((resolve) => socket.once("connect", resolve));
  // It is answered only after this one was taken.
  (await open(access)).close();
  await listener().close();
  await cut;
});

it("listens on a port that is free, or says so", async () => {
  const tls = await ownCertificate(join(folder, "relay"), realClock, randomBytes);
  const at = (host: string, port: number) =>
    listenRelay({ host, port, tls, target: () => "", open: () => Promise.reject(new Error()), onRefused: () => {} });
  await expect(at("127.0.0.1", Number(new URL(relay.url).port))).rejects.toMatchObject({ code: "REFUSED" });
  await expect(at("192.0.2.1", 0)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
