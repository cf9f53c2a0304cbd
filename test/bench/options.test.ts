/** The words behind `npm run bench --`. */
import { describe, expect, it } from "vitest";
import { parseOptions, UsageError } from "../../bench/options.js";

const parsed = (words: string) => parseOptions(words.split(" "), "/inputs");

describe("options of the bench", () => {
  it("have their defaults", () => {
    const options = { cases: [], runs: 3, scale: 1, threads: null, data: "/inputs", json: undefined, record: false, check: false };
    expect(parsed("kernels")).toEqual({ question: "kernels", options });
  });

  it("are taken as they are given", () => {
    const { question, options } = parsed("detectors --threads 16 --case a --case b --runs 1 --scale 0.5 --data /d --json /j --check");
    expect(question).toBe("detectors");
    expect(options).toEqual({ cases: ["a", "b"], runs: 1, scale: 0.5, threads: 16, data: "/d", json: "/j", record: false, check: true });
  });

  it.each([
    ["kernels --runs 0", "--runs"],
    ["kernels --runs 1.5", "--runs"],
    ["kernels --scale 0", "--scale"],
    ["kernels --scale 2", "--scale"],
    ["scaling --threads 0", "--threads must"],
    ["scaling --threads many", "--threads must"],
    ["kernels --threads 4", "--threads is for"],
    ["stream --threads 4", "--threads is for"],
    ["boost-corr --check", "no goals"],
    ["scaling --check", "no goals"],
    ["kernels --record --scale 0.5", "--record"],
    ["kernels --record --case a", "--record"],
  ])("%s is refused", (words, message) => {
    expect(() => parsed(words)).toThrow(UsageError);
    expect(() => parsed(words)).toThrow(message);
  });
});
