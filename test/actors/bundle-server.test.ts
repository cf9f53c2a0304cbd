/** What central gives to machines without a token: two files by their digests, to a bounded number at a time, and nothing else. */
import { createHash, randomBytes } from "node:crypto";
import { rename, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bundleServer } from "../../src/actors/bundle-server.js";
import { tokenHash } from "../../src/actors/token-file.js";
import { LIMITS } from "../../src/core/limits.js";
import { openClient, start, type TestCentral, temporaryDir } from "./support.js";
import { virtualClock } from "./virtual-clock.js";

const SCRIPT = "echo grüße\n";
const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");
const data = randomBytes(20_000_000);
let folder: Awaited<ReturnType<typeof temporaryDir>>;
let central: TestCentral;
let path: string;
const at = (digest: string) => `${central.url.replace("ws", "http")}/bundle/${digest}`;

beforeEach(async () => {
  folder = await temporaryDir();
  path = join(folder.dir, "bundle.tar.gz");
  await writeFile(path, data);
  const bundle = { installer: SCRIPT, archive: { path, bytes: data.length, sha256: sha256(data) } };
  central = await start(join(folder.dir, "data"), { bundle });
});
afterEach(async () => {
  await central.stop();
  await folder.remove();
});

/** A request whose answer nobody reads, once its head is there. */
async function stalled(): Promise<Socket> {
  const { port } = new URL(central.url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.write(`GET /bundle/${sha256(data)} HTTP/1.1\r\nHost: central\r\n\r\n`);
  await new Promise((resolve) => socket.once("readable", resolve));
  return socket;
}

describe("the bundle", () => {
  it("is given by digest to whoever names it; nothing else is, not by another method or another way to spell it", async () => {
    const script = await fetch(at(sha256(SCRIPT)));
    expect([script.status, await script.text()]).toEqual([200, SCRIPT]);
    const archive = await fetch(at(sha256(data)));
    expect(sha256(Buffer.from(await archive.arrayBuffer()))).toBe(sha256(data));
    for (const name of ["0".repeat(64), `${sha256(data)}/`, `${sha256(data)}?x`, sha256(data).toUpperCase(), "../data/tokens.json", ""])
      expect((await fetch(at(name))).status).toBe(404);
    expect((await fetch(at(sha256(data)), { method: "POST", body: "x" })).status).toBe(405);
  });

  it("stays the one that was there when central started, when another takes its name", async () => {
    await writeFile(`${path}.new`, "another");
    await rename(`${path}.new`, path);
    expect(sha256(Buffer.from(await (await fetch(at(sha256(data)))).arrayBuffer()))).toBe(sha256(data));
  });

  it("breaks off when its file is cut short, and central goes on", async () => {
    await truncate(path, 1_000_000);
    await expect(fetch(at(sha256(data))).then((answer) => answer.arrayBuffer())).rejects.toThrow();
    expect((await fetch(at(sha256(SCRIPT)))).status).toBe(200);
  });

  it("goes to so many at a time, and to the next when one has gone", async () => {
    const sockets = await Promise.all(Array.from({ length: LIMITS.bundlesInFlightMax }, stalled));
    const refused = await fetch(at(sha256(data)));
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    expect((await fetch(at(sha256(SCRIPT)))).status).toBe(200);
    sockets[0]!.destroy();
    await vi.waitFor(async () => {
      const answer = await fetch(at(sha256(data)));
      await answer.body!.cancel();
      expect(answer.status).toBe(200);
    });
    for (const socket of sockets) socket.destroy();
  });

  it("is named to who makes a join code, and to nobody else", async () => {
    const boss = await openClient(central);
    const token = { hash: tokenHash("x"), role: "site", site: "far", person: "alice", validS: null } as const;
    expect((await boss.remote.addToken(token)).installer).toBeUndefined();
    expect((await boss.remote.addToken({ ...token, hash: tokenHash("y"), join: true })).installer).toBe(sha256(SCRIPT));
    boss.close();
  });
});

it("does not wait for one that takes nothing", async () => {
  const time = virtualClock(0);
  const statuses: [string, number][] = [];
  const served = { installer: SCRIPT, archive: { path, bytes: data.length, sha256: sha256(data) } };
  const bundle = await bundleServer(served, { clock: time, onRequest: (route, status) => void statuses.push([route, status]) });
  const server = createServer((request, response) => void bundle.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.write(`GET /bundle/${sha256(data)} HTTP/1.1\r\nHost: central\r\n\r\n`);
    await new Promise((resolve) => socket.once("readable", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await time.advance(29_000);
    expect(statuses).toEqual([]);
    await time.advance(31_000);
    await vi.waitFor(() => expect(statuses).toEqual([["bundle", 200]]));
    socket.resume();
    await closed;
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await bundle.close();
  }
});

it("is not there where central has none", async () => {
  const bare = await start(join(folder.dir, "other"));
  try {
    expect((await fetch(`${bare.url.replace("ws", "http")}/bundle/${sha256(data)}`)).status).toBe(404);
    const boss = await openClient(bare);
    const made = await boss.remote.addToken({ hash: tokenHash("y"), role: "site", site: "far", person: "a", validS: null, join: true });
    expect(made.installer).toBeUndefined();
    boss.close();
  } finally {
    await bare.stop();
  }
});
