/** The simulation finds what it is for: each planted defect is found within some seeds, as the promise that it breaks, and its faults shrink. */
import { describe, expect, it, vi } from "vitest";
import { DEFECTS, type Defect } from "./defects.js";
import { drawFaults, type Fault, faultText } from "./faults.js";
import type { Decide } from "./mounts.js";
import { failureText, shrink } from "./shrink.js";
import { type Outcome, simulate } from "./simulate.js";

vi.mock("node:fs/promises", async () => (await import("./mounts.js")).fsPromises());
vi.mock("../../src/ledger/decide.js", async (original) =>
  (await import("./mounts.js")).withPlantedRules(await original<{ readonly decide: Decide }>()),
);

const SEEDS = 200;
const TIMEOUT_MS = 900_000;

async function find({ replacements }: Defect): Promise<{ seed: number; outcome: Outcome } | null> {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const outcome = await simulate(seed, drawFaults(seed), replacements);
    if (outcome.broken !== null) return { seed, outcome };
  }
  return null;
}

async function planted<T>(defect: Defect, run: () => Promise<T>): Promise<T> {
  const remove = defect.plant?.() ?? (() => {});
  try {
    return await run();
  } finally {
    remove();
  }
}

describe("a planted defect is found:", () => {
  it.each(DEFECTS.map((defect) => [defect.name, defect] as const))(
    "%s",
    (_, defect) =>
      planted(defect, async () => {
        const found = await find(defect);
        expect(found, `not within ${SEEDS} seeds`).not.toBeNull();
        expect(defect.breaks, found!.outcome.broken!.message).toContain(found!.outcome.broken!.promise);
      }),
    TIMEOUT_MS,
  );

  it(
    "and its seed is printed with the faults that it takes, none of which can be left out",
    () => {
      const defect = DEFECTS.find(({ name }) => name === "a completion under an old epoch is taken")!;
      return planted(defect, async () => {
        const { seed, outcome } = (await find(defect))!;
        const faults = drawFaults(seed);
        const run = (fewer: readonly Fault[]) => simulate(seed, fewer, defect.replacements);
        const shrunk = await shrink(faults, outcome, run);
        expect(shrunk.outcome.broken?.promise).toBe("P3");
        expect(shrunk.kept.length).toBeGreaterThan(0);
        expect(shrunk.kept.length).toBeLessThan(faults.length);
        for (const left of shrunk.kept) {
          const without = shrunk.kept.filter((at) => at !== left).map((at) => faults[at]!);
          expect((await run(without)).broken).toBeNull();
        }
        const text = failureText(seed, faults, shrunk);
        expect(text).toContain(`npm run test:sim -- --seed ${seed} --faults ${shrunk.kept.join(",")}`);
        for (const at of shrunk.kept) expect(text).toContain(faultText(faults[at]!));
      });
    },
    TIMEOUT_MS,
  );
});
