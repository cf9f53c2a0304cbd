/** The quick check of a list of jobs against the whole check of each: the same jobs, the same refusals. */
import { expect, it } from "vitest";
import { z } from "zod";
import { spec } from "../../src/actors/job-schemas.js";
import { specs } from "../../src/actors/similar-jobs.js";
import { canonicalJson } from "../../src/core/canonical-json.js";
import { LIMITS } from "../../src/core/limits.js";
import { seeded } from "../ledger/world.js";

const whole = z.array(spec).min(1).max(LIMITS.submitJobsMax);

function corr(at: number): Record<string, unknown> {
  return {
    work: {
      app: "xpcs.corr",
      input: { path: `/data/A${at}.bin` },
      qmap: { path: "/maps/q.hdf" },
      out: { path: `/results/A${at}.hdf` },
      overwrite: false,
      options: { type: "multitau", dpl: 8, qBins: [1, 2] },
    },
    experiment: "2026-3/smith",
    tags: { sample: "silica", scan: String(at) },
    attemptsMax: 3,
    parents: ["#0"],
    inputBytes: 1_000 + at,
    resources: { slots: 1, memoryGb: undefined },
  };
}

function command(at: number): Record<string, unknown> {
  const files = { inputs: { file: { path: `/data/${at}` } }, outputs: { out: { path: `/out/${at}` } } };
  return { work: { app: "tool", parameters: { n: at % 3, mode: `m${at}` }, ...files, overwrite: true }, tags: {}, attemptsMax: 1 };
}

/** Values that are right in some places and wrong in others. */
const VALUES: readonly (() => unknown)[] = [
  ...["", "a", "/a/b", "/a/../b", "/a/./b", "/a/.b", "relative", "/a\u0085b", "/a\nb", "x".repeat(257), `/${"x".repeat(4_096)}`].map(
    (text) => () => text,
  ),
  ...[0, -1, 1.5, Number.NaN, true, null, undefined].map((value) => () => value),
  () => [],
  () => ["a"],
  () => ({}),
  () => ({ path: "/p" }),
  () => ({ path: "/p", dataset: "d" }),
  () => JSON.parse('{"__proto__":"x","scan":"1"}') as unknown,
];

type Bag = Record<string, unknown>;

/** All places of a value: the object, and the name within it. */
function placesOf(value: unknown): [Bag, string][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) => [[value as Bag, name] as [Bag, string], ...placesOf(part)]);
}

/** One thing in one place becomes another. */
function damage(job: unknown, rng: () => number): void {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;
  const places = placesOf(job);
  const [bag, name] = pick(places);
  const kind = rng();
  if (kind < 0.6) bag[name] = pick(VALUES)();
  else if (kind < 0.8) delete bag[name];
  else bag[pick(["more", "constructor", "path", "tags"])] = pick(VALUES)();
}

it("gives what the whole check gives, and refuses with its words", () => {
  let [taken, refused] = [0, 0];
  for (let seed = 1; seed <= 3_000; seed += 1) {
    const rng = seeded(seed);
    const jobs = Array.from({ length: 2 + Math.floor(rng() * 6) }, (_, at) => (rng() < 0.7 ? corr(at) : command(at)));
    for (const job of jobs) if (rng() < 0.3) damage(job, rng);
    const list: unknown = rng() < 0.02 ? (rng() < 0.5 ? jobs[0] : []) : jobs;
    const before = structuredClone(list);
    const quick = specs.safeParse(list);
    const slow = whole.safeParse(structuredClone(list));
    expect(list, `seed ${seed}: what came stays as it is`).toEqual(before);
    expect(quick.success, `seed ${seed}`).toBe(slow.success);
    if (quick.success && slow.success) {
      taken += 1;
      expect(quick.data, `seed ${seed}`).toEqual(slow.data);
      expect(canonicalJson(quick.data)).toBe(canonicalJson(slow.data));
    } else {
      refused += 1;
      expect(
        quick.error?.issues.map(({ path, message }) => [path, message]),
        `seed ${seed}`,
      ).toEqual(slow.error?.issues.map(({ path, message }) => [path, message]));
    }
  }
  expect(Math.min(taken, refused)).toBeGreaterThan(500);
});

it("keeps in memory once what jobs have in common", () => {
  const [first, second] = specs.parse([corr(1), corr(2)]) as unknown as [Bag, Bag];
  const [a, b] = [first.work as Bag, second.work as Bag];
  expect(a.options).toBe(b.options);
  expect(a.qmap).toBe(b.qmap);
  expect(second).not.toBe(first);
  expect((b.input as Bag).path).toBe("/data/A2.bin");
});
