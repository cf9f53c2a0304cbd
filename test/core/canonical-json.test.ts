/** JSON with sorted keys against the way in which older versions made it, whose digests are in ledgers. */
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/core/canonical-json.js";

/** As it was written first: every object made anew with its keys in order. */
function reference(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const KEYS = ["a", "b", "10", "9", "01", "4294967295", "4294967294", "-1", "é", "\u{1f600}", "__proto__", "tag key", '"', "", "Z"];
const SCALARS = ["text", 'quote " and \\', "\u2028 line", 0, -0, 1e21, 0.1, Number.NaN, null, true, undefined];

function anything(rng: () => number, depth: number): unknown {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(rng() * list.length)]!;
  const kind = rng();
  if (depth === 0 || kind < 0.3) return pick(SCALARS);
  const size = Math.floor(rng() * 5);
  if (kind < 0.5) return Array.from({ length: size }, () => anything(rng, depth - 1));
  return Object.fromEntries(Array.from({ length: size }, () => [pick(KEYS), anything(rng, depth - 1)]));
}

describe("canonical JSON", () => {
  it("is the text that older versions made, for 2000 values of every kind", () => {
    for (let seed = 1; seed <= 2_000; seed += 1) {
      const value = { of: anything(random(seed), 4) };
      expect([seed, canonicalJson(value)]).toEqual([seed, reference(value)]);
    }
  });

  it("does not depend on the order of keys", () => {
    expect(canonicalJson({ b: 1, a: { d: [1, { f: 2, e: 3 }], c: "x" } })).toBe('{"a":{"c":"x","d":[1,{"e":3,"f":2}]},"b":1}');
    expect(canonicalJson({ a: { c: "x", d: [1, { e: 3, f: 2 }] }, b: 1 })).toBe(
      canonicalJson({ b: 1, a: { d: [1, { f: 2, e: 3 }], c: "x" } }),
    );
  });
});
