/**
 * Pilots on nodes that do not reach central by themselves: through a proxy, through their site's relay, or through a shared folder. A real network of their own,
 * real processes, TLS to central.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, connect as dial, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connect, type XpcsClient } from "../../dist/index.js";
import { freePort } from "../chaos/free-port.js";
import { gone, startCommand } from "../chaos/processes.js";
import { type ConnectProxy, startConnectProxy } from "../wire/connect-proxy.js";
import { type LonelyNetwork, makeLonelyNetwork, networkProblem } from "./lonely-network.js";

const problem = networkProblem();
const NO_PROXIES = { https_proxy: "", http_proxy: "", no_proxy: "", all_proxy: "", HTTPS_PROXY: "", HTTP_PROXY: "", NO_PROXY: "" };

let network: LonelyNetwork;
let folder: string;
let port: number;
let central: { url: string; pin: string; operatorToken: string; siteToken: string };
let client: XpcsClient;
let proxy: ConnectProxy;
/** Leads straight to central. */
let gap: Server;
const children: ChildProcess[] = [];

/** Starts a command in the lonely network. */
function inside(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const started = startCommand(args, { before: network.inside, env: { ...NO_PROXIES, ...env } });
  children.push(started.child);
  return started;
}

async function stop(child: ChildProcess): Promise<number | null> {
  child.kill("SIGTERM");
  await gone(child);
  return child.exitCode;
}

/** A site there with pilots, whose job scripts have these lines; a job that one of them runs; and the end of all. */
async function runOneJob(url: string, name: string, lines: readonly string[], env: Readonly<Record<string, string>>) {
  const batch = join(folder, `${name}.json`);
  const farm = join(folder, "batch", name);
  const job = { walltimeS: 600, lines };
  writeFileSync(batch, JSON.stringify({ scheduler: "local", folder: join(folder, "batch"), job, pilots: { idleS: 1, everyS: 1 } }));
  const where = ["--central", url, "--token", central.siteToken, "--pin", central.pin, "--work", join(folder, "work")];
  const site = inside(["site", ...where, "--name", name, "--batch", batch], env);
  await site.ready;
  const work = { app: "xpcs.noop" as const, durationMs: 10 };
  const { jobs } = await client.submit({ jobs: [{ work, tags: {}, attemptsMax: 1 }] });
  const views = await client.wait(jobs);
  await expect.poll(() => readdirSync(farm), { timeout: 30_000 }).toEqual([]);
  expect(await stop(site.child)).toBe(0);
  return views.map(({ state, attempts }) => [state, attempts.map((attempt) => attempt.site)]);
}

describe.skipIf(problem !== null)(`nodes without a way to central${problem === null ? "" : ` (skipped: ${problem})`}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "xpcs-lonely-"));
    mkdirSync(join(folder, "batch"));
    network = await makeLonelyNetwork();
    port = await freePort();
    // On this machine's loopback, which is not that of the network.
    const started = startCommand(["central", "--data", join(folder, "central"), "--listen", `127.0.0.1:${port}`, "--tls"]);
    children.push(started.child);
    central = (await started.ready) as unknown as typeof central;
    client = await connect(central.url, { token: central.operatorToken, pin: central.pin });
    gap = createServer((socket) => {
      const there = dial(port, "127.0.0.1");
      for (const end of [socket, there]) end.on("error", () => end.destroy());
      socket.pipe(there).pipe(socket);
      socket.on("close", () => there.destroy());
    });
    await new Promise<void>((resolve) => gap.listen(0, network.host, resolve));
  }, 60_000);
  afterAll(async () => {
    client?.close();
    gap?.close();
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(gone));
    network?.remove();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });
  beforeEach(async () => {
    proxy = await startConnectProxy(port, network.host);
  });
  afterEach(() => proxy.stop());

  it("do not reach central otherwise", async () => {
    for (const url of [central.url, `wss://${network.host}:${port}`]) {
      const { ready, child } = inside(["jobs", "--central", url, "--token", central.operatorToken, "--pin", central.pin]);
      await expect(ready).rejects.toThrow(/cannot reach/);
      expect(child.exitCode).toBe(3);
    }
  });

  it("join through https_proxy and finish a job; the proxy learns nothing but central's name", async () => {
    // The pilot's own credentials tell its tunnels from those of the site on the login node.
    const words = [`export https_proxy=${proxy.url.replace("//", "//pilot:secret@")}`];
    const done = await runOneJob("wss://central.example:443", "far", words, { https_proxy: proxy.url });
    expect(done).toEqual([["finished", ["far-1"]]]);
    expect(new Set(proxy.asked)).toEqual(new Set(["central.example:443"]));
    expect(new Set(proxy.credentials)).toEqual(new Set([undefined, `Basic ${Buffer.from("pilot:secret").toString("base64")}`]));
  }, 60_000);

  it("go straight to what no_proxy names, and through the proxy to what it does not", async () => {
    const url = `wss://${network.host}:${(gap.address() as AddressInfo).port}`;
    const through = { https_proxy: proxy.url };
    expect(await runOneJob(url, "straight", [`export no_proxy=${network.host}`], { ...through, no_proxy: network.host })).toEqual([
      ["finished", ["straight-1"]],
    ]);
    expect(proxy.asked).toEqual([]);
    // Here no_proxy is the site's alone: its pilot has none.
    expect(await runOneJob(url, "around", ["export no_proxy="], { ...through, no_proxy: network.host })).toEqual([
      ["finished", ["around-1"]],
    ]);
    expect(new Set(proxy.asked)).toEqual(new Set([url.slice("wss://".length)]));
  }, 90_000);

  describe("whose site on the login node", () => {
    /** A site on this machine whose pilots, two to a batch job, are in the lonely network. */
    async function startSite(name: string, reach: object) {
      const batch = join(folder, `${name}.json`);
      const text = {
        ...{ scheduler: "local", folder: join(folder, "batch"), job: { walltimeS: 600, nodes: 2 } },
        pilots: { idleS: 3, everyS: 1, per: "node", reach },
        launch: { pilots: [...network.inside, "/usr/bin/env", "NODE={host}"] },
      };
      writeFileSync(batch, JSON.stringify(text));
      const where = ["--central", central.url, "--token", central.siteToken, "--pin", central.pin, "--work", join(folder, "work")];
      const site = startCommand(["site", ...where, "--name", name, "--batch", batch, "--slots", "2"], { env: NO_PROXIES });
      children.push(site.child);
      await site.ready;
      return site;
    }
    const submit = async (count: number, durationMs: number) => {
      const work = { app: "xpcs.noop" as const, durationMs };
      return (await client.submit({ jobs: Array.from({ length: count }, () => ({ work, tags: {}, attemptsMax: 3 })) })).jobs;
    };
    const tagsOf = (name: string): string[] => readdirSync(join(folder, "batch", name)).filter((each) => each.startsWith("xpcs."));

    it.each([
      ["relayed", () => ({ by: "relay", interface: network.host })],
      ["posted", () => ({ by: "folder" })],
    ] as const)(
      "%s",
      async (name, reach) => {
        const site = await startSite(name, reach());
        const views = await client.wait(await submit(8, 700));
        expect(views.map(({ state, attempts }) => [state, attempts.length])).toEqual(views.map(() => ["finished", 1]));
        const used = new Set(views.flatMap(({ attempts }) => attempts.map((attempt) => attempt.site)));
        expect([...used].sort()).toEqual([`${name}-1.1`, `${name}-1.2`]);
        await expect.poll(() => tagsOf(name), { timeout: 30_000 }).toEqual([]);
        // What belonged to the batch job went with it.
        if (name === "posted") await expect.poll(() => readdirSync(join(folder, "batch", "posted.mail")), { timeout: 5_000 }).toEqual([]);
        expect(await stop(site.child)).toBe(0);
      },
      90_000,
    );

    it("was killed and comes back: pilots that it relays for are found again, and finish what they run", async () => {
      for (const [name, reach] of [
        ["relay2", { by: "relay", interface: network.host }],
        ["post2", { by: "folder" }],
      ] as const) {
        const first = await startSite(name, reach);
        const jobs = await submit(2, 8_000);
        await expect.poll(async () => (await client.job(jobs[0]!)).state, { timeout: 30_000 }).toBe("running");
        const before = tagsOf(name);
        first.child.kill("SIGKILL");
        await gone(first.child);
        const again = await startSite(name, reach);
        const views = await client.wait(jobs);
        expect(views.map(({ state, attempts }) => [state, attempts.map(({ outcome }) => outcome)])).toEqual(
          views.map(() => ["finished", ["finished"]]),
        );
        expect(tagsOf(name).filter((tag) => !before.includes(tag))).toEqual([]);
        await expect.poll(() => tagsOf(name), { timeout: 30_000 }).toEqual([]);
        await stop(again.child);
      }
    }, 150_000);

    it("keeps the secrets of a relay from others, and listens where it was told only", async () => {
      const site = await startSite("quiet", { by: "relay", interface: network.host });
      const own = join(folder, "batch", "quiet.relay");
      const { url } = JSON.parse(readFileSync(join(own, "relay.json"), "utf8")) as { url: string };
      expect(new URL(url).hostname).toBe(network.host);
      const elsewhere = new Promise((resolve) =>
        dial(Number(new URL(url).port), "127.0.0.1")
          .once("error", resolve)
          .once("connect", resolve),
      );
      expect(await elsewhere).toMatchObject({ code: "ECONNREFUSED" });
      expect([own, join(own, "key"), join(own, "tls", "key.pem")].map((path) => statSync(path).mode & 0o077)).toEqual([0, 0, 0]);
      expect(existsSync(join(folder, "batch", "quiet.mail"))).toBe(false);
      await stop(site.child);
      const { ready } = startCommand([
        "site",
        "--central",
        central.url,
        "--token",
        "t",
        "--work",
        folder,
        "--name",
        "quiet",
        "--batch",
        wrong("eth99"),
      ]);
      await expect(ready).rejects.toThrow(/no interface or address eth99/);
    }, 60_000);

    function wrong(name: string): string {
      const path = join(folder, "wrong.json");
      const text = {
        scheduler: "local",
        folder: join(folder, "batch"),
        job: { walltimeS: 600 },
        pilots: { reach: { by: "relay", interface: name } },
      };
      writeFileSync(path, JSON.stringify(text));
      return path;
    }
  });
});
