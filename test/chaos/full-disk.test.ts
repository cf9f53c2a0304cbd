/** A disk that fills up under a real central: a small file system in memory, which only root can mount; elsewhere the first part runs without. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { isCode } from "../../src/core/errors.js";
import { CLIENT_API_METHODS, type ClientApi, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { noop, openClient, start } from "../actors/support.js";
import { startXpcs, type Xpcs } from "../cli/xpcs-process.js";

const root = mkdtempSync(join(tmpdir(), "xpcs-full-"));
const disk = join(root, "disk");
const filler = join(disk, "filler");
let mounted = false;
try {
  execFileSync("mkdir", [disk]);
  mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=32m", "none", disk]).status === 0;
} catch {
  mounted = false;
}
afterAll(() => {
  if (mounted) spawnSync("umount", ["-l", disk]);
  rmSync(root, { recursive: true, force: true });
});

interface Started {
  readonly process: Xpcs;
  readonly url: string;
  readonly operatorToken: string | null;
  readonly siteToken: string | null;
}

async function startOnDisk(): Promise<Started> {
  const args = ["central", "--data", join(disk, "data"), "--listen", "127.0.0.1:0", "--disk-reserve-gb", "0.014", "--json"];
  const process = startXpcs(args, { HOME: root, XDG_CONFIG_HOME: root });
  let over = false;
  void process.result.then(() => {
    over = true;
  });
  while (!over && !process.printed().includes("\n")) await new Promise((next) => setTimeout(next, 20));
  if (over) throw new Error((await process.result).stderr);
  return { process, ...(JSON.parse(process.printed()) as Omit<Started, "process">) };
}

const dial = (url: string) => openWebSocket(url, { clock: realClock });
const by = (token: string, party: "client" | "site") => ({ clock: realClock, token, version: VERSION, party });

async function clientOf(url: string, token: string): Promise<Connection<ClientApi>> {
  return openSession<ClientApi>(await dial(url), CLIENT_API_METHODS, by(token, "client"));
}

async function siteOf(url: string, token: string): Promise<Connection<WorkSource>> {
  return openSession<WorkSource>(await dial(url), WORK_SOURCE_METHODS, by(token, "site"));
}

/** Writes until there is no room. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const chunk = Buffer.alloc(65_536, 1); ; ) writeSync(file, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}

const me = { site: "s", instance: "1" };

describe("central on a disk with too little room", { timeout: 180_000 }, () => {
  it("takes nothing new, says why, and goes on with what it has", async () => {
    const dir = join(root, "reserved");
    const central = await start(dir);
    const client = await openClient(central);
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop()] });
    client.close();
    await central.stop();
    const short = await start(dir, { diskReserveBytes: 1e18 });
    const again = await openClient(short);
    const refused = { code: "OVERLOADED", message: expect.stringMatching(/disk is nearly full .* nothing new is taken/) };
    await expect(again.remote.submit({ key: "new", jobs: [noop()] })).rejects.toMatchObject(refused);
    expect(await again.remote.cancel({ ids: jobs })).toEqual({ canceled: jobs, alreadyFinal: [] });
    await expect(again.remote.retry({ ids: jobs })).rejects.toMatchObject(refused);
    expect((await again.remote.jobs({})).jobs).toHaveLength(1);
    again.close();
    await short.stop();
  });

  it.skipIf(!mounted)("loses nothing that it acknowledged when the disk is full all the same, and goes on when there is room", async () => {
    const first = await startOnDisk();
    const [operator, siteToken] = [first.operatorToken!, first.siteToken!];
    const client = await clientOf(first.url, operator);
    const acknowledged: string[] = [];
    const tags = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`t${at}`, "x".repeat(250)]));
    let refusal: unknown = null;
    for (let n = 0; refusal === null; n += 1) {
      const request = { key: `k${n}`, jobs: Array.from({ length: 100 }, () => noop(tags)) };
      await client.remote.submit(request).then(
        ({ jobs }) => acknowledged.push(...jobs),
        (error: unknown) => {
          refusal = error;
        },
      );
    }
    expect(refusal).toMatchObject({ code: "OVERLOADED", message: expect.stringContaining("nearly full") });
    expect(acknowledged.length).toBeGreaterThan(500);
    const site = await siteOf(first.url, siteToken);
    await site.remote.join({ ...me, host: "h", slots: 8, apps: ["xpcs.noop"], held: [] });
    const finished: string[] = [];
    const finishSome = async (): Promise<void> => {
      const { leases } = await site.remote.lease({ ...me, slots: 8, waitMs: 5_000 });
      for (const { job, epoch } of leases) {
        await site.remote.complete({ ...me, lease: { job, epoch }, outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 5 });
        finished.push(job);
      }
    };
    // What it has goes on.
    for (let n = 0; n < 5; n += 1) await finishSome();
    expect(finished.length).toBeGreaterThanOrEqual(40);

    // Somebody else takes the rest of the disk.
    fill(filler);
    let end: unknown = null;
    while (end === null) {
      await finishSome().catch((error: unknown) => {
        end = error;
      });
    }
    expect(isCode(end, "UNAVAILABLE"), String(end)).toBe(true);
    const { code, stderr } = await first.process.result;
    expect(code).toBe(1);
    expect(stderr).toContain("IO_FAILED");
    for (const { close } of [client, site]) close();
    // It may be unable to start, but not silently.
    const stuck = await startOnDisk().catch((error: Error) => error.message);
    if (typeof stuck === "string") expect(stuck).toMatch(/IO_FAILED|ENOSPC|No space/);
    else {
      stuck.process.kill("SIGKILL");
      await stuck.process.result;
    }

    rmSync(filler);
    const second = await startOnDisk();
    const after = await clientOf(second.url, operator);
    const states = new Map<string, string>();
    for (let cursor: string | undefined; ; ) {
      const { jobs, next } = await after.remote.jobs({ limit: 100, ...(cursor === undefined ? {} : { after: cursor }) });
      for (const { id, state } of jobs) states.set(id, state);
      if (next === null) break;
      cursor = next;
    }
    expect(acknowledged.filter((id) => !states.has(id))).toEqual([]);
    expect(finished.filter((id) => states.get(id) !== "finished")).toEqual([]);
    after.close();
    second.process.kill("SIGTERM");
    expect((await second.process.result).code).toBe(0);
    const verified = await startXpcs(["ledger", "verify", "--data", join(disk, "data"), "--json"], { HOME: root }).result;
    expect(verified.code, verified.stderr).toBe(0);
  });
});
