/** What a machine says of its processors, as text that the kernel writes. */
import { describe, expect, it } from "vitest";
import { instructionsOf, machineFeatures } from "../../src/cli/machine-features.js";
import { VERSION } from "../../src/core/version.js";

const ONE = "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 fma avx512f\nbogomips\t: 5000\n";

describe("instruction sets", () => {
  it("are those that the flags name", () => {
    expect(instructionsOf(ONE)).toEqual(["sse4_2", "avx", "avx2", "fma", "avx512f"]);
    expect(instructionsOf("processor : 0\nFeatures\t: fp asimd sve\n")).toEqual(["asimd", "sve"]);
  });

  it("are those of all processors, where they differ", () => {
    expect(instructionsOf(`${ONE}\nprocessor\t: 1\nflags\t\t: fpu sse4_2 avx\n`)).toEqual(["sse4_2", "avx"]);
  });

  it("are none of which nothing is told", () => {
    expect(instructionsOf("")).toEqual([]);
  });

  it("come with the architecture and the version", () => {
    const features = machineFeatures();
    expect(features).toContain(`xpcs=${VERSION}`);
    expect(["x86_64", "aarch64"]).toContain(features[0]);
  });
});
