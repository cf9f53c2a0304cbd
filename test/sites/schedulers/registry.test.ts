/** The registry of schedulers: what must be there for each. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BATCH_FILE } from "../../../src/sites/batch-file.js";
import { SETTING_NAMES } from "../../../src/sites/batch-settings.js";
import { SCHEDULERS, schedulerNamed } from "../../../src/sites/schedulers/registry.js";
import { RIGS } from "./rigs.js";

describe("the registry of schedulers", () => {
  it("has a rig for every one", () => {
    expect(Object.keys(RIGS).sort()).toEqual(SCHEDULERS.map(({ name }) => name).sort());
  });

  it("has a page for every one", () => {
    const pages = SCHEDULERS.map(({ name }) => new URL(`../../../docs/schedulers/${name}.md`, import.meta.url));
    expect(pages.filter((page) => !existsSync(page))).toEqual([]);
  });

  it("has a table of settings that is the program's", () => {
    const text = readFileSync(new URL("../../../docs/schedulers/README.md", import.meta.url), "utf8");
    const rows = text.matchAll(/^\| `(\w+)` \| [^|]* \| ([a-z, -]+) \|$/gm);
    const documented = [...rows].map(([, setting = "", takers = ""]) => ({ setting, takers: takers.split(", ").sort() }));
    const real = SETTING_NAMES.map((setting) => ({
      setting,
      takers: SCHEDULERS.filter(({ takes }) => takes.includes(setting))
        .map(({ name }) => name)
        .sort(),
    }));
    expect(documented.filter(({ setting }) => (SETTING_NAMES as readonly string[]).includes(setting))).toEqual(real);
  });

  it("has files in its pages that are right", () => {
    const [readme, pilots] = ["schedulers/README.md", "pilots.md"].map((name) =>
      readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8"),
    );
    const [file, part] = [readme!, pilots!].map((text) => JSON.parse(/```json\n([\s\S]*?)```/.exec(text)![1]!) as object);
    expect(BATCH_FILE.parse({ ...file, ...part })).toMatchObject({ ...file, ...part });
  });

  it("refuses a name that is none", () => {
    expect(() => schedulerNamed("condor")).toThrow(/there is no scheduler "condor"/);
  });
});
