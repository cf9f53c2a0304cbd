/** Central's data server against sites that ask for what is not theirs: real central, real leases, plain HTTP requests. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CorrJob } from "../../src/core/job.js";
import { LIMITS } from "../../src/core/limits.js";
import type { LeaseRef, WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { measureLink } from "../../src/sites/link-rate.js";
import type { Connection } from "../../src/wire/connect.js";
import { createHttpClient } from "../../src/wire/http-client.js";
import { openClient, openSite, start, type TestCentral, temporaryDir } from "./support.js";

let central: TestCentral;
let site: Connection<WorkSource>;
let folder: string;
let clean: () => Promise<void>;
let lease: LeaseRef;
const file = (name: string): string => join(folder, name);
const me = { site: "here", instance: "i1" };

const work = (name: string, input = file("data/2026-3/smith/in.bin")): CorrJob => ({
  app: "xpcs.corr",
  input: { path: input },
  qmap: { path: file("data/2026-3/smith/q.hdf") },
  out: { path: file(`out/2026-3/smith/${name}`) },
  overwrite: false,
  options: {},
});

async function submit(job: CorrJob): Promise<LeaseRef> {
  const { remote, close } = await openClient(central);
  const spec = { work: job, experiment: "2026-3/smith", tags: {}, attemptsMax: 5 };
  await remote.submit({ key: `${Math.random()}`, jobs: [spec] });
  close();
  const { leases } = await site.remote.lease({ ...me, slots: 1, waitMs: 5_000 });
  return { job: leases[0]!.job, epoch: leases[0]!.epoch };
}

interface Asked {
  readonly token?: string;
  readonly as?: string;
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

async function ask(path: string, { token = central.siteToken, as = "here", method = "GET", body, headers = {} }: Asked = {}) {
  const url = `${central.url.replace(/^ws/, "http")}/v1/data/${path}`;
  const all = { authorization: `Bearer ${token}`, "x-xpcs-site": as, ...headers };
  const answer = await fetch(url, { method, headers: all, ...(body === undefined ? {} : { body }) });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

const get = (path: string, { job, epoch } = lease, more: Asked = {}) =>
  ask(`file?${new URLSearchParams({ job, epoch: String(epoch), path })}`, more);
const put = (path: string, text: string, { job, epoch } = lease, more: Asked = {}) =>
  ask(`file?${new URLSearchParams({ job, epoch: String(epoch), path, offset: "0" })}`, { method: "PUT", body: text, ...more });
const post = (name: string, body: object, more: Asked = {}) => ask(name, { method: "POST", body: JSON.stringify(body), ...more });
const publish = (path: string, text: string, { job, epoch } = lease) => {
  const sha256 = createHash("sha256").update(text).digest("hex");
  return post("publish", { job, epoch, path, overwrite: false, bytes: text.length, sha256, seen: null });
};
const refused = (status: number, code: string) => ({ status, text: expect.stringContaining(`"code":"${code}"`) });

beforeAll(async () => {
  const temporary = await temporaryDir();
  folder = temporary.dir;
  clean = temporary.remove;
  for (const name of ["data/2026-3/smith", "data/2026-3/jones", "out/2026-3/smith", "secret"]) mkdirSync(file(name), { recursive: true });
  writeFileSync(file("data/2026-3/smith/in.bin"), "0123456789");
  writeFileSync(file("data/2026-3/smith/q.hdf"), "q");
  writeFileSync(file("data/2026-3/jones/in.bin"), "not smith's");
  writeFileSync(file("secret/key"), "secret");
  symlinkSync(file("secret/key"), file("data/2026-3/smith/link.bin"));
  const data = { read: [file("data/{cycle}/{name}")], write: [file("out/{cycle}/{name}")] };
  central = await start(file("central"), { data });
  site = await openSite(central);
  await site.remote.join({ ...me, host: "h", slots: 8, apps: ["xpcs.corr"], held: [] });
  lease = await submit(work("a.hdf"));
});
afterAll(async () => {
  site.close();
  await central.stop();
  await clean();
});

describe("the data server", () => {
  it("gives whole files and ranges of what the job names", async () => {
    const whole = await get(file("data/2026-3/smith/in.bin"));
    expect(whole).toMatchObject({ status: 200, text: "0123456789" });
    const etag = whole.headers.get("etag")!;
    const part = await get(file("data/2026-3/smith/in.bin"), lease, { headers: { range: "bytes=3-5", "if-match": etag } });
    expect(part).toMatchObject({ status: 206, text: "345" });
    const changed = await get(file("data/2026-3/smith/in.bin"), lease, { headers: { "if-match": '"another"' } });
    expect(changed.status).toBe(412);
    for (const range of ["bytes=5-3", "bytes=0-10", "bytes=-5", "bytes=0-1,3-4", "lines=1-2"])
      expect((await get(file("data/2026-3/smith/in.bin"), lease, { headers: { range } })).status, range).toBe(400);
  });

  it("gives several files in one answer, each in the version that was asked for, and none to those who may not read one of them", async () => {
    const paths = [file("data/2026-3/smith/in.bin"), file("data/2026-3/smith/q.hdf")];
    const { files } = JSON.parse((await post("stat", { ...lease, paths })).text) as { files: { version: string }[] };
    const asked = paths.map((path, at) => ({ path, version: files[at]!.version }));
    const all = await post("files", { ...lease, files: asked });
    expect(all).toMatchObject({ status: 200, text: '{"bytes":10}\n0123456789{"bytes":1}\nq' });
    const changed = await post("files", { ...lease, files: [asked[1], { ...asked[0]!, version: "another" }, asked[1]] });
    expect(changed.text).toMatch(/^\{"bytes":1\}\nq\{"error":\{"code":"IO_FAILED","message":"[^"]*in.bin has changed[^"]*"\}\}\n$/);
    const other = [...asked, { path: file("data/2026-3/smith/link.bin"), version: "1" }];
    expect(await post("files", { ...lease, files: other })).toMatchObject(refused(409, "REFUSED"));
    expect(await post("files", { ...lease, epoch: 9, files: asked })).toMatchObject(refused(409, "STALE_LEASE"));
    expect(await post("files", { ...lease, files: [] })).toMatchObject(refused(400, "INVALID_ARGUMENT"));
    expect(await post("files", { ...lease, files: Array(101).fill(asked[0]) })).toMatchObject(refused(400, "INVALID_ARGUMENT"));
  });

  it("gives nothing to a token that is no site's, and nothing of a job that the site does not hold", async () => {
    const path = file("data/2026-3/smith/in.bin");
    expect(await get(path, lease, { token: central.operatorToken })).toMatchObject(refused(403, "PERMISSION_DENIED"));
    expect(await get(path, lease, { token: "xpcs_site_wrong" })).toMatchObject(refused(403, "PERMISSION_DENIED"));
    expect(await get(path, lease, { as: "elsewhere" })).toMatchObject(refused(404, "NOT_FOUND"));
    expect(await get(path, { ...lease, epoch: 2 })).toMatchObject(refused(409, "STALE_LEASE"));
    expect(await get(path, { job: "none", epoch: 1 })).toMatchObject(refused(404, "NOT_FOUND"));
  });

  it("gives no file that the job does not name, or that lies or leads outside the folders of its experiment", async () => {
    expect(await get(file("data/2026-3/smith/link.bin"))).toMatchObject(refused(409, "REFUSED"));
    for (const name of ["data/2026-3/smith/link.bin", "data/2026-3/jones/in.bin", "secret/key"]) {
      const other = await submit(work(`${name.replaceAll("/", "-")}.hdf`, file(name)));
      const answer = await get(file(name), other);
      expect(answer, name).toMatchObject(refused(409, "REFUSED"));
      expect(answer.text).not.toContain("not smith's");
    }
  });

  it("takes results only where the job wants them, under a current lease, and whole", async () => {
    const out = file("out/2026-3/smith/a.hdf");
    expect(await put(file("out/2026-3/smith/b.hdf"), "x")).toMatchObject(refused(409, "REFUSED"));
    expect(await put(out, "x", { ...lease, epoch: 9 })).toMatchObject(refused(409, "STALE_LEASE"));
    expect(await put(out, "half a res")).toMatchObject({ status: 200 });
    expect(await publish(out, "the result")).toMatchObject(refused(409, "CHECKSUM_MISMATCH"));
    expect(readdirSync(file("out/2026-3/smith"))).toEqual([]);
    await put(out, "the result");
    // Granted again meanwhile: what the old attempt sent is not published.
    await site.remote.giveBack({ ...me, leases: [lease], reason: "test" });
    expect(await publish(out, "the result")).toMatchObject(refused(409, "STALE_LEASE"));
    const { leases } = await site.remote.lease({ ...me, slots: 1, waitMs: 5_000 });
    const now = { job: lease.job, epoch: leases[0]!.epoch };
    expect(now.epoch).toBe(2);
    expect(await post("discard", { ...lease, path: out })).toMatchObject({ status: 200 });
    await put(out, "the result", now);
    expect(await publish(out, "the result", now)).toMatchObject({ status: 200 });
    expect(readFileSync(out, "utf8")).toBe("the result");
    // The answer was lost: the same question has the same answer.
    expect(await publish(out, "the result", now)).toMatchObject({ status: 200 });
    expect(await post("settle", { job: now.job, path: out })).toMatchObject({ status: 200 });
    expect(readdirSync(file("out/2026-3/smith"))).toEqual(["a.hdf"]);
  });

  it("waits for no writer of a pipe that has the name of a file", async () => {
    const pipe = file("data/2026-3/smith/pipe.bin");
    execFileSync("mkfifo", [pipe]);
    const held = await submit(work("pipe.hdf", pipe));
    expect(await get(pipe, held)).toMatchObject(refused(409, "REFUSED"));
    expect(await post("stat", { ...held, paths: [pipe] })).toMatchObject(refused(409, "REFUSED"));
    expect(await post("digest", { ...held, path: pipe, version: "1" })).toMatchObject(refused(409, "REFUSED"));
    // Beside a note that makes it look like the job's own result.
    const out = file("out/2026-3/smith/pipe.hdf");
    execFileSync("mkfifo", [out]);
    const note = { job: held.job, epoch: 1, bytes: 0, sha256: createHash("sha256").digest("hex") };
    writeFileSync(file(`out/2026-3/smith/.pipe.hdf.${held.job}.published`), JSON.stringify(note));
    expect(await post("inspect", { job: held.job, path: out, overwrite: false })).toMatchObject(refused(409, "REFUSED"));
  });

  it("publishes nothing of a job that was canceled", async () => {
    const held = await submit(work("canceled.hdf"));
    const out = file("out/2026-3/smith/canceled.hdf");
    const { remote, close } = await openClient(central);
    await remote.cancel({ ids: [held.job] });
    close();
    expect(await put(out, "x", held)).toMatchObject(refused(409, "CANCELED"));
    expect(existsSync(out)).toBe(false);
  });

  it("refuses what it does not know, and bodies that are none", async () => {
    expect(await ask("none")).toMatchObject(refused(404, "NOT_FOUND"));
    expect(await ask("toString", { method: "POST", body: "{}" })).toMatchObject(refused(404, "NOT_FOUND"));
    expect(await ask("stat", { method: "POST", body: "{" })).toMatchObject(refused(400, "INVALID_ARGUMENT"));
    expect(await post("stat", { ...lease, paths: ["/a/../b"] })).toMatchObject(refused(400, "INVALID_ARGUMENT"));
    expect(await ask("file?job=j&epoch=x&path=/a")).toMatchObject(refused(400, "INVALID_ARGUMENT"));
    const big = await post("stat", { ...lease, paths: ["a".repeat(1024 * 1024)] }).catch(() => ({ status: 400 }));
    expect(big.status).toBe(400);
  });

  it("sends and takes bytes that nobody keeps, for any site in its own name and nobody else", async () => {
    const before = readdirSync(file("out/2026-3/smith"));
    const sent = await ask("probe?bytes=200000");
    expect([sent.status, sent.text.length, sent.headers.get("content-length")]).toEqual([200, 200_000, "200000"]);
    expect(await ask("probe", { method: "PUT", body: "x".repeat(100_000), as: "elsewhere" })).toMatchObject({ status: 200, text: "{}" });
    expect(await ask("probe?bytes=1", { token: central.operatorToken })).toMatchObject(refused(403, "PERMISSION_DENIED"));
    expect(await ask("probe", { method: "PUT", body: "x", token: central.operatorToken })).toMatchObject(refused(403, "PERMISSION_DENIED"));
    expect((await ask("probe?bytes=1", { token: "xpcs_site_none" })).status).toBe(403);
    for (const bytes of ["0", "-1", "x", String(LIMITS.dataChunkBytesMax + 1)])
      expect(await ask(`probe?bytes=${bytes}`)).toMatchObject(refused(400, "INVALID_ARGUMENT"));
    expect(
      await ask("probe", { method: "PUT", body: "x".repeat(LIMITS.dataChunkBytesMax + 1) }).catch(() => ({ status: 400 })),
    ).toMatchObject({ status: 400 });
    expect(await ask("probe", { method: "DELETE" })).toMatchObject(refused(404, "NOT_FOUND"));
    expect(readdirSync(file("out/2026-3/smith"))).toEqual(before);
  });

  it("is measured by a site, both ways", async () => {
    const client = createHttpClient({ url: new URL(central.url.replace(/^ws/, "http")) });
    const headers = { authorization: `Bearer ${central.siteToken}`, "x-xpcs-site": "here" };
    const options = { client, headers, clock: realClock, signal: new AbortController().signal };
    const { inBytesPerS, outBytesPerS } = await measureLink(options);
    for (const rate of [inBytesPerS, outBytesPerS]) expect(rate).toBeGreaterThan(1e5);
    await expect(measureLink({ ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "CANCELED" });
    await expect(measureLink({ ...options, headers: { ...headers, authorization: "Bearer x" } })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    client.close();
  }, 30_000);

  it("moves nothing while central's settings list no folders", async () => {
    const { dir, remove } = await temporaryDir();
    const other = await start(join(dir, "central"));
    const answer = await fetch(`${other.url.replace(/^ws/, "http")}/v1/data/file?job=j&epoch=1&path=/etc/passwd`, {
      headers: { authorization: `Bearer ${other.siteToken}`, "x-xpcs-site": "here" },
    });
    expect([answer.status, await answer.text()]).toEqual([409, expect.stringContaining("list no folders")]);
    await other.stop();
    await remove();
  });
});
