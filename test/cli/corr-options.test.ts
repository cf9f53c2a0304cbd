/** The two-time options on the command line: lists of bins, closed sets of names, and that each reaches the request. */
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addCorrOptions, parseCorrOptions } from "../../src/cli/corr-options.js";
import type { CorrOptions } from "../../src/core/analysis.js";

function parse(...words: string[]): CorrOptions {
  const command = addCorrOptions(new Command().exitOverride().configureOutput({ writeErr: () => {} }));
  command.parse(words, { from: "user" });
  return parseCorrOptions(command.opts());
}

describe("two-time options", () => {
  it("reach the request", () => {
    const words =
      "--type twotime --q-bins 5-7,2 --smoothing staticmap --smoothing-filter average --window 20 --compression gzip --streaming --memory-gb 1.5";
    expect(parse(...words.split(" "))).toEqual({
      type: "twotime",
      qBins: [2, 5, 6, 7],
      smoothing: "staticmap",
      smoothingFilter: "average",
      window: 20,
      compression: "gzip",
      streaming: true,
      memoryGb: 1.5,
    });
  });

  it.each(["", "0", "3-1", "a", "1,,2", "-4", "1.5", "9999999"])("refuses the list %j", (list) => {
    expect(() => parse(`--q-bins=${list}`)).toThrow(/list of bin numbers/);
  });

  it.each([
    ["--smoothing", "smooth"],
    ["--smoothing-filter", "median"],
    ["--compression", "lzf"],
    ["--window", "0"],
    ["--memory-gb", "0"],
  ])("refuses %s %s", (option, value) => {
    expect(() => parse(option, value)).toThrow();
  });
});
