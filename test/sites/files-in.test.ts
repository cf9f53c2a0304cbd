/** What a site tells of when files will be there, with real bytes over a link of a bounded rate: it comes true, also after a cut and by another process of the site. */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CorrJob } from "../../src/core/job.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import type { KernelPool } from "../../src/sites/kernel-pool.js";
import { runSite, type Site } from "../../src/sites/site.js";
import { sharedPath } from "../../src/sites/transfers/shared-path.js";
import { createFakeCentral, type FakeCentral } from "./fake-central.js";
import { openTransfer, RIGS, type Rig } from "./transfer-rigs.js";

const MB_PER_S = 2;
const BYTES = 10_000_000;
const MAP_BYTES = 1_000_000;
const ALL_MS = (BYTES + MAP_BYTES) / (1_000 * MB_PER_S);

let folder: string;
let rig: Rig;
let central: FakeCentral;
let site: Site | null;
/** Digest of the input that each run has seen, and when. */
let runs: { readonly sha256: string; readonly atMs: number }[];

const there = (name: string): string => join(folder, "there", name);
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const job = (name: string, input = "scan.bin"): CorrJob => ({
  app: "xpcs.corr",
  input: { path: there(input) },
  qmap: { path: there("q.hdf") },
  out: { path: there(`${name}_results.hdf`) },
  overwrite: false,
  options: {},
});
const kernels: KernelPool = {
  async run({ work }) {
    if (work.app !== "xpcs.corr") throw new Error("not a correlation");
    runs.push({ sha256: sha256(readFileSync(work.request.files.input!)), atMs: realClock.monotonicMs() });
    writeFileSync(work.request.out, "result");
    return { summary: null };
  },
  failed: new Promise(() => {}),
  async close() {},
};

function startSite(mbPerS: number | undefined, shared: readonly string[] = []): void {
  const { settings } = rig.opening;
  const bounded = openTransfer({ ...rig.opening, settings: { ...settings, ...(mbPerS && { mbPerS }) } as typeof settings });
  site = runSite({
    ...{ name: "here", instance: "i", host: "h", slots: 1, threadsPerSlot: 1, apps: ["xpcs.corr"], commands: {}, roots: null },
    ...{ hosts: ["h"], launcher: null },
    ...{ access: { of: async () => ({}) }, capacity: { cores: 2, memoryGb: 8, gpus: 0, nodes: 1, walltimeS: null } },
    transfers: { of: ({ path }) => (shared.includes(path) ? sharedPath : bounded) },
    ...{ workDir: join(folder, "work"), dial: central.dial, kernels, clock: realClock, logger: silentLogger, rng: Math.random },
    onRefused: () => {},
  });
}
const done = (count: number) => vi.waitFor(() => expect(central.said.completed).toHaveLength(count), { timeout: 60_000, interval: 20 });
/** Of a job, those that told a time. */
const told = (name: string) =>
  central.said.files.flatMap(({ job: id, inMs, atMs }) => (id === name && inMs !== undefined ? { inMs, atMs } : []));
const coming = (name: string) => told(name).filter(({ inMs }) => inMs > 0);

/** How far each was off: what it told over what was left. */
function ratios(name: string, hereMs: number): number[] {
  const left = coming(name).filter(({ atMs }) => hereMs - atMs > 500);
  return left.map(({ inMs, atMs }) => inMs / (hereMs - atMs)).sort((a, b) => a - b);
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-files-in-"));
  for (const name of ["there", "work"]) mkdirSync(join(folder, name));
  rig = await RIGS.http!({ there: join(folder, "there"), work: join(folder, "work") });
  writeFileSync(there("scan.bin"), randomBytes(BYTES));
  writeFileSync(there("q.hdf"), randomBytes(MAP_BYTES));
  central = createFakeCentral({ renewMs: 200 });
  runs = [];
  site = null;
});
afterEach(async () => {
  await site?.stop({ graceMs: 0 });
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("files over a link of a bounded rate", () => {
  it("are there when it was told, and those that are there already at once", { timeout: 120_000 }, async () => {
    startSite(MB_PER_S);
    central.grant("a", job("a"), undefined, { inputBytes: BYTES + MAP_BYTES });
    await done(1);
    expect(runs[0]!.sha256).toBe(sha256(readFileSync(there("scan.bin"))));
    // Nothing while nothing had come.
    expect(central.said.files[0]).toMatchObject({ job: "a", inMs: undefined });
    expect(coming("a").length).toBeGreaterThan(5);
    expect(coming("a")[0]!.inMs).toBeGreaterThan(coming("a").at(-1)!.inMs);
    const off = ratios("a", runs[0]!.atMs);
    expect(off[Math.floor(off.length / 2)]).toBeGreaterThan(0.5);
    expect(off[Math.floor(off.length / 2)]).toBeLessThan(2);
    expect(central.said.completed[0]!.summary).toMatchObject({ stageInBytes: BYTES + MAP_BYTES });

    central.grant("b", job("b"), undefined, { inputBytes: BYTES + MAP_BYTES });
    await done(2);
    expect(coming("b")).toEqual([]);
    expect(central.said.completed[1]!.summary).not.toHaveProperty("stageInBytes");
    expect(told("a").at(-1)!.inMs).toBe(0);
  });

  it("are reckoned with by what is left, after a cut and by the next process of the site", { timeout: 120_000 }, async () => {
    startSite(MB_PER_S);
    central.grant("a", job("a"), undefined, { inputBytes: BYTES + MAP_BYTES });
    await vi.waitFor(() => expect(coming("a").length).toBeGreaterThan(3), { timeout: 30_000, interval: 10 });
    rig.cut!();
    const before = coming("a").length;
    await vi.waitFor(() => expect(coming("a").length).toBeGreaterThan(before + 5), { timeout: 30_000, interval: 10 });
    const last = coming("a").at(-1)!.inMs;
    await site!.stop({ graceMs: 0 });
    const toldBefore = central.said.files.length;
    startSite(MB_PER_S);
    central.grant("a", job("a"), undefined, { inputBytes: BYTES + MAP_BYTES });
    await done(1);
    expect(runs[0]!.sha256).toBe(sha256(readFileSync(there("scan.bin"))));
    const first = central.said.files.slice(toldBefore).find(({ inMs = 0 }) => inMs > 0);
    // All of it again would take longer; where it was quick there was nothing to tell.
    expect(first?.inMs ?? 0).toBeLessThan(Math.max(0.8 * ALL_MS, 1.5 * last));
  });

  it("count as there where they are on a shared path, and without a word of who submitted them", { timeout: 120_000 }, async () => {
    startSite(MB_PER_S, [there("scan.bin")]);
    writeFileSync(there("q.hdf"), randomBytes(4 * MAP_BYTES));
    central.grant("a", job("a"));
    await done(1);
    // The 4 MB of the map cross in 2 s, not 14 MB in 7 s.
    expect(coming("a").length).toBeGreaterThan(0);
    expect(Math.min(...coming("a").map(({ inMs }) => inMs))).toBeLessThan(1_500);
    expect(central.said.completed[0]!.summary).toMatchObject({ stageInBytes: 4 * MAP_BYTES });
  });
});
