/** Every transfer backend against the contract in define.ts. A new backend is tested by adding its rig to transfer-rigs.ts. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import type { OutputFile } from "../../src/core/job.js";
import { realClock } from "../../src/core/real-clock.js";
import type { Destination } from "../../src/files/publication.js";
import { SHARED_PATHS, transfersOf } from "../../src/sites/locations.js";
import type { StageOut, Transfer, TransferContext } from "../../src/sites/transfers/define.js";
import { BACKENDS } from "../../src/sites/transfers/registry.js";
import { killDuringStageIn, killDuringStageOut } from "./kill-transfer.js";
import { closeRigs, obstacleOf, openTransfer, RIGS, type Rig } from "./transfer-rigs.js";

/** A second file system, when the machine has one: there the bytes must be copied instead of linked. */
const OTHER = "/dev/shm";
const HAS_OTHER = existsSync(OTHER) && statSync(OTHER).dev !== statSync(tmpdir()).dev;
/** Whether the site's folder is on the file system of the results matters to one backend only. */
const CASES = BACKENDS.flatMap(({ name }) => [
  { name, place: "same file system" },
  ...(HAS_OTHER && name === "shared-path" ? [{ name, place: "another file system" }] : []),
]);

/** Where a try costs little there are more. */
const KILLS: Readonly<Record<string, number>> = { "shared-path": 12, rsync: 3, globus: 3 };

const OBSTACLES = new Map(BACKENDS.map(({ name }) => [name, obstacleOf(name)]));
for (const obstacle of OBSTACLES.values()) if (obstacle !== null) console.warn(obstacle);
afterAll(closeRigs);

describe.each(CASES.filter(({ name }) => OBSTACLES.get(name) === null))("$name, $place", ({ name, place }) => {
  let rig: Rig;
  let transfer: Transfer;
  let work: string;
  let there: string;
  const never = new AbortController().signal;
  const lease = { job: "j1", epoch: 1 };
  const quiet = { lease, report: () => {}, signal: never };

  beforeEach(async () => {
    work = mkdtempSync(join(place === "same file system" ? tmpdir() : OTHER, "xpcs-work-"));
    there = mkdtempSync(join(tmpdir(), "xpcs-there-"));
    rig = await RIGS[name]!({ there, work });
    transfer = openTransfer(rig.opening);
  });
  afterEach(async () => {
    await rig.close();
    for (const folder of [work, there]) rmSync(folder, { recursive: true, force: true });
  });

  const destination = (overrides: Partial<Destination> = {}): Destination => ({
    ref: { path: join(there, "a_results.hdf") },
    job: "j1",
    overwrite: false,
    ...overrides,
  });
  const result = (text: string): OutputFile => {
    const path = join(work, "result.partial");
    writeFileSync(path, text);
    return { path, bytes: text.length, sha256: createHash("sha256").update(text).digest("hex") };
  };
  const stageOut = (text: string, overrides: Partial<StageOut> = {}) =>
    transfer.stageOut({
      destination: destination(),
      epoch: 1,
      local: result(text),
      seen: null,
      access: {},
      confirm: async () => {},
      report: () => {},
      signal: never,
      ...overrides,
    });
  const content = async (): Promise<string | null> => (await rig.far.read(join(there, "a_results.hdf")))?.toString() ?? null;
  const names = async (): Promise<string[]> => (await rig.far.list()).map((path) => relative(there, path));

  it("stages files in, readable and in order", async () => {
    for (const name of ["x", "y"]) await rig.far.write(join(there, name), `bytes of ${name}`);
    const refs = ["x", "y"].map((name) => ({ path: join(there, name) }));
    const dir = join(work, "attempt");
    mkdirSync(dir);
    for (let repeat = 0; repeat < 2; repeat += 1) {
      const moved: number[] = [];
      const paths = await transfer.stageIn({ refs, dir, ...quiet, moved: (bytes) => void moved.push(bytes) });
      // What is here already does not cross again.
      expect(moved).toEqual(name === "shared-path" || repeat > 0 ? [] : [10, 10]);
      expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual(["bytes of x", "bytes of y"]);
    }
  });

  it("keeps the files of one input as they lie to each other, and apart from others of their names", async () => {
    const inputs = ["a/scan.bin.000", "a/scan.bin.005", "a/data/scan_000001.h5", "b/scan.bin.000"];
    for (const name of inputs) await rig.far.write(join(there, name), `bytes of ${name}`);
    const dir = join(work, "attempt");
    mkdirSync(dir);
    const paths = await transfer.stageIn({ refs: inputs.map((name) => ({ path: join(there, name) })), dir, ...quiet });
    const first = dirname(paths[0]!);
    expect(paths.slice(0, 3).map((path) => relative(first, path))).toEqual(["scan.bin.000", "scan.bin.005", "data/scan_000001.h5"]);
    expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual(inputs.map((name) => `bytes of ${name}`));
  });

  it("takes odd names as they are", async () => {
    const odd = `-a b'c"d$(touch x);*?[é]\\.bin`;
    const [input, output] = ["in", "out"].map((end) => join(there, odd, `${odd}.${end}`)) as [string, string];
    await rig.far.write(input, "bytes");
    const dir = join(work, "attempt");
    mkdirSync(dir);
    const [staged] = await transfer.stageIn({ refs: [{ path: input }], dir, ...quiet });
    expect(readFileSync(staged!, "utf8")).toBe("bytes");
    await stageOut("the result", { destination: destination({ ref: { path: output } }) });
    await transfer.settle(destination({ ref: { path: output } }));
    expect((await rig.far.read(output))?.toString()).toBe("the result");
    expect(await rig.far.list()).toEqual([input, output]);
  });

  it("says which input is missing", async () => {
    const missing = transfer.stageIn({ refs: [{ path: join(there, "none.bin") }], dir: work, ...quiet });
    await expect(missing).rejects.toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("none.bin") });
  });

  it("publishes the whole result with its digest", async () => {
    const local = result("the result");
    expect(await stageOut("the result")).toEqual({ ...local, path: join(there, "a_results.hdf") });
    expect(await content()).toBe("the result");
  });

  it("asks for confirmation before anything shows under the final name", async () => {
    let before: string | null = "not asked";
    await stageOut("the result", {
      confirm: async () => {
        before = await content();
      },
    });
    expect(before).toBeNull();
  });

  it("publishes nothing when the lease was lost, and leaves nothing behind", async () => {
    const confirm = async (): Promise<void> => {
      throw new XpcsError("STALE_LEASE", "granted again");
    };
    await expect(stageOut("stale", { confirm })).rejects.toMatchObject({ code: "STALE_LEASE" });
    expect(await names()).toEqual([]);
  });

  it("does not replace a stranger's file", async () => {
    await rig.far.write(join(there, "a_results.hdf"), "a stranger's");
    await expect(transfer.inspect(destination())).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(stageOut("ours")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await content()).toBe("a stranger's");
    expect(await names()).toEqual(["a_results.hdf"]);
  });

  it("replaces the file it saw when told to, and no other", async () => {
    await rig.far.write(join(there, "a_results.hdf"), "old");
    const overwrite = destination({ overwrite: true });
    const found = await transfer.inspect(overwrite);
    const seen = found.kind === "free" ? found.seen : null;
    expect(await stageOut("new", { destination: overwrite, seen })).toMatchObject({ bytes: 3 });
    expect(await content()).toBe("new");
    await transfer.settle(overwrite);
    // What it saw is no longer there: somebody has published since.
    const another = { ...overwrite, job: "j2" };
    await expect(stageOut("late", { destination: another, seen })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await content()).toBe("new");
  });

  it.each([false, true])("knows the job's own publication until it is settled (overwrite %s)", async (overwrite) => {
    const own = destination({ overwrite });
    const output = await stageOut("first", { destination: own });
    expect(await transfer.inspect(own)).toEqual({ kind: "published", output });
    // Another attempt that was on its way adopts it.
    expect(await stageOut("second", { destination: own, epoch: 2 })).toEqual(output);
    expect(await content()).toBe("first");
    await transfer.settle(own);
    await transfer.settle(own);
    expect(await names()).toEqual(["a_results.hdf"]);
    const stranger = transfer.inspect(destination({ job: "j2" }));
    await expect(stranger).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("refuses an attempt that is older than the one that published", async () => {
    await stageOut("newer", { epoch: 2 });
    await expect(stageOut("older", { epoch: 1 })).rejects.toMatchObject({ code: "STALE_LEASE" });
    expect(await content()).toBe("newer");
  });

  it("discards what an attempt may have left, and nothing else", async () => {
    await stageOut("first");
    await transfer.discard({ destination: destination(), epoch: 1 });
    expect(await content()).toBe("first");
  });

  it.skipIf(name === "s3")("says what to do when the folder of the result is missing", async () => {
    const ref = { path: join(there, "none", "a_results.hdf") };
    const failed = stageOut("lost", { destination: destination({ ref }) });
    await expect(failed).rejects.toMatchObject({ code: "IO_FAILED", message: expect.stringContaining(dirname(ref.path)) });
  });

  it("never shows a partial file under the final name when it is killed on the way", async () => {
    const seen = await killDuringStageOut({
      rig,
      work,
      path: join(there, "a_results.hdf"),
      megabytes: 32,
      kills: KILLS[name] ?? 6,
    });
    // Whatever was there at any look was the whole file.
    expect(seen.partial).toEqual([]);
    expect(seen.looks).toBeGreaterThan(20);
    expect(seen.killed).toBeGreaterThan(0);
    // After the last kill an attempt without one succeeds.
    expect(seen.finalSha256).toBe(seen.expectedSha256);
  });

  it.skipIf(name === "shared-path")("brings an input whole when it is killed on the way", async () => {
    const dir = join(work, "attempt");
    mkdirSync(dir);
    const path = join(there, "large.bin");
    const staged = join(dir, "inputs", path);
    const seen = await killDuringStageIn({ rig, work, path, megabytes: 48, kills: 3, staged, dir });
    expect(seen.partial).toEqual([]);
    expect(seen.killed).toBeGreaterThan(0);
    expect(seen.finalSha256).toBe(seen.expectedSha256);
  });
});

describe("the shared path", () => {
  it("discards the half of a result and of a note that a killed attempt left, and those of no other attempt", async () => {
    const folder = mkdtempSync(join(tmpdir(), "xpcs-discard-"));
    try {
      const ref = { path: join(folder, "a_results.hdf") };
      const left = [".a_results.hdf.j1.1.partial", ".a_results.hdf.j1.published.1"];
      const others = [".a_results.hdf.j1.2.partial", ".a_results.hdf.j1.published.2"];
      for (const name of [...left, ...others]) writeFileSync(join(folder, name), "x");
      await SHARED_PATHS.of(ref).discard({ destination: { ref, job: "j1", overwrite: false }, epoch: 1 });
      expect(readdirSync(folder).sort()).toEqual(others);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the locations of a site", () => {
  const context = { site: "here" } as TransferContext;
  const by = "shared-path";
  const http = { folder: "/data", by: "http", connections: 1, giveUpS: 1 };

  it("have a rig for every backend", () => {
    expect(Object.keys(RIGS).sort()).toEqual(BACKENDS.map(({ name }) => name).sort());
  });

  it("say which backend takes a path, the longest folder first", () => {
    const { of } = transfersOf([http, { folder: "/data/here", by }, { folder: "/q", by }], { ...context, clock: realClock });
    expect(["/data/a", "/data/here/a", "/data/hereafter", "/q/a"].map((path) => of({ path }).local)).toEqual([false, true, false, true]);
  });

  it("refuse what no location has, and paths that are not as they seem", () => {
    const { of } = transfersOf([{ folder: "/data", by }], context);
    for (const path of ["/database/a", "/data/../etc/passwd", "data/a", "/etc/passwd", "/data//a"])
      expect(() => of({ path })).toThrow(expect.objectContaining({ code: "REFUSED" }));
    expect(() => SHARED_PATHS.of({ path: "relative/path" })).toThrow(/no transfer reaches/);
  });
});
