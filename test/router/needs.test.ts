/** What a job needs against what a site has: the quick answers, of whether it is too large and whether it fits, against each need by itself. */
import { expect, it } from "vitest";
import type { Resources } from "../../src/core/job.js";
import { fits, hasInAll, needOf, SHARED, tooLarge } from "../../src/router/policy.js";
import { seeded } from "../ledger/world.js";
import { job, running, site } from "./made.js";

const FEATURES = ["avx2", "avx512f"];

it("a job is too large where one of its needs is more than the site has in all, and fits where each is free", () => {
  const rng = seeded(31);
  const upTo = (most: number) => Math.floor(rng() * (most + 1));
  const some = <T extends object>(one: T): Partial<T> => (rng() < 0.5 ? one : {});
  const resources = (most: number): Resources => ({
    ...some({ slots: 1 + upTo(most) }),
    ...some({ cores: upTo(most) }),
    ...some({ memoryGb: upTo(most) }),
    ...some({ gpus: upTo(most) }),
    ...some({ nodes: upTo(most) }),
  });
  const seen = { large: 0, small: 0, fits: 0, waits: 0 };
  const short = new Set<string>();
  for (let n = 0; n < 4_000; n += 1) {
    const features = FEATURES.filter(() => rng() < 0.8);
    const sizes = { cores: 1 + upTo(4), memoryGb: 1 + upTo(4), gpus: upTo(4), nodes: 1 + upTo(4), walltimeS: rng() < 0.5 ? null : upTo(9) };
    const load = site("a", {
      slots: 1 + upTo(4),
      capacity: rng() < 0.2 ? null : { ...sizes, features },
      ...some({ pilots: { count: 2, slotsEach: 1 + upTo(4), queueWaitMs: 0 } }),
      held: rng() < 0.5 ? [] : [running(0, { resources: resources(2) })],
    });
    const asks: Resources = { ...resources(4), ...some({ walltimeS: upTo(9) }), ...some({ features: FEATURES.slice(upTo(2)) }) };
    const has = hasInAll(load);
    const lacking = [
      ...SHARED.filter((what) => (asks[what] ?? 0) > has[what]),
      ...(has.walltimeS !== null && (asks.walltimeS ?? 0) > has.walltimeS ? ["walltimeS"] : []),
      ...((asks.features ?? []).some((one) => !(load.capacity?.features ?? []).includes(one)) ? ["features"] : []),
    ];
    if (lacking.length === 1) short.add(lacking[0]!);
    expect(tooLarge(asks, load) !== null, JSON.stringify([asks, load])).toBe(lacking.length > 0);
    const need = needOf(asks);
    const free = SHARED.every((what) => need[what] <= 0 || need[what] <= load.free[what]);
    expect(fits(job({ resources: asks }), load), JSON.stringify([asks, load])).toBe(free);
    seen[lacking.length > 0 ? "large" : "small"] += 1;
    seen[free ? "fits" : "waits"] += 1;
  }
  // Each need was the only one that was short.
  expect([...short].sort()).toEqual([...SHARED, "walltimeS", "features"].sort());
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(300);
});
