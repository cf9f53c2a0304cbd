/** S3 beyond the suite of all transfers: what the requests say, a store that keeps conditions, damage, large results, credentials, a store that is away. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as forward, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "@20minutes/s3rver";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { realClock } from "../../src/core/real-clock.js";
import { SITE_SETTINGS } from "../../src/sites/site-settings.js";
import { openCache } from "../../src/sites/staging/cache.js";
import { createS3Client, credentialsOf } from "../../src/sites/staging/s3-client.js";
import type { LocationSettings, Transfer } from "../../src/sites/transfers/define.js";
import { s3 } from "../../src/sites/transfers/s3.js";

let folder: string;
let store: S3rver;
let front: Server;
let place: { endpoint: string; bucket: string; region: string; credentials: string; profile: string; insecure: boolean };
const asked: { method: string; url: string; headers: Record<string, unknown> }[] = [];
/** What the front does with a request in place of the store. */
let answers: (method: string, url: string, headers: Record<string, unknown>) => { status: number; code: string } | null = () => null;
const at = (name: string): string => join(folder, name);
const { signal } = new AbortController();
const told: (string | null)[] = [];
const quiet = { report: (reason: string | null) => void told.push(reason), signal };

function open(more: object = {}): Transfer {
  const settings = { folder: "/data", by: "s3", ...place, prefix: "", connections: 3, giveUpS: 1, ...more } as LocationSettings;
  return s3.open(settings, {
    site: "here",
    central: () => ({ url: "", token: "", trust: {}, insecure: false }),
    cache: openCache({ folder: at(`staged-${Math.random()}`), bytesMax: 1e9, clock: realClock, boot: "this" }),
    clock: realClock,
    rng: Math.random,
  });
}
const put = (key: string, body: string | Buffer, headers = {}) =>
  createS3Client(place).ask({ method: "PUT", key, body: Buffer.from(body), headers, signal });
const get = (key: string) => createS3Client(place).text({ method: "GET", key, signal });
const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");
const stage = (transfer: Transfer, ...paths: string[]) =>
  transfer.stageIn({ lease: { job: "j1", epoch: 1 }, refs: paths.map((path) => ({ path })), dir: at("attempt"), ...quiet });
function stageOut(
  transfer: Transfer,
  path: string,
  bytes: string | Buffer,
  more: { epoch?: number; overwrite?: boolean; seen?: string | null } = {},
) {
  const { epoch = 1, overwrite = false, seen = null } = more;
  writeFileSync(at("local"), bytes);
  const local = { path: at("local"), bytes: bytes.length, sha256: sha256(bytes) };
  return transfer.stageOut({
    destination: { ref: { path }, job: "j1", overwrite },
    epoch,
    local,
    seen,
    access: {},
    confirm: async () => {},
    ...quiet,
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-s3-"));
  mkdirSync(at("attempt"));
  writeFileSync(at("credentials"), "[default]\naws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n", { mode: 0o600 });
  store = new S3rver({ port: 0, address: "127.0.0.1", silent: true, directory: at("store"), configureBuckets: [{ name: "data" }] });
  const { port } = await store.run();
  // Stands before the store, whose signatures count the host's name.
  front = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    asked.push({ method, url, headers });
    const answer = answers(method, url, headers);
    if (answer !== null) {
      request.resume();
      return void response.writeHead(answer.status).end(`<Error><Code>${answer.code}</Code><Message>as the test wants</Message></Error>`);
    }
    const on = forward({ port, host: "127.0.0.1", method, path: url, headers }, (back) => {
      response.writeHead(back.statusCode!, back.headers);
      back.pipe(response);
    });
    request.pipe(on);
    // Who hangs up hangs up on the store too.
    response.once("close", () => {
      if (!response.writableFinished) on.destroy();
    });
    on.on("error", () => response.destroy());
  });
  await new Promise<void>((ready) => front.listen(0, "127.0.0.1", ready));
  const endpoint = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  place = { endpoint, bucket: "data", region: "us-east-1", credentials: at("credentials"), profile: "default", insecure: false };
});
afterAll(async () => {
  front.closeAllConnections();
  front.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  asked.length = 0;
  told.length = 0;
});
afterEach(() => {
  answers = () => null;
});

describe("inputs", () => {
  it("that say their digest are compared with it", async () => {
    await put("good.bin", "bytes", { "x-amz-meta-sha256": sha256("bytes") });
    await put("bad.bin", "bytes", { "x-amz-meta-sha256": sha256("other bytes") });
    expect(readFileSync((await stage(open(), "/data/good.bin"))[0]!, "utf8")).toBe("bytes");
    await expect(stage(open(), "/data/bad.bin")).rejects.toMatchObject({
      code: "CHECKSUM_MISMATCH",
      message: expect.stringContaining("/data/bad.bin"),
    });
  });

  it("are read in ranges of one version", async () => {
    const bytes = Buffer.alloc(20 * 1024 * 1024, 7);
    await put("large.bin", bytes);
    asked.length = 0;
    expect(readFileSync((await stage(open(), "/data/large.bin"))[0]!).equals(bytes)).toBe(true);
    const gets = asked.filter(({ method }) => method === "GET");
    expect(gets.map(({ headers }) => headers.range).sort()).toEqual([
      "bytes=0-8388607",
      "bytes=16777216-20971519",
      "bytes=8388608-16777215",
    ]);
    expect(new Set(gets.map(({ headers }) => headers["if-match"])).size).toBe(1);
    answers = (method) => (method === "GET" ? { status: 412, code: "PreconditionFailed" } : null);
    await expect(stage(open(), "/data/large.bin")).rejects.toMatchObject({
      code: "IO_FAILED",
      message: expect.stringContaining("has changed"),
    });
  });
});

describe("results", () => {
  it("that are large go in parts, and say whose they are", async () => {
    const bytes = Buffer.alloc(40 * 1024 * 1024, 3);
    expect(await stageOut(open(), "/data/large.hdf", bytes)).toMatchObject({ bytes: bytes.length, sha256: sha256(bytes) });
    expect(asked.filter(({ method }) => method === "PUT")).toHaveLength(3);
    const last = asked.at(-1)!;
    expect([last.method, last.headers["if-none-match"]]).toEqual(["POST", "*"]);
    const found = await open().inspect({ ref: { path: "/data/large.hdf" }, job: "j1", overwrite: false });
    expect(found).toEqual({ kind: "published", output: { path: "/data/large.hdf", bytes: bytes.length, sha256: sha256(bytes) } });
  });

  it("of a store that keeps conditions replace nothing that came between the look and the writing", async () => {
    answers = (method, url, headers) => {
      if (method !== "PUT" || !url.endsWith("/race.hdf") || headers["if-none-match"] !== "*") return null;
      answers = () => null;
      return { status: 412, code: "PreconditionFailed" };
    };
    await expect(stageOut(open(), "/data/race.hdf", "ours")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(get("race.hdf")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("whose answer was lost are recognised", async () => {
    answers = (method) => {
      if (method !== "HEAD") return null;
      answers = (again) => (again === "PUT" ? { status: 500, code: "InternalError" } : null);
      return null;
    };
    const publishing = stageOut(open({ giveUpS: 10 }), "/data/lost.hdf", "ours");
    // Meanwhile the first try has in truth arrived.
    while (told.length === 0) await new Promise((later) => setTimeout(later, 5));
    await createS3Client(place)
      .ask({ method: "HEAD", key: "lost.hdf", signal })
      .catch(() => {});
    answers = () => null;
    await put("lost.hdf", "ours", { "x-amz-meta-sha256": sha256("ours"), "x-amz-meta-xpcs-job": "j1", "x-amz-meta-xpcs-epoch": "1" });
    expect(await publishing).toMatchObject({ sha256: sha256("ours") });
    expect(told).toEqual([expect.stringContaining("as the test wants"), null]);
  });

  it("that cannot be completed leave no upload behind", async () => {
    const bytes = Buffer.alloc(20 * 1024 * 1024, 5);
    answers = (method, url) => (method === "PUT" && url.includes("partNumber=2") ? { status: 403, code: "AccessDenied" } : null);
    await expect(stageOut(open(), "/data/denied.hdf", bytes)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(asked.at(-1)).toMatchObject({ method: "DELETE", url: expect.stringContaining("uploadId=") });
  });
});

describe("a store", () => {
  it("is asked over a few connections, however many files there are", async () => {
    const names = Array.from({ length: 20 }, (_, at) => `many/${at}`);
    for (const name of names) await put(name, name);
    const transfer = open();
    const ports = new Set<unknown>();
    const look = (request: { socket: { remotePort?: number } }) => ports.add(request.socket.remotePort);
    front.on("request", look);
    await stage(transfer, ...names.map((name) => `/data/${name}`));
    front.off("request", look);
    expect(ports.size).toBeLessThan(10);
  });

  it("that is away is told of at once, and given up", async () => {
    const away = open({ endpoint: "http://127.0.0.1:1" });
    await expect(stage(away, "/data/a")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(told[0]).toContain("127.0.0.1:1");
  });

  it("that does not know the key lets nothing through, and is not asked again", async () => {
    writeFileSync(at("wrong"), "[default]\naws_access_key_id = S3RVER\naws_secret_access_key = WRONG\n", { mode: 0o600 });
    await put("secret.bin", "bytes");
    asked.length = 0;
    await expect(stage(open({ credentials: at("wrong") }), "/data/secret.bin")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(asked).toHaveLength(1);
    await expect(stage(open({ credentials: at("none") }), "/data/a")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("is asked with new credentials when it refuses the old ones, without a restart", async () => {
    const write = (secret: string) =>
      writeFileSync(at("renewed"), `[default]\naws_access_key_id = S3RVER\naws_secret_access_key = ${secret}\n`, { mode: 0o600 });
    await put("renewed.bin", "bytes");
    write("S3RVER");
    const client = createS3Client({ ...place, credentials: at("renewed") });
    const ask = { method: "GET", key: "renewed.bin", signal } as const;
    expect(await client.text(ask)).toBe("bytes");
    // They are not looked at while they are good.
    write("WRONG");
    expect(await client.text(ask)).toBe("bytes");
    answers = () => {
      answers = () => null;
      return { status: 400, code: "ExpiredToken" };
    };
    await expect(client.text(ask)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    write("S3RVER");
    expect(await client.text(ask)).toBe("bytes");
  });

  it("gets no credentials that others may read", async () => {
    writeFileSync(at("open"), readFileSync(at("credentials")), { mode: 0o644 });
    asked.length = 0;
    await expect(stage(open({ credentials: at("open") }), "/data/a")).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/open, may be read by others: chmod 600 it/),
    });
    expect(asked).toEqual([]);
  });

  it("off loopback is not spoken to in clear text, unless told", () => {
    expect(() => open({ endpoint: "http://s3.example" })).toThrow(expect.objectContaining({ code: "REFUSED" }));
  });
});

it("credentials are those of the profile", () => {
  const text =
    "[default]\naws_access_key_id=A\naws_secret_access_key=B\n\n[profile beam]\n aws_access_key_id = C\n aws_secret_access_key = D\naws_session_token = E\n";
  expect(credentialsOf(text, "default", "f")).toEqual({ accessKeyId: "A", secretAccessKey: "B" });
  expect(credentialsOf(text, "beam", "f")).toEqual({ accessKeyId: "C", secretAccessKey: "D", sessionToken: "E" });
  expect(() => credentialsOf(text, "other", "f")).toThrow(/\[other\]/);
});

it.each([
  ['{"locations": [{"folder": "/data", "by": "ftp"}]}', /locations\.0\.by/],
  ['{"locations": [{"folder": "data", "by": "http"}]}', /locations\.0\.folder: must be an absolute path/],
  ['{"locations": [{"folder": "/data", "by": "http", "speed": 1}]}', /locations\.0: .*speed/],
  ['{"locations": [{"folder": "/data", "by": "http"}, {"folder": "/data", "by": "shared-path"}]}', /locations: have one folder twice/],
  [
    '{"locations": [{"folder": "/data", "by": "s3", "endpoint": "ftp://x", "bucket": "data", "credentials": "/c"}]}',
    /locations\.0\.endpoint/,
  ],
  ['{"locations": [{"folder": "/data", "by": "rsync", "host": "-oProxyCommand=x"}]}', /locations\.0\.host/],
])("the settings %s are refused with their place", (text, place) => {
  expect(() => parseSettings(SITE_SETTINGS, text, "f")).toThrow(place);
});
