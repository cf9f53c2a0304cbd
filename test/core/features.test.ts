/** Features of sites against what jobs ask for. */
import { describe, expect, it } from "vitest";
import { FEATURE_PATTERN, lackedFeature, NEED_PATTERN } from "../../src/core/features.js";

describe("a need", () => {
  it.each([
    ["avx2", ["avx2", "fma"], true],
    ["avx2", ["avx", "avx512f"], false],
    ["boost_corr", ["boost_corr=0.3.1"], true],
    ["boost_corr=0.3", ["boost_corr=0.3.1"], true],
    ["boost_corr=0.3", ["boost_corr=0.30"], false],
    ["boost_corr=0.3", ["boost_corr=0.3"], true],
    ["boost_corr=0.3.1", ["boost_corr=0.3"], false],
    ["boost_corr=0.3.0", ["boost_corr=0.3"], true],
    ["boost_corr>=0.9", ["boost_corr=0.10"], true],
    ["boost_corr>=0.10", ["boost_corr=0.9"], false],
    ["boost_corr>=0.3", ["boost_corr=0.2", "boost_corr=0.4"], true],
    ["boost_corr>=0.3", ["boost_corr"], false],
    ["boost_corr>=1.0rc2", ["boost_corr=1.0rc1"], false],
    ["boost_corr>=1.0rc1", ["boost_corr=1.0rc2"], true],
    ["boost_corr>=2.9", ["boost_corr=2.10b1"], true],
    ["boost_corr>=1.2", ["boost_corr=1.2rc1"], false],
    ["boost_corr>=1.2rc1", ["boost_corr=1.2"], true],
    ["boost_corr>=0.3", ["boost_corr_gpu=0.5"], false],
    ["avx2", [], false],
  ])("%s is met by %j: %s", (need, features, met) => {
    expect(lackedFeature([need], features)).toBe(met ? null : need);
  });

  it("is one of several: the first that is not met is named", () => {
    expect(lackedFeature([], [])).toBeNull();
    expect(lackedFeature(["a", "b", "c"], ["a"])).toBe("b");
  });
});

describe("the words", () => {
  it.each(["avx512f", "boost_corr=0.3.1", "c++20", "x86_64"])("%s is a feature, and can be asked for", (word) => {
    expect(FEATURE_PATTERN.test(word)).toBe(true);
    expect(NEED_PATTERN.test(word)).toBe(true);
  });
  it.each(["", "a b", "=1", "a=", "a=x", "a>1", "a;b", "-a", "a=1=2"])("%j is neither", (word) => {
    expect(FEATURE_PATTERN.test(word)).toBe(false);
    expect(NEED_PATTERN.test(word)).toBe(false);
  });
  it("at least is asked for, and is no feature", () => {
    expect(NEED_PATTERN.test("a>=1.2")).toBe(true);
    expect(FEATURE_PATTERN.test("a>=1.2")).toBe(false);
  });
});
