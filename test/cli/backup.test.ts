/** Copies of the ledger of a central that goes on working: the built command, under load, killed, and with central restarted meanwhile. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.js";
import { noop, openClient, start, type TestCentral } from "../actors/support.js";
import { startXpcs } from "./xpcs-process.js";

const root = mkdtempSync(join(tmpdir(), "xpcs-backup-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

let folders = 0;
const folder = () => join(root, String(folders++));
const env = { HOME: root, XDG_CONFIG_HOME: root };

async function running(dir: string, port = 0): Promise<TestCentral> {
  const central = await start(dir, { port });
  stops.push(() => central.stop());
  return central;
}

const backup = (central: TestCentral, file: string, ...more: string[]) =>
  startXpcs(["ledger", "backup", "--file", file, "--central", central.url, "--token", central.operatorToken, "--json", ...more], env);
const ledger = (...args: string[]) => startXpcs(["ledger", ...args, "--json"], env).result;

/** Submits `count` requests of a thousand jobs each. */
async function fill(central: TestCentral, count: number): Promise<void> {
  const client = await openClient(central);
  const jobs = Array.from({ length: 1_000 }, (_, at) => noop({ at: String(at), note: "n".repeat(100) }));
  for (let n = 0; n < count; n += 1) await client.remote.submit({ key: `fill ${n}`, jobs });
  client.close();
}

/** Resolves when the command has begun to write. */
async function begun(file: string): Promise<void> {
  while (!existsSync(`${file}.partial`) || statSync(`${file}.partial`).size === 0) await new Promise((next) => setTimeout(next, 2));
}

/** Several processes each, on a machine that may be busy. */
const PATIENCE = { timeout: 120_000 };

describe("xpcs ledger backup", PATIENCE, () => {
  it("is one moment of a central under load, and another central goes on from it", async () => {
    const central = await running(folder());
    await fill(central, 3);
    const client = await openClient(central);
    const acknowledged: string[] = [];
    let copying = true;
    const load = async (name: number) => {
      for (let n = 0; copying; n += 1) {
        const { jobs } = await client.remote.submit({ key: `load ${name} ${n}`, jobs: [noop(), noop({}, { parents: ["#0"] })] });
        acknowledged.push(...jobs);
        await client.remote.cancel({ ids: jobs.slice(0, 1) });
      }
    };
    const loads = [0, 1, 2, 3].map(load);
    while (acknowledged.length < 20) await new Promise((next) => setTimeout(next, 5));
    const before = [...acknowledged];
    const file = join(root, "load.jsonl");
    const command = backup(central, file);
    await begun(file);
    const atBegin = acknowledged.length;
    const { code, stdout, stderr } = await command.result;
    const duringCopy = acknowledged.length - atBegin;
    copying = false;
    await Promise.all(loads);
    client.close();
    expect(code, stderr).toBe(0);
    // Commits went on while parts were read and written.
    expect(duringCopy).toBeGreaterThan(0);
    const facts = JSON.parse(stdout) as { events: number; jobs: number };
    expect(facts.jobs).toBeGreaterThanOrEqual(3_000 + before.length);
    expect(JSON.parse((await ledger("verify", "--file", file)).stdout)).toEqual(facts);
    const dir = folder();
    expect(JSON.parse((await ledger("import", "--data", dir, "--file", file)).stdout)).toEqual({ ...facts, checkpoint: facts.events });
    const other = await running(dir);
    const again = await openClient(other);
    const { jobs } = await again.remote.jobs({ ids: before });
    expect(jobs.map(({ id }) => id).sort()).toEqual([...before].sort());
    // Keys are in it too: a client that repeats its request makes nothing twice.
    expect((await again.remote.submit({ key: "load 0 0", jobs: [noop(), noop({}, { parents: ["#0"] })] })).jobs[0]).toSatisfy(
      (id: string) => before.includes(id),
    );
    again.close();
  });

  it("that is killed leaves no file that looks whole", async () => {
    const central = await running(folder());
    await fill(central, 10);
    const file = join(root, "killed.jsonl");
    const command = backup(central, file);
    await begun(file);
    command.kill("SIGKILL");
    await command.result;
    expect(existsSync(file)).toBe(false);
    const partial = await ledger("verify", "--file", `${file}.partial`);
    expect(JSON.parse(partial.stderr)).toMatchObject({ error: { code: "CORRUPT_DATA" } });
    // And the next one is not in its way.
    expect((await backup(central, file).result).code).toBe(0);
    expect((await ledger("verify", "--file", file)).code).toBe(0);
  });

  it("fails, and leaves nothing, when central is restarted meanwhile", async () => {
    const dir = folder();
    const central = await running(dir);
    await fill(central, 10);
    const file = join(root, "restarted.jsonl");
    const command = backup(central, file);
    await begun(file);
    await stops.pop()!();
    await running(dir, Number(new URL(central.url).port));
    const { code, stderr } = await command.result;
    expect([code, JSON.parse(stderr)]).toEqual([2, { error: { code: "NOT_FOUND", message: expect.stringContaining("begin it again") } }]);
    expect([existsSync(file), existsSync(`${file}.partial`)]).toEqual([false, false]);
  });

  it("replaces nothing unless told", async () => {
    const central = await running(folder());
    const file = join(root, "first.jsonl");
    expect((await backup(central, file).result).code).toBe(0);
    const text = readFileSync(file, "utf8");
    await fill(central, 1);
    expect(JSON.parse((await backup(central, file).result).stderr)).toMatchObject({ error: { code: "ALREADY_EXISTS" } });
    expect(readFileSync(file, "utf8")).toBe(text);
    expect((await backup(central, file, "--overwrite").result).code).toBe(0);
    expect(readFileSync(file, "utf8").length).toBeGreaterThan(text.length);
  });
});

describe("the parts of a backup", () => {
  it("come one after the other, the last one also again, and a moment that was begun does not change", async () => {
    const central = await running(folder());
    await fill(central, 4);
    const { remote, close } = await openClient(central);
    const first = await remote.backup({ id: null, part: 0 });
    await remote.submit({ key: "late", jobs: [noop({ late: "yes" })] });
    const { id } = first;
    const chunks = [first.data];
    for (let part = 1, { last } = first; !last; part += 1) {
      const [one, same] = await Promise.all([remote.backup({ id, part }), remote.backup({ id, part })]);
      expect(Buffer.compare(same.data, one.data)).toBe(0);
      expect(Buffer.compare((await remote.backup({ id, part })).data, one.data)).toBe(0);
      if (!one.last) await expect(remote.backup({ id, part: part + 2 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      chunks.push(one.data);
      last = one.last;
    }
    expect(chunks.length).toBeGreaterThan(2);
    expect(Buffer.concat(chunks).toString()).not.toContain('"late"');
    await expect(remote.backup({ id: "none", part: 1 })).rejects.toMatchObject({ code: "NOT_FOUND" });
    for (let n = 0; n < LIMITS.backupsMax; n += 1) await remote.backup({ id: null, part: 0 });
    await expect(remote.backup({ id: null, part: 0 })).rejects.toMatchObject({ code: "OVERLOADED" });
    close();
  });
});
