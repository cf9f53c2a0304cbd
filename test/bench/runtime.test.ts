/** What the runtime's bench judges, and the ledger that it lists. Measures nothing. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { queriesOf } from "../../bench/runtime/listing.js";
import { madeIds, submittedMs, writeMadeLedger } from "../../bench/runtime/made-ledger.js";
import { type Goal, isReached, measuredOf, measuredRow, rowShortfall, shown } from "../../bench/runtime/row.js";
import { RUNTIME_CASES } from "../../bench/runtime/rows.js";
import { runtimeTable } from "../../bench/runtime/runtime-table.js";
import { JOB_STATES } from "../../src/core/job.js";
import { importLines } from "../../src/ledger/exchange.js";
import { findJobs } from "../../src/ledger/job-index.js";
import { loadState } from "../../src/ledger/ledger.js";
import { memoryStore } from "../../src/ledger/memory-store.js";

const FAST: Goal = { name: "fast", title: "a page", goal: 20, unit: "ms", better: "less", balsam: "39 ms" };
const MANY: Goal = { name: "many", title: "jobs", goal: 300, unit: "/s", better: "more", balsam: "-" };

it("npm run bench -- --help says what there is, and neither sets up nor builds anything", () => {
  const [, ...words] = (JSON.parse(readFileSync("package.json", "utf8")) as { scripts: { bench: string } }).scripts.bench.split(" ");
  // Without PATH nothing could be built.
  const { status, stdout } = spawnSync(process.execPath, [...words, "--help"], { encoding: "utf8", env: { PATH: "" } });
  expect([status, stdout.split("\n")[0]]).toEqual([
    0,
    "npm run bench -- kernels|boost-corr|scaling|detectors|runtime|staging|stream [options]",
  ]);
});

describe("rows", () => {
  it("are judged by the median, on the good side of the goal", () => {
    expect(isReached(measuredRow(FAST, measuredOf([19, 100, 20], "")))).toBe(true);
    expect(isReached(measuredRow(FAST, measuredOf([21, 1, 22], "")))).toBe(false);
    expect(isReached(measuredRow(MANY, measuredOf([300], "")))).toBe(true);
    expect(isReached(measuredRow(MANY, measuredOf([299], "")))).toBe(false);
  });

  it("name what is short", () => {
    expect(rowShortfall(measuredRow(FAST, measuredOf([20], "")))).toBeNull();
    expect(rowShortfall(measuredRow(FAST, measuredOf([25], "")))).toBe("fast: 25.0 ms, the goal is at most 20.0 ms");
    expect(rowShortfall(measuredRow(MANY, measuredOf([12.34], "")))).toBe("many: 12.3/s, the goal is at least 300/s");
    expect(rowShortfall(measuredRow(FAST, measuredOf([Number.NaN], "")))).toContain("not measured");
  });

  it("have names of their own", () => {
    expect(new Set(RUNTIME_CASES.map(({ name }) => name)).size).toBe(RUNTIME_CASES.length);
  });

  it("show goal, measurement and Balsam's figure", () => {
    const text = runtimeTable([measuredRow(FAST, measuredOf([25, 24, 26], "cold"))], []);
    for (const cell of ["≤ 20.0 ms", "25.0 ms", "24.0 ms - 26.0 ms", "39 ms", "short", "cold"])
      expect(text).toMatch(new RegExp(`\\| +${cell.replace("/", "\\/")} +\\|`));
    expect(shown(1_234.5, "/s")).toBe("1235/s");
  });
});

describe("the made ledger", () => {
  const COUNT = 4_000;
  const folder = mkdtempSync(join(tmpdir(), "xpcs-made-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is taken by import, and every filter finds jobs but those that are to find none", async () => {
    const path = join(folder, "made.jsonl");
    await writeMadeLedger(path, COUNT);
    const store = memoryStore();
    async function* lines() {
      yield* readFileSync(path, "utf8").trimEnd().split("\n");
    }
    await importLines(lines(), store);
    const { state } = await loadState(store);
    expect([...state.order]).toEqual(madeIds(COUNT));
    expect(new Set([...state.jobs.values()].map((job) => job.state))).toEqual(
      new Set([...JOB_STATES].filter((name) => ["ready", "finished", "failed", "canceled"].includes(name))),
    );
    expect(state.order.lastMs).toBe(submittedMs(COUNT - 1));
    for (const [what, query] of Object.entries(queriesOf(COUNT))) {
      const found = [...findJobs(state, query, COUNT, (job) => (job.state === "leased" ? "running" : job.state))];
      expect([what, found.length > 0]).toEqual([what, !what.includes("never meet")]);
    }
  });
});
