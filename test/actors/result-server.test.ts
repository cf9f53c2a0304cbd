/** Published files over HTTP: whole, in ranges, for those who may see the job, and no other file whatever a site has reported. */
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { tokenHash } from "../../src/actors/token-file.js";
import { makeToken } from "../../src/actors/tokens.js";
import type { JobId, OutputFile } from "../../src/core/job.js";
import { noop, openClient, openSite, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
let base: string;
let folder: string;
const RESULT = randomBytes(1_200_000);

withCentral((made) => {
  central = made;
  base = central.url.replace("ws", "http");
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-results-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const outputOf = (path: string, content: Buffer | string): OutputFile => ({
  path,
  bytes: content.length,
  sha256: createHash("sha256").update(content).digest("hex"),
});

/** A job that a site has finished with these files. */
async function finished(outputs: readonly OutputFile[], experiment?: string): Promise<JobId> {
  const boss = await openClient(central);
  const site = await openSite(central);
  const me = { site: "a", instance: "1" };
  await boss.remote.submit({ key: randomBytes(8).toString("hex"), jobs: [noop({}, experiment === undefined ? {} : { experiment })] });
  await site.remote.join({ ...me, host: "h", slots: 1, apps: ["xpcs.noop"], held: [] });
  const { leases } = await site.remote.lease({ ...me, slots: 1, waitMs: 5_000 });
  const { job, epoch } = leases[0]!;
  await site.remote.complete({ ...me, lease: { job, epoch }, outputs, summary: {}, startedAtMs: 0, finishedAtMs: 1 });
  site.close();
  boss.close();
  return job;
}

async function fetchFile(
  job: JobId,
  place: number | string,
  headers: Record<string, string> = {},
  token: string | null = central.operatorToken,
) {
  const auth = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${base}/v1/jobs/${job}/files/${place}`, { headers: { ...auth, ...headers } });
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}

const errorOf = ({ body }: { body: Buffer }) => (JSON.parse(body.toString()) as { error: { code: string; message: string } }).error;

it("come whole and in ranges", async () => {
  const path = join(folder, "über result.hdf");
  writeFileSync(path, RESULT);
  const job = await finished([outputOf(path, RESULT)]);
  const whole = await fetchFile(job, 0);
  expect([whole.status, whole.body.equals(RESULT)]).toEqual([200, true]);
  expect(whole.headers.get("content-disposition")).toBe("attachment; filename*=UTF-8''%C3%BCber%20result.hdf");
  const part = await fetchFile(job, 0, { range: "bytes=1000-600999" });
  expect([part.status, part.headers.get("content-range")]).toEqual([206, "bytes 1000-600999/1200000"]);
  expect(part.body.equals(RESULT.subarray(1000, 601_000))).toBe(true);
  expect((await fetchFile(job, 0, { range: "bytes=5-1200000" })).status).toBe(400);
  expect((await fetchFile(job, 1)).status).toBe(404);
});

it("are refused when they have changed since, and when they are gone", async () => {
  const path = join(folder, "a.hdf");
  writeFileSync(path, RESULT);
  const job = await finished([outputOf(path, RESULT)]);
  expect((await fetchFile(job, 0)).status).toBe(200);
  appendFileSync(path, "x");
  const longer = await fetchFile(job, 0);
  expect([longer.status, errorOf(longer).message]).toEqual([409, `${path} is no longer what the job has published`]);
  writeFileSync(path, Buffer.from(RESULT.map((byte, at) => (at === 7 ? byte ^ 1 : byte))));
  expect((await fetchFile(job, 0)).status).toBe(409);
  rmSync(path);
  expect(await fetchFile(job, 0)).toMatchObject({ status: 404 });
});

it("no report of a site gives another file away", async () => {
  const secret = join(folder, "token");
  writeFileSync(secret, "xpcs_op_secret");
  const guess = { path: secret, bytes: 14, sha256: "0".repeat(64) };
  mkdirSync(join(folder, "d"));
  symlinkSync(secret, join(folder, "link"));
  const job = await finished([guess, { ...guess, path: join(folder, "link") }, { ...guess, path: join(folder, "d") }]);
  for (const place of [0, 1, 2]) {
    const answer = await fetchFile(job, place);
    expect(answer.status).toBe(409);
    expect(answer.body.includes("secret")).toBe(false);
  }
});

it("only those who see the job see them", async () => {
  const path = join(folder, "a.hdf");
  writeFileSync(path, "result");
  const job = await finished([outputOf(path, "result")], "2026-3/ours");
  const boss = await openClient(central);
  const tokenOf = async (experiment: string, role: "visitor" | "operator") => {
    const token = makeToken(role, randomBytes);
    await boss.remote.addToken({ hash: tokenHash(token), role, person: experiment, experiment, validS: null });
    return token;
  };
  const [ours, theirs] = [await tokenOf("2026-3/ours", "visitor"), await tokenOf("2026-3/theirs", "operator")];
  boss.close();
  expect((await fetchFile(job, 0, {}, ours)).body.toString()).toBe("result");
  expect(errorOf(await fetchFile(job, 0, {}, theirs)).message).toBe(`there is no job ${job}`);
  expect((await fetchFile(job, 0, {}, central.siteToken)).status).toBe(403);
  expect((await fetchFile(job, 0, {}, null)).status).toBe(401);
  expect((await fetchFile(job, 0, {}, `${ours}x`)).status).toBe(403);
});
