/** Settings files: YAML and JSON are read alike, and every mistake is told with its line. */
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { parseSettings } from "../../src/cli/settings-file.js";
import { BATCH_FILE } from "../../src/sites/batch-file.js";
import { SITE_SETTINGS } from "../../src/sites/site-settings.js";

function fault(schema: z.ZodType, text: string): string {
  try {
    parseSettings(schema, text, "f.yaml");
  } catch (error) {
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    return (error as Error).message;
  }
  return "none";
}

describe("a settings file", () => {
  it("may be YAML with comments, or JSON, and means the same", () => {
    const yaml = "# where\nroots:\n  read: [/data, /maps] # two\n  write:\n    - /results\ncache: { gb: 5 }\n";
    const json = '{"roots": {"read": ["/data", "/maps"], "write": ["/results"]}, "cache": {"gb": 5}}';
    expect(parseSettings(SITE_SETTINGS, yaml, "f")).toEqual(parseSettings(SITE_SETTINGS, json, "f"));
    expect(parseSettings(SITE_SETTINGS, yaml, "f").roots).toEqual({ read: ["/data", "/maps"], write: ["/results"] });
  });

  it("tells every mistake with its line, in the order of the lines", () => {
    const text = [
      "scheduler: slurm",
      "folder: batch",
      "job:",
      "  walltimeS: 3600",
      "  queue: a b",
      "  colour: red",
      "pilots:",
      "  max: -1",
      "walltime: 5",
    ].join("\n");
    expect(fault(BATCH_FILE, text)).toMatch(
      /^f\.yaml line 2: folder: must be an absolute path; line 5: job\.queue: is no name.*; line 6: job: there is no setting "colour"; line 8: pilots\.max: .*; line 9: the file: there is no setting "walltime"$/,
    );
  });

  it.each<[string, z.ZodType, string, RegExp]>([
    ["JSON over several lines", SITE_SETTINGS, '{\n "cache": {\n  "gb": "many"\n }\n}', /^f\.yaml line 3: cache\.gb: /],
    [
      "what is missing, at what should have it",
      BATCH_FILE,
      "scheduler: local\nfolder: /x\njob:\n  nodes: 1\n",
      /^f\.yaml line 4: job\.walltimeS: /,
    ],
    ["no scheduler", BATCH_FILE, "folder: /x\njob: { walltimeS: 60 }\n", /^f\.yaml line 1: scheduler: .*'slurm'/],
    [
      "a wrong name, at the name",
      SITE_SETTINGS,
      "results:\n  groups:\n    a/b: x\n    smith: g\n",
      /^f\.yaml line 4: results\.groups\.smith: is no experiment/,
    ],
    [
      "an entry of a list",
      SITE_SETTINGS,
      "locations:\n  - { folder: /a, by: http }\n  - folder: /b\n    by: ftp\n",
      /^f\.yaml line 4: locations\.1\.by: /,
    ],
    ["what is no YAML", SITE_SETTINGS, "cache:\n  gb: [1\n", /^f\.yaml line \d is neither YAML nor JSON/],
    ["a key twice", SITE_SETTINGS, "cache: {}\ncache: {}\n", /^f\.yaml line 2 is neither/],
    ["a tag that nobody knows", SITE_SETTINGS, "cache: !!js/function x\n", /^f\.yaml line 1 is neither/],
    ["an alias without its anchor", SITE_SETTINGS, "cache: *x\n", /^f\.yaml /],
    ["an empty file", SITE_SETTINGS, "", /^f\.yaml line 1: the file: /],
    ["a list", SITE_SETTINGS, "- 1\n", /^f\.yaml line 1: the file: /],
  ])("tells the line of %s", (_what, schema, text, words) => {
    expect(fault(schema, text)).toMatch(words);
  });

  it("counts mistakes beyond ten", () => {
    const text = Array.from({ length: 14 }, (_, at) => `key${at}: 1`).join("\n");
    expect(fault(SITE_SETTINGS, text)).toMatch(/line 10: .*"key9"; and 4 more$/);
  });

  it("does not swell by aliases of aliases", () => {
    const lines = [
      "a: &a [x, x, x, x, x, x, x, x, x]",
      ..."bcdefghij".split("").map((name, at) => `${name}: &${name} [${Array(9).fill(`*${"abcdefghi"[at]}`)}]`),
    ];
    expect(fault(SITE_SETTINGS, lines.join("\n"))).toMatch(/cannot be read: .*alias/);
  });
});
