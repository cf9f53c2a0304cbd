/** Many objects of one folder of a store are looked at by a list, where the store gives one; what comes is the same. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as forward, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "@20minutes/s3rver";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { realClock } from "../../src/core/real-clock.js";
import { openCache } from "../../src/sites/staging/cache.js";
import { createS3Client } from "../../src/sites/staging/s3-client.js";
import { parseList } from "../../src/sites/staging/s3-list.js";
import type { LocationSettings, Transfer } from "../../src/sites/transfers/define.js";
import { s3 } from "../../src/sites/transfers/s3.js";

let folder: string;
let store: S3rver;
let front: Server;
let place: { endpoint: string; bucket: string; region: string; credentials: string; profile: string; insecure: boolean };
/** Methods, and `LIST`. */
let asked: string[] = [];
let refusal: { status: number; code: string } | null = null;
const { signal } = new AbortController();
const sha256 = (bytes: string): string => createHash("sha256").update(bytes).digest("hex");
const put = (key: string, body: string, headers = {}) =>
  createS3Client(place).ask({ method: "PUT", key, body: Buffer.from(body), headers, signal });
const names = Array.from({ length: 40 }, (_, at) => `run/f${at} é+x.bin`);
/** s3rver lists these otherwise than they are. */
const odd = Array.from({ length: 40 }, (_, at) => `run & 'é'/f${at} <"x">.bin`);

function open(): Transfer {
  const settings = { folder: "/data", by: "s3", ...place, prefix: "in/", connections: 3, giveUpS: 1 } as LocationSettings;
  return s3.open(settings, {
    site: "here",
    central: () => ({ url: "", token: "", trust: {}, insecure: false }),
    cache: openCache({ folder: join(folder, `staged-${Math.random()}`), bytesMax: 1e9, clock: realClock, boot: "this" }),
    clock: realClock,
    rng: Math.random,
  });
}
async function stage(transfer: Transfer, some: readonly string[] = names): Promise<string[]> {
  asked = [];
  const refs = some.map((name) => ({ path: `/data/${name}` }));
  const dir = join(folder, `attempt-${Math.random()}`);
  const places = await transfer.stageIn({ lease: { job: "j", epoch: 1 }, refs, dir, report: () => {}, signal });
  return places.map((path) => readFileSync(path, "utf8"));
}
const count = (what: string) => asked.filter((each) => each === what).length;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-s3-list-"));
  const credentials = join(folder, "credentials");
  writeFileSync(credentials, "[default]\naws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n", { mode: 0o600 });
  const directory = join(folder, "store");
  store = new S3rver({ port: 0, address: "127.0.0.1", silent: true, directory, configureBuckets: [{ name: "data" }] });
  const { port } = await store.run();
  front = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    const isList = url.includes("list-type=2");
    asked.push(isList ? "LIST" : method);
    if (isList && refusal !== null) return void response.writeHead(refusal.status).end(`<Error><Code>${refusal.code}</Code></Error>`);
    const on = forward({ port, host: "127.0.0.1", method, path: url, headers }, (back) => {
      response.writeHead(back.statusCode!, back.headers);
      back.pipe(response);
    });
    request.pipe(on);
  });
  await new Promise<void>((ready) => front.listen(0, "127.0.0.1", ready));
  const endpoint = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  place = { endpoint, bucket: "data", region: "us-east-1", credentials, profile: "default", insecure: false };
  for (const name of [...names, ...odd]) await put(`in/${name}`, `bytes of ${name}`, { "x-amz-meta-sha256": sha256(`bytes of ${name}`) });
  await put("in/run/a/deeper.bin", "deeper");
  await put("in/run/empty.bin", "");
});
afterAll(async () => {
  front.closeAllConnections();
  front.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  refusal = null;
});
const bytes = names.map((name) => `bytes of ${name}`);

describe("many objects of one folder", () => {
  it("are looked at by a list, brought by a request each, and found again in the cache", async () => {
    const transfer = open();
    expect(await stage(transfer)).toEqual(bytes);
    expect([count("LIST"), count("HEAD"), count("GET")]).toEqual([1, 0, 40]);
    expect(await stage(transfer)).toEqual(bytes);
    expect([count("LIST"), count("HEAD"), count("GET")]).toEqual([1, 0, 0]);
  });

  it.each([
    [403, "AccessDenied"],
    [501, "NotImplemented"],
  ])("are asked about one by one where the list is answered %i %s", async (status, code) => {
    refusal = { status, code };
    expect(await stage(open())).toEqual(bytes);
    expect([count("LIST"), count("HEAD"), count("GET")]).toEqual([1, 40, 40]);
  });

  it("are asked about one by one where the list does not tell them", async () => {
    expect(await stage(open(), odd)).toEqual(odd.map((name) => `bytes of ${name}`));
    expect([count("HEAD"), count("GET")]).toEqual([40, 40]);
  });

  it("are asked about one by one where they are few", async () => {
    expect(await stage(open(), names.slice(0, 5))).toEqual(bytes.slice(0, 5));
    expect([count("LIST"), count("HEAD")]).toEqual([0, 5]);
  });

  it("are what they say, empty ones too, and one that is not there is named", async () => {
    expect((await stage(open(), [...names, "run/empty.bin"])).at(-1)).toBe("");
    await expect(stage(open(), [...names, "run/missing.bin"])).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("missing.bin"),
    });
    await put("in/run/bad.bin", "bytes", { "x-amz-meta-sha256": sha256("other bytes") });
    await expect(stage(open(), [...names, "run/bad.bin"])).rejects.toMatchObject({
      code: "CHECKSUM_MISMATCH",
      message: expect.stringContaining("bad.bin"),
    });
  });
});

it("a list is read with what XML hides, and nothing is taken from what is none", () => {
  const entry = (key: string, size: string) => `<Contents><Key>${key}</Key><ETag>&quot;t&quot;</ETag><Size>${size}</Size></Contents>`;
  const xml = `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>${entry("a&amp;&lt;&#233;&#x20AC;", "5")}${entry("empty", "0")}${entry("odd", "-1")}${entry("&#x110000;", "1")}</ListBucketResult>`;
  const { objects, next } = parseList(xml);
  expect([...objects]).toEqual([
    ["a&<é€", { bytes: 5, etag: '"t"' }],
    ["&#x110000;", { bytes: 1, etag: '"t"' }],
  ]);
  expect(next).toBe("a&b");
  for (const none of ["", "<html>", xml.slice(0, 40), "<Contents>".repeat(10_000)])
    expect(parseList(none)).toEqual({ objects: new Map(), next: null });
});
