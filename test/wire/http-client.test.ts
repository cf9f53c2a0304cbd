/** HTTP requests to one peer: trust before the token is shown, proxies, bodies that are cut off, errors in central's words. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ownCertificate } from "../../src/actors/certificate.js";
import { realClock } from "../../src/core/real-clock.js";
import { createHttpClient, type HttpAsk, type HttpPeer } from "../../src/wire/http-client.js";
import type { Certificate } from "../../src/wire/http-server.js";
import { pinOf } from "../../src/wire/trust.js";
import { startConnectProxy } from "./connect-proxy.js";

let dir: string;
let certificate: Certificate;
let secure: Server;
let plain: Server;
/** Tokens that the servers were shown. */
const shown: string[] = [];

const answer: RequestListener = (request, response) => {
  shown.push(String(request.headers.authorization));
  if (request.url === "/cut") {
    response.writeHead(200, { "content-length": "100" }).write("short");
    return void setTimeout(() => response.destroy(), 20);
  }
  if (request.url === "/refused") return void response.writeHead(409).end('{"error":{"code":"STALE_LEASE","message":"granted again"}}');
  if (request.url?.startsWith("/status/")) return void response.writeHead(Number(request.url.slice(8))).end("<html>");
  if (request.url === "/silent") return;
  let bytes = 0;
  request.on("data", (piece: Buffer) => {
    bytes += piece.length;
  });
  request.on("end", () => response.end(JSON.stringify({ method: request.method, bytes })));
};
const port = (server: Server): number => (server.address() as AddressInfo).port;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "xpcs-http-"));
  certificate = await ownCertificate(dir, realClock, randomBytes);
  plain = createServer(answer);
  secure = createTlsServer(certificate, answer);
  for (const server of [plain, secure]) await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
});
afterAll(async () => {
  for (const server of [plain, secure]) {
    server.closeAllConnections();
    server.close();
  }
  await rm(dir, { recursive: true, force: true });
});
afterEach(() => {
  shown.length = 0;
  vi.unstubAllEnvs();
});

const never = new AbortController().signal;
async function ask(url: string, more: Partial<HttpAsk> = {}, peer: Partial<HttpPeer> = {}): Promise<unknown> {
  const client = createHttpClient({ url: new URL(url), ...peer });
  try {
    const got = await client.ask({ method: "GET", path: "/", headers: { authorization: "Bearer secret" }, signal: never, ...more });
    return await got.json();
  } finally {
    client.close();
  }
}
const http = () => `http://127.0.0.1:${port(plain)}`;
const https = () => `https://127.0.0.1:${port(secure)}`;

describe("trust", () => {
  it("of a pin opens TLS; without it, or with another, no token is shown", async () => {
    expect(await ask(https(), {}, { trust: { pin: pinOf(certificate.cert) } })).toEqual({ method: "GET", bytes: 0 });
    expect(shown).toEqual(["Bearer secret"]);
    shown.length = 0;
    await expect(ask(https())).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const pin = `sha256/${"A".repeat(43)}=`;
    await expect(ask(https(), { method: "PUT", body: Buffer.alloc(10) }, { trust: { pin } })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    expect(shown).toEqual([]);
  });

  it("of a name in clear text off loopback is refused unless told", async () => {
    expect(() => createHttpClient({ url: new URL("http://central.example") })).toThrow(expect.objectContaining({ code: "REFUSED" }));
    createHttpClient({ url: new URL("http://central.example"), insecure: true }).close();
  });
});

it("goes through the proxy of https_proxy, on a connection that it keeps, and the pin still counts", async () => {
  const proxy = await startConnectProxy(port(secure));
  for (const name of ["no_proxy", "NO_PROXY", "all_proxy", "HTTPS_PROXY"]) vi.stubEnv(name, "");
  vi.stubEnv("https_proxy", proxy.url);
  const peer = { url: new URL("https://central.example"), proxy: "environment", trust: { pin: pinOf(certificate.cert) } } as const;
  const client = createHttpClient(peer);
  for (let turn = 0; turn < 3; turn += 1) {
    const got = await client.ask({ method: "PUT", path: "/", body: Buffer.alloc(1_000_000), signal: never });
    expect(await got.json()).toEqual({ method: "PUT", bytes: 1_000_000 });
  }
  expect(proxy.asked).toEqual(["central.example:443"]);
  client.close();
  await expect(ask("https://central.example", {}, { proxy: "environment" })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  await proxy.stop();
});

describe("a failure", () => {
  it("is told in central's words, or by its status", async () => {
    await expect(ask(http(), { path: "/refused" })).rejects.toMatchObject({ code: "STALE_LEASE", message: "granted again" });
    const codes = { 500: "UNAVAILABLE", 429: "UNAVAILABLE", 404: "NOT_FOUND", 403: "PERMISSION_DENIED", 416: "IO_FAILED" };
    for (const [status, code] of Object.entries(codes))
      await expect(ask(http(), { path: `/status/${status}` })).rejects.toMatchObject({ code });
  });

  it("of a body that is cut off, or of a peer that is not there, may pass", async () => {
    await expect(ask(http(), { path: "/cut" })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(ask("http://127.0.0.1:1")).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("127.0.0.1:1") });
  });

  it("of a request that is stopped is CANCELED", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 30);
    await expect(ask(http(), { path: "/silent", signal: stop.signal })).rejects.toMatchObject({ code: "CANCELED" });
    await expect(ask(http(), { signal: stop.signal })).rejects.toMatchObject({ code: "CANCELED" });
  });
});
