/** `xpcs replay` as people run it: an exported ledger, the folder of a stopped central, a made-up shift; and what it refuses. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { exportLines } from "../../src/ledger/exchange.js";
import { memoryStore } from "../../src/ledger/memory-store.js";
import { spec } from "../replay/shifts.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { startXpcs } from "./xpcs-process.js";

const root = mkdtempSync(join(tmpdir(), "xpcs-replay-"));
const file = join(root, "ledger.jsonl");
afterAll(() => rmSync(root, { recursive: true, force: true }));

const xpcs = (...args: string[]) => startXpcs(args, { HOME: root, XDG_CONFIG_HOME: root }).result;
const replay = (...args: string[]) => xpcs("replay", ...args, "--json");

const JOBS = 12;
const at = (s: number) => Date.UTC(2026, 0, 1) + 1_000 * s;

/** Two sites, of which one takes twice as long; a job each 2 s. */
function* day(): Generator<LedgerEvent> {
  for (const site of ["a", "b"]) yield { type: "siteJoined", at: at(0), site, instance: site, host: "h", slots: 2, apps: ["a"] };
  for (let job = 0; job < JOBS; job += 1) {
    const id = `job-${job}`;
    const site = job % 2 === 0 ? "a" : "b";
    const runMs = site === "a" ? 5_000 : 10_000;
    yield { type: "submitted", at: at(2 * job), jobs: [id], specs: [spec({ inputBytes: 1e6 })], key: id, digest: "" };
    yield { type: "leased", at: at(2 * job), job: id, epoch: 1, site, instance: site, why: "" };
    yield { type: "completed", at: at(2 * job) + runMs, job: id, epoch: 1, outputs: [], summary: {}, runMs };
  }
}

beforeAll(async () => {
  const store = memoryStore();
  await store.append([...day()].sort((a, b) => a.at - b.at));
  let text = "";
  for await (const line of exportLines(store.snapshot())) text += `${line}\n`;
  writeFileSync(file, text);
});

interface Replayed {
  readonly plot: string | null;
  readonly runs: readonly { policy: string; jobs: number; finished: number; left: number; sites: readonly { jobs: number }[] }[];
}

describe("xpcs replay", () => {
  it("runs an exported ledger with the policies that are asked for, and draws them", async () => {
    const plot = join(root, "shift.svg");
    const { code, stdout } = await replay(file, "--policy", "soonest", "--policy", "round-robin", "--plot", plot);
    expect(code).toBe(0);
    const replayed = JSON.parse(stdout) as Replayed;
    expect(shapeFaults(documentedJson("replay"), { ...replayed, plot: null })).toEqual([]);
    expect(replayed.runs.map(({ policy, jobs, finished, left }) => ({ policy, jobs, finished, left }))).toEqual([
      { policy: "soonest", jobs: JOBS, finished: JOBS, left: 0 },
      { policy: "round-robin", jobs: JOBS, finished: JOBS, left: 0 },
    ]);
    const [soonest, turns] = replayed.runs;
    expect(turns?.sites.reduce((sum, { jobs }) => sum + jobs, 0)).toBe(JOBS);
    expect(soonest?.sites[0]?.jobs).toBeGreaterThan(JOBS / 2);
    const svg = readFileSync(plot, "utf8");
    for (const text of ["<svg", "soonest", "round-robin", "Time to answer"]) expect(svg).toContain(text);
  });

  it("reads the data folder of a stopped central in the same way", async () => {
    const data = join(root, "data");
    expect((await xpcs("ledger", "import", "--data", data, "--file", file)).code).toBe(0);
    const [ofFile, ofFolder] = [await replay(file, "--policy", "soonest"), await replay(data, "--policy", "soonest")];
    expect(ofFolder.code).toBe(0);
    const runs = [ofFile, ofFolder].map(({ stdout }) => (JSON.parse(stdout) as Replayed).runs);
    expect(runs[0]).toEqual(runs[1]);
  });

  it("shows people a line for each policy and the sites", async () => {
    const sites = join(root, "sites.yaml");
    writeFileSync(sites, "sites:\n  - name: b\n    without: true\n  - name: c\n    like: a\n");
    const { code, stdout } = await xpcs("replay", file, "--policy", "soonest", "--sites", sites, "--scale", "2");
    expect(code).toBe(0);
    expect(stdout).toMatch(/policy +jobs\/min +median +p95/);
    expect(stdout).toMatch(/\nc +2 /);
    expect(stdout).not.toMatch(/\nb +2 /);
  });

  it.each([
    ["there is no policy", [file, "--policy", "best"]],
    ["needs a ledger", []],
    ["not both", [file, "--synthetic", "jobs=10"]],
    ["it is made of", ["--synthetic", "job=10"]],
    ["does not exist", [join(root, "nowhere")]],
    ["exists", [file, "--plot", file]],
  ])("refuses with the reason: %s", async (message, args) => {
    const { code, stdout, stderr } = await replay(...args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect((JSON.parse(stderr.trim().split("\n").at(-1)!) as { error: { message: string } }).error.message).toContain(message);
  });

  it("refuses a file that was cut", async () => {
    const cut = join(root, "cut.jsonl");
    writeFileSync(cut, readFileSync(file, "utf8").split("\n").slice(0, -3).join("\n"));
    const { code, stderr } = await replay(cut);
    expect(code).toBe(2);
    expect(stderr).toContain("CORRUPT_DATA");
  });
});
