/** The ledger of a stopped central as a file and back, and what is found when it is damaged. The built command on a real central's folder. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noop, openClient, openSite, start } from "../actors/support.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { startXpcs } from "./xpcs-process.js";

const root = mkdtempSync(join(tmpdir(), "xpcs-ledger-"));
const data = join(root, "data");
const file = join(root, "ledger.jsonl");
afterAll(() => rmSync(root, { recursive: true, force: true }));

const ledger = (...args: string[]) => startXpcs(["ledger", ...args, "--json"], { HOME: root, XDG_CONFIG_HOME: root }).result;

async function refusal(...args: string[]): Promise<{ code: string; message: string }> {
  const { code, stdout, stderr } = await ledger(...args);
  expect(code, stdout).not.toBe(0);
  return (JSON.parse(stderr) as { error: { code: string; message: string } }).error;
}

/** Every job that the central on `dir` has, as its clients see them. */
async function jobsOf(dir: string): Promise<unknown> {
  const central = await start(dir);
  const client = await openClient(central);
  const { jobs } = await client.remote.jobs({});
  client.close();
  await central.stop();
  return jobs.map(({ reason: _, ...job }) => job);
}

/** Puts `change` over one entry of a ledger. */
async function damage(dir: string, prefix: string, change: (value: string) => string | null): Promise<void> {
  const db = new Level<string, string>(join(dir, "ledger"), { keyEncoding: "utf8", valueEncoding: "utf8" });
  await db.open();
  for await (const [key, value] of db.iterator({ gte: prefix, limit: 1 })) {
    const next = change(value);
    if (next === null) await db.del(key);
    else await db.put(key, next);
  }
  await db.close();
}

beforeAll(async () => {
  const central = await start(data);
  const [client, site] = [await openClient(central), await openSite(central)];
  const me = { site: "s", instance: "1" };
  await site.remote.join({ ...me, host: "h", slots: 2, apps: ["xpcs.noop"], held: [] });
  const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop(), noop({}, { parents: ["#0"] }), noop()] });
  const { leases } = await site.remote.lease({ ...me, slots: 2, waitMs: 1_000 });
  for (const { job, epoch } of leases.slice(0, 1))
    await site.remote.complete({ ...me, lease: { job, epoch }, outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 5 });
  await client.remote.cancel({ ids: [jobs[3]!] });
  await client.remote.retry({ ids: [jobs[3]!] });
  for (const close of [client.close, site.close]) close();
  await central.stop();
});

/** Several processes each, on a machine that may be busy. */
const PATIENCE = { timeout: 120_000 };

describe("xpcs ledger", PATIENCE, () => {
  it("verifies, exports and imports: the same jobs, from a file that can be compared", async () => {
    const verified = JSON.parse((await ledger("verify", "--data", data)).stdout) as { events: number; checkpoint: number };
    expect(shapeFaults(documentedJson("ledger"), verified)).toEqual([]);
    expect(verified).toMatchObject({ jobs: 4, sites: 1, checkpoint: verified.events });
    const exported = await ledger("export", "--data", data, "--file", file);
    expect(JSON.parse(exported.stdout)).toEqual(verified);
    expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(verified.events + 2);
    const other = join(root, "other");
    const imported = await ledger("import", "--data", other, "--file", file);
    expect(JSON.parse(imported.stdout)).toEqual({ ...verified, checkpoint: verified.events });
    const again = join(root, "again.jsonl");
    expect((await ledger("export", "--data", other, "--file", again)).code).toBe(0);
    expect(readFileSync(again, "utf8")).toBe(readFileSync(file, "utf8"));
    expect(await jobsOf(other)).toEqual(await jobsOf(data));
  });

  it("imports nothing of a file that was cut or changed, and nothing over a ledger", async () => {
    const lines = readFileSync(file, "utf8").trim().split("\n");
    const broken: [string, string[], RegExp][] = [
      ["cut", lines.slice(0, -1), /the file was cut/],
      ["cut within a line", [...lines.slice(0, -2), lines.at(-2)!.slice(0, 20)], /is no JSON/],
      ["changed", lines.map((line) => line.replace('"job"', '"jog"')), /the file was changed|is no event/],
      ["one less", [...lines.slice(0, 2), ...lines.slice(3)], /the file was changed/],
      ["gone on with", [...lines, lines.at(-1)!], /comes after the end/],
      ["counted otherwise", [...lines.slice(0, -1), lines.at(-1)!.replace(/"events":\d+/, '"events":1')], /the file was changed/],
      ["no ledger", ["{}"], /is not the head/],
    ];
    for (const [what, text, message] of broken) {
      const bad = join(root, "bad.jsonl");
      writeFileSync(bad, `${text.join("\n")}\n`);
      const folder = join(root, `from ${what}`);
      expect(await refusal("import", "--data", folder, "--file", bad), what).toMatchObject({ message: expect.stringMatching(message) });
      expect(existsSync(join(folder, "ledger")) || existsSync(join(folder, "ledger.importing")), what).toBe(false);
    }
    expect(await refusal("import", "--data", data, "--file", file)).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await refusal("export", "--data", data, "--file", file)).toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("says what is wrong when it cannot be used", async () => {
    expect(await refusal("verify", "--data", join(root, "nowhere"))).toMatchObject({ code: "NOT_FOUND" });
    expect(existsSync(join(root, "nowhere"))).toBe(false);
    expect((await refusal("export", "--data", data)).message).toContain("--file");
    expect((await refusal("verify", "--data", data, "--file", file)).message).toContain("--file");
    const central = await start(data);
    expect((await refusal("verify", "--data", data)).message).toContain("in use by another central");
    await central.stop();
  });

  it.each<[string, string, (value: string) => string | null, RegExp]>([
    [
      "a flipped letter",
      "event/",
      (value) => value.replace("noop", "n00p").replace("siteJoined", "siteJoinex"),
      /ledger event 1 .*damaged/,
    ],
    ["a lost event", "event/0000000000000003", () => null, /ledger event 3 .*missing/],
    ["a damaged checkpoint", "record/", (value) => `${value} `, /checkpoint record .*damaged/],
    ["a lost record of the checkpoint", "record/job/000000000001", () => null, /differ from the checkpoint: it has/],
  ])("finds %s", async (what, prefix, change, message) => {
    const folder = join(root, what);
    expect((await ledger("import", "--data", folder, "--file", file)).code).toBe(0);
    // Central writes the checkpoint.
    await jobsOf(folder);
    await damage(folder, prefix, change);
    expect(await refusal("verify", "--data", folder)).toMatchObject({ code: "CORRUPT_DATA", message: expect.stringMatching(message) });
  });
});
