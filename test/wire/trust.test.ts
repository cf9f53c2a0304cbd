/** Whom a client trusts, what it refuses to send in clear text, and how it goes through a proxy. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ownCertificate } from "../../src/actors/certificate.js";
import { silentLogger } from "../../src/core/log.js";
import type { MethodTable } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { connect } from "../../src/wire/connect.js";
import { expose } from "../../src/wire/expose.js";
import type { Certificate } from "../../src/wire/http-server.js";
import { pinOf } from "../../src/wire/trust.js";
import { type OpenOptions, openWebSocket } from "../../src/wire/websocket-client.js";
import { type Listener, listenWebSocket } from "../../src/wire/websocket-server.js";
import { type ConnectProxy, startConnectProxy } from "./connect-proxy.js";

interface Echo {
  echo(request: unknown): Promise<unknown>;
}
const METHODS: MethodTable<Echo> = { echo: true };
const echo: Echo = { echo: async (request) => request };

let dir: string;
let certificate: Certificate;
let secure: Listener;
let plain: Listener;

function listen(tls?: Certificate): Promise<Listener> {
  const onLink = (link: Parameters<typeof expose>[2]): void => void expose(echo, METHODS, link, { logger: silentLogger });
  return listenWebSocket({ host: "127.0.0.1", port: 0, clock: realClock, onLink, ...(tls === undefined ? {} : { tls }) });
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "xpcs-tls-"));
  certificate = await ownCertificate(dir, realClock, randomBytes);
  secure = await listen(certificate);
  plain = await listen();
});
afterAll(async () => {
  await secure.close();
  await plain.close();
  await rm(dir, { recursive: true, force: true });
});

async function call(url: string, options: Partial<OpenOptions> = {}): Promise<unknown> {
  const { remote, close } = connect<Echo>(await openWebSocket(url, { clock: realClock, ...options }), METHODS, { clock: realClock });
  try {
    return await remote.echo({ text: "hello" });
  } finally {
    close();
  }
}

const hello = { text: "hello" };

describe("a made certificate", () => {
  it("is trusted by its pin, and by nothing else", async () => {
    expect(secure.url).toMatch(/^wss:/);
    expect(await call(secure.url, { trust: { pin: pinOf(certificate.cert) } })).toEqual(hello);
    await expect(call(secure.url)).rejects.toMatchObject({ code: "PERMISSION_DENIED", message: expect.stringContaining("--pin") });
    const other = `sha256/${"A".repeat(43)}=`;
    await expect(call(secure.url, { trust: { pin: other } })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringContaining(`${other} is pinned`),
    });
    await expect(call(secure.url, { trust: { pin: "sha1/abc" } })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(call(plain.url, { trust: { pin: other } })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("can also stand as its own authority, for the names that it has", async () => {
    expect(await call(secure.url, { trust: { ca: certificate.cert } })).toEqual(hello);
  });

  it("is kept, its key for the owner's eyes alone, and renewed near its end for the same key", async () => {
    expect(await ownCertificate(dir, realClock, randomBytes)).toEqual(certificate);
    const later = { ...realClock, nowMs: () => Date.now() + 3_600 * 86_400_000 };
    const renewed = await ownCertificate(dir, later, randomBytes);
    expect(renewed.cert).not.toBe(certificate.cert);
    expect(pinOf(renewed.cert)).toBe(pinOf(certificate.cert));
    await writeFile(join(dir, "tls", "cert.pem"), "no certificate");
    await expect(ownCertificate(dir, realClock, randomBytes)).rejects.toMatchObject({ code: "CORRUPT_DATA" });
    await writeFile(join(dir, "tls", "cert.pem"), certificate.cert);
    expect(await readFile(join(dir, "tls", "key.pem"), "utf8")).toContain("PRIVATE KEY");
  });

  it("of another key than its own is refused before anything listens", async () => {
    const other = await mkdtemp(join(tmpdir(), "xpcs-tls-"));
    const { key } = await ownCertificate(other, realClock, randomBytes);
    await expect(listen({ cert: certificate.cert, key })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await rm(other, { recursive: true });
  });
});

describe("a plain websocket", () => {
  it("to an address off loopback is refused before anything is sent, unless told", async () => {
    await expect(call("ws://central.example:7878")).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining("wss://") });
    await expect(call("ws://127.0.0.1.example:7878")).rejects.toMatchObject({ code: "REFUSED" });
    await expect(call("ws://192.0.2.1:9", { insecure: true, openMs: 50 })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("does not talk to a TLS port, nor a TLS client to a plain one", async () => {
    await expect(call(secure.url.replace("wss", "ws"))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(call(plain.url.replace("ws", "wss"))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("a proxy", () => {
  let proxy: ConnectProxy;
  const through = async (port: number, run: () => Promise<void>) => {
    proxy = await startConnectProxy(port);
    try {
      await run();
    } finally {
      await proxy.stop();
    }
  };
  afterEach(() => vi.unstubAllEnvs());
  const clear = () => {
    for (const name of ["https_proxy", "http_proxy", "no_proxy", "all_proxy"]) {
      vi.stubEnv(name, "");
      vi.stubEnv(name.toUpperCase(), "");
    }
  };

  it("of https_proxy carries wss to a host that only the proxy can reach, and the pin still counts", () =>
    through(secure.port, async () => {
      clear();
      vi.stubEnv("https_proxy", proxy.url);
      const url = "wss://central.example:443";
      const pin = pinOf(certificate.cert);
      expect(await call(url, { proxy: "environment", trust: { pin } })).toEqual(hello);
      expect(proxy.asked).toEqual(["central.example:443"]);
      await expect(call(url, { proxy: "environment" })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
      await expect(call(url, { proxy: "environment", trust: { ca: certificate.cert } })).rejects.toMatchObject({
        code: "PERMISSION_DENIED",
      });
    }));

  it("is not used for what no_proxy names, nor for this machine", () =>
    through(secure.port, async () => {
      clear();
      vi.stubEnv("https_proxy", proxy.url);
      vi.stubEnv("no_proxy", "localhost,.example");
      const trust = { pin: pinOf(certificate.cert) };
      await expect(call("wss://central.example:443", { proxy: "environment", trust, openMs: 2_000 })).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.not.stringContaining("proxy"),
      });
      vi.stubEnv("no_proxy", "");
      expect(await call(secure.url, { proxy: "environment", trust })).toEqual(hello);
      expect(proxy.asked).toEqual([]);
    }));

  it("gets the credentials of its URL, which no message shows", () =>
    through(secure.port, async () => {
      const url = proxy.url.replace("//", "//user:secret@");
      const trust = { pin: pinOf(certificate.cert) };
      expect(await call("wss://central.example:443", { proxy: url, trust })).toEqual(hello);
      expect(proxy.credentials).toEqual([`Basic ${Buffer.from("user:secret").toString("base64")}`]);
      proxy.refuse = 403;
      const refused = call("wss://central.example:443", { proxy: url, trust });
      await expect(refused).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining(`the proxy ${proxy.url}`) });
      await expect(refused).rejects.toMatchObject({ message: expect.not.stringContaining("secret") });
    }));

  it("that is no URL, or where nobody listens, is named", async () => {
    await expect(call("wss://central.example:443", { proxy: "::" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(call("wss://central.example:443", { proxy: "http://127.0.0.1:1" })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("through the proxy http://127.0.0.1:1"),
    });
  });
});
