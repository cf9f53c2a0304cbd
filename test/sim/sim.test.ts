/**
 * Hundreds of runs of the simulation, each from its seed: whatever goes wrong, the promises P1 to P8 hold, and once faults have stopped every
 * job ends. `npm run test:sim -- --seeds N` runs more; a seed that fails is run again with fewer faults, and printed.
 */
import { afterAll, describe, expect, it, vi } from "vitest";
import { drawFaults, FAULT_KINDS } from "./faults.js";
import { failureText, shrink } from "./shrink.js";
import { simulate } from "./simulate.js";

vi.mock("node:fs/promises", async () => (await import("./mounts.js")).fsPromises());

/** Set by scripts/sim.mjs: seeds from `first` on, or one seed with the faults at these places of its list. */
const asked = JSON.parse(process.env.XPCS_SIM ?? "{}") as { first?: number; seeds?: number; faults?: number[] };
const FIRST = asked.first ?? 1;
const SEEDS = asked.seeds ?? 300;
const PER_TEST = 25;
// Nothing here depends on real time; this is for a machine that is busy with other things.
const TIMEOUT_MS = 900_000;

/** What all runs together must have met, or they are worth less than they seem. */
const RARE = [
  ...FAULT_KINDS,
  ...[
    "lost",
    "returned",
    "failed",
    "resumed",
    "completed",
    "canceled",
    "released",
    "modified",
    "moved",
    "duplicated",
    "downtimesSet",
    "probationBegan",
    "probationEnded",
  ],
  ...["runs agreed", "runs differed", "a wrong site was named"],
  ...["lost", "failed", "canceled", "returned"].map((outcome) => `one of two attempts ${outcome}`),
  ...["central crashed in a write", "a site was killed as it published", "a dead link was noticed by its heartbeat"],
  ...["a frame was dropped", "a frame came twice", "a key was used for another request"],
  ...["attempt-discarded", "publication-found", "publication-recovered"],
  ...["a pilot left", "pilot-submitted", "pilot-withdrawn", "a pilot failed at its start", "a listing left out what is there"],
  ...["a submission was lost", "a submission's reply was lost", "a reply was lost", "the scheduler was away"],
  ...["done", "failed", "canceled", "time-limit", "node-failed"].map((outcome) => `a batch job ended: ${outcome}`),
  ...["a pilot was told to make room", "files were expected", "files were there"],
];

async function runSeed(seed: number, marks: Set<string>): Promise<void> {
  const all = drawFaults(seed);
  const faults = asked.faults === undefined ? all : all.filter((_, at) => asked.faults?.includes(at));
  if (faults.length < (asked.faults?.length ?? 0)) expect.fail(`seed ${seed} has the faults 0 to ${all.length - 1}`);
  const outcome = await simulate(seed, faults);
  for (const mark of outcome.marks) marks.add(mark);
  if (outcome.broken === null) return;
  const shrunk = await shrink(faults, outcome, (fewer) => simulate(seed, fewer));
  const places = shrunk.kept.map((at) => all.indexOf(faults[at]!));
  expect.fail(failureText(seed, all, { ...shrunk, kept: places }));
}

describe("crashes, pauses, cuts, lost and repeated frames, full disks and wrong clocks", () => {
  const marks = new Set<string>();
  let ran = 0;

  it.each(Array.from({ length: Math.ceil(SEEDS / PER_TEST) }, (_, at) => FIRST + at * PER_TEST))(
    "break no promise, and afterwards every job ends (seeds from %i)",
    async (from) => {
      for (let seed = from; seed < Math.min(from + PER_TEST, FIRST + SEEDS); seed += 1) {
        await runSeed(seed, marks);
        ran += 1;
      }
    },
    TIMEOUT_MS,
  );

  it(
    "are the same each time: the events depend on the seed, not on how fast the machine is",
    async () => {
      const [one, again, other] = [await simulate(7, drawFaults(7)), await simulate(7, drawFaults(7)), await simulate(8, drawFaults(8))];
      expect(one.trace.length).toBeGreaterThan(30);
      expect(again.trace).toEqual(one.trace);
      expect(again.digest).toBe(one.digest);
      expect(other.digest).not.toBe(one.digest);
    },
    TIMEOUT_MS,
  );

  afterAll(() => {
    if (ran < 300) return;
    expect(RARE.filter((mark) => !marks.has(mark))).toEqual([]);
  });
});
