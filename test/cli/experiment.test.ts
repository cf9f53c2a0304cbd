/** Whole experiments as files: what is in one, that it is the truth, and that nothing of it stays when it is removed. The built command. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { realClock } from "../../src/core/real-clock.js";
import { noop, openClient, openSite, start, type TestCentral } from "../actors/support.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { startXpcs } from "./xpcs-process.js";

const root = mkdtempSync(join(tmpdir(), "xpcs-experiment-"));
const data = join(root, "data");
const file = join(root, "smith.jsonl");
let central: TestCentral;
let aheadMs = 0;
const clock = { ...realClock, nowMs: () => realClock.nowMs() + aheadMs };
const me = { site: "s", instance: "1" };
const ours = { experiment: "2026-3/smith" };
let jobs: string[] = [];
let others: string[] = [];

const experiment = (...args: string[]) => startXpcs(["experiment", ...args, "--json"], { HOME: root, XDG_CONFIG_HOME: root }).result;
const asked = (...args: string[]) => experiment(...args, "--central", central.url, "--token", central.operatorToken);
async function refusal(answer: ReturnType<typeof experiment>): Promise<{ code: string; message: string }> {
  const { code, stdout, stderr } = await answer;
  expect(code, stdout).not.toBe(0);
  return (JSON.parse(stderr) as { error: { code: string; message: string } }).error;
}

/** Has a site finish, or fail for good, all that it is given. */
async function work(count: number): Promise<void> {
  const site = await openSite(central);
  await site.remote.join({ ...me, host: "h", slots: 8, apps: ["xpcs.noop"], held: [] });
  for (let done = 0; done < count; ) {
    const { leases } = await site.remote.lease({ ...me, slots: 8, waitMs: 5_000 });
    for (const { job, epoch } of leases) {
      const lease = { job, epoch };
      await site.remote.pushLog({ ...me, lease, stream: "stdout", offset: 0, data: new Uint8Array([65]) });
      const outputs = [{ path: `/results/${job}`, bytes: 1, sha256: "a".repeat(64) }];
      if (done++ % 3 === 2) await site.remote.fail({ ...me, lease, code: "INVALID_ARGUMENT", reason: "bad q-map" });
      else await site.remote.complete({ ...me, lease, outputs, summary: { frames: 7 }, startedAtMs: 0, finishedAtMs: 5 });
    }
  }
  site.close();
}

beforeAll(async () => {
  central = await start(data, { clock, keeping: { liveMs: 3_600_000 } });
  const client = await openClient(central);
  const submit = async (key: string, count: number, more: object) =>
    (await client.remote.submit({ key, jobs: Array.from({ length: count }, () => noop({ of: key }, more)) })).jobs;
  jobs = await submit("first", 4, ours);
  others = await submit("other", 2, { experiment: "2026-3/jones" });
  await work(6);
  aheadMs = 2 * 3_600_000;
  await central.tidy();
  jobs.push(...(await submit("second", 3, ours)));
  client.close();
});
afterAll(async () => {
  await central.stop();
  rmSync(root, { recursive: true, force: true });
});

/** Several processes each, on a machine that may be busy. */
describe("xpcs experiment", { timeout: 120_000 }, () => {
  it("archives all of one experiment, also what is in the archive, and nothing of others; the file is read without a central", async () => {
    const { code, stdout, stderr } = await asked("archive", "2026-3/smith", "--file", file);
    expect(code, stderr).toBe(0);
    const facts = JSON.parse(stdout) as object;
    expect(shapeFaults(documentedJson("experiment"), facts)).toEqual([]);
    expect(facts).toMatchObject({ experiment: "2026-3/smith", jobs: 7, sites: 1, withoutHistory: 0 });
    expect(JSON.parse((await experiment("verify", "--file", file)).stdout)).toEqual(facts);
    const shown = JSON.parse((await experiment("show", "2026-3/smith", "--file", file)).stdout) as { id: string; state: string }[];
    expect(shown.map(({ id }) => id)).toEqual([...jobs].reverse());
    const client = await openClient(central);
    const now = await Promise.all(shown.map(({ id }) => client.remote.job({ id })));
    client.close();
    const plain = (job: object) => ({ ...job, archived: true, reason: null });
    expect(shown.map(plain)).toEqual(now.map(plain));
    const text = readFileSync(file, "utf8");
    for (const word of ["jones", ...others]) expect(text).not.toContain(word);
  });

  it("takes no file that was cut or changed, or whose events tell another story", async () => {
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    const bad = join(root, "bad.jsonl");
    const broken: [string, string[], RegExp][] = [
      ["cut", lines.slice(0, -1), /was cut/],
      ["changed", lines.map((line) => line.replace('"frames":7', '"frames":8')), /was changed/],
      ["one less", [...lines.slice(0, 3), ...lines.slice(4)], /was changed/],
      ["another file", ["{}"], /is not the head/],
    ];
    for (const [what, text, message] of broken) {
      writeFileSync(bad, `${text.join("\n")}\n`);
      expect((await refusal(experiment("verify", "--file", bad))).message, what).toMatch(message);
    }
    // A forger who mends the digest has to make events that lead to the same jobs.
    const { createHash } = await import("node:crypto");
    const forged = lines.map((line) => (line.startsWith('["job"') ? line.replace('"frames":7', '"frames":8') : line)).slice(0, -1);
    const sha256 = createHash("sha256")
      .update(`${forged.slice(1).join("\n")}\n`)
      .digest("hex");
    writeFileSync(bad, `${[...forged, JSON.stringify({ ...JSON.parse(lines.at(-1)!), sha256 })].join("\n")}\n`);
    expect((await refusal(experiment("verify", "--file", bad))).message).toMatch(/differs from its events in summary/);
    expect((await refusal(experiment("show", "2026-3/jones", "--file", file))).code).toBe("INVALID_ARGUMENT");
    expect((await refusal(asked("archive", "2026-3/smith", "--file", file))).code).toBe("ALREADY_EXISTS");
    expect((await refusal(asked("archive", "2026-3/nobody", "--file", join(root, "no.jsonl")))).code).toBe("NOT_FOUND");
    expect(existsSync(join(root, "no.jsonl"))).toBe(false);
  });

  it("removes what the file has, and only then", async () => {
    // Three jobs wait; then they have ended after the file was written.
    expect((await refusal(asked("remove", "2026-3/smith", "--file", file))).message).toContain("wait for it, or cancel it");
    await work(3);
    expect((await refusal(asked("remove", "2026-3/smith", "--file", file))).message).toContain("has changed since");
    expect((await asked("archive", "2026-3/smith", "--file", file, "--overwrite")).code).toBe(0);
    const { code, stdout, stderr } = await asked("remove", "2026-3/smith", "--file", file);
    expect([code, stderr, JSON.parse(stdout)]).toEqual([0, "", { experiment: "2026-3/smith", removed: 7 }]);
    expect((await asked("remove", "2026-3/smith", "--file", file)).stdout).toContain('"removed":0');
    const client = await openClient(central);
    for (const id of jobs) await expect(client.remote.job({ id })).rejects.toMatchObject({ code: "NOT_FOUND" });
    for (const archived of [false, true]) expect((await client.remote.jobs({ ...ours, archived })).jobs).toEqual([]);
    for (const id of others) expect(await client.remote.job({ id })).toMatchObject({ experiment: "2026-3/jones", archived: true });
    // Its keys are free again.
    const { jobs: anew } = await client.remote.submit({ key: "first", jobs: [noop({}, ours)] });
    expect(jobs).not.toContain(anew[0]);
    client.close();
    expect(readdirSync(join(data, "logs")).filter((name) => jobs.includes(name))).toEqual([]);
    await central.stop();
    const db = new Level<string, string>(join(data, "ledger"));
    await db.open();
    // The events that say that they went are all that names them.
    const naming: string[] = [];
    for await (const [key, value] of db.iterator()) {
      if (
        jobs.some((id) => value.includes(id) || key.includes(id)) &&
        !value.includes('"type":"removed"') &&
        !value.includes('"type":"archived"')
      )
        naming.push(`${key} ${value}`);
    }
    expect(naming).toEqual([]);
    await db.close();
    central = await start(data, { clock });
  });
});
