/** Answers whose connections read into one buffer: whole and in order, however they come and however slowly they are taken. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownCertificate } from "../../src/actors/certificate.js";
import { realClock } from "../../src/core/real-clock.js";
import { createHttpClient, type HttpClient } from "../../src/wire/http-client.js";
import type { TakePiece } from "../../src/wire/take-pieces.js";
import { pinOf } from "../../src/wire/trust.js";

const BODY = randomBytes(6_000_000);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const never = new AbortController().signal;
const later = (ms: number): Promise<void> => new Promise((go) => setTimeout(go, ms));

let dir: string;
const servers: Server[] = [];
let clients: Record<"http" | "https", HttpClient>;

/** `/N` the first N bytes, `/chunked/N` the same without their length and in uneven pieces, `/cut/N` of twice as many that were promised. */
const answer: RequestListener = (request, response) => {
  const [, kind, count] = /^\/(?:(\w+)\/)?(\d+)$/.exec(request.url!)!;
  const bytes = BODY.subarray(0, Number(count));
  if (kind === undefined) return void response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  if (kind === "cut") {
    response.writeHead(200, { "content-length": 2 * bytes.length }).write(bytes);
    return void setTimeout(() => response.destroy(), 50);
  }
  const send = (at: number, length: number): void => {
    if (at >= bytes.length) return void response.end();
    const go = () => send(at + length, (length * 7 + 3) % 90_001);
    if (response.write(bytes.subarray(at, at + length))) go();
    else response.once("drain", go);
  };
  send(0, 11);
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "xpcs-read-"));
  const certificate = await ownCertificate(dir, realClock, randomBytes);
  servers.push(createServer(answer), createTlsServer(certificate, answer));
  for (const server of servers) await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const [plain, secure] = servers.map((server) => (server.address() as AddressInfo).port);
  clients = {
    http: createHttpClient({ url: new URL(`http://127.0.0.1:${plain}`) }),
    https: createHttpClient({ url: new URL(`https://127.0.0.1:${secure}`), trust: { pin: pinOf(certificate.cert) } }),
  };
});
afterAll(async () => {
  for (const client of Object.values(clients)) client.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await rm(dir, { recursive: true, force: true });
});

const ask = (path: string, by: "http" | "https" = "http") => clients[by].ask({ method: "GET", path, signal: never });

describe.each(["http", "https"] as const)("a body by %s", (by) => {
  it.each(["", "/chunked"])("is whole when all its pieces are kept to its end%s", async (kind) => {
    const got: Buffer[] = [];
    await (await ask(`${kind}/${BODY.length}`, by)).each((piece) => void got.push(piece) as undefined);
    expect(got.length).toBeGreaterThan(10);
    expect(sha256(Buffer.concat(got))).toBe(sha256(BODY));
  });

  it.each(["", "/chunked"])("is whole when pieces take a while, many answers at a time and one after the other%s", async (kind) => {
    let nth = 0;
    const one = async (bytes: number): Promise<void> => {
      const got: Buffer[] = [];
      let taking = 0;
      const take: TakePiece = (piece) => {
        expect(taking).toBe(0);
        nth += 1;
        if (nth % 5 < 2) return void got.push(piece) as undefined;
        taking += 1;
        return later(nth % 7 === 0 ? 5 : 0).then(() => {
          got.push(piece);
          taking -= 1;
        });
      };
      await (await ask(`${kind}/${bytes}`, by)).each(take);
      expect(sha256(Buffer.concat(got))).toBe(sha256(BODY.subarray(0, bytes)));
    };
    for (let turn = 0; turn < 3; turn += 1) await Promise.all([1, 20, 300_000, 2_000_000, 0, 70_000].map(one));
  });

  it("as text is what was sent, also while others are taken", async () => {
    const text = async (bytes: number) => (await ask(`/chunked/${bytes}`, by)).text();
    const taken = async () => (await ask(`/${BODY.length}`, by)).each(() => undefined);
    const [, , long] = await Promise.all([taken(), taken(), text(900_000), taken()]);
    expect(long).toBe(BODY.subarray(0, 900_000).toString("utf8"));
  });

  it("that is asked for late is whole", async () => {
    const answered = await ask("/3000000", by);
    await later(100);
    const got: Buffer[] = [];
    await answered.each((piece) => void got.push(piece) as undefined);
    expect(sha256(Buffer.concat(got))).toBe(sha256(BODY.subarray(0, 3_000_000)));
  });

  it("that is cut off is told, when the last piece was taken", async () => {
    let taking = 0;
    const slow = async () => {
      taking += 1;
      await later(20);
      taking -= 1;
    };
    for (const take of [slow, () => undefined])
      await expect((await ask("/cut/200000", by)).each(take)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(taking).toBe(0);
    const late = await ask("/cut/200000", by);
    await later(150);
    await expect(late.each(() => undefined)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("that cannot be taken fails with the reason, and the next answer comes", async () => {
    const full = new Error("the disk is full");
    const ways: TakePiece[] = [
      () => {
        throw full;
      },
      () => later(5).then(() => Promise.reject(full)),
    ];
    for (const take of ways) await expect((await ask(`/${BODY.length}`, by)).each(take)).rejects.toBe(full);
    expect(await (await ask("/10", by)).text()).toBe(BODY.subarray(0, 10).toString("utf8"));
  });

  it("is stopped by its signal", async () => {
    const stop = new AbortController();
    const answered = await clients[by].ask({ method: "GET", path: `/${BODY.length}`, signal: stop.signal });
    const taking = answered.each(async () => {
      stop.abort();
      await later(1);
    });
    await expect(taking).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

it("has a connection closed that brings bytes which nobody asked for", async () => {
  let sockets: Socket[] = [];
  let closed = 0;
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    socket.on("error", () => {}).on("close", () => (closed += 1));
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const client = createHttpClient({ url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`) });
  const text = async () => (await client.ask({ method: "GET", path: "/", signal: never })).text();
  expect([await text(), await text()]).toEqual(["ok", "ok"]);
  expect(sockets).toHaveLength(1);
  sockets[0]!.write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad");
  while (closed === 0) await later(1);
  expect(await text()).toBe("ok");
  client.close();
  sockets = [];
  server.close();
});
