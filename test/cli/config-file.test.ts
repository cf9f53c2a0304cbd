/** Settings from a file: the same readers as the command line, which wins; mistakes are named with their line. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import h5wasm from "h5wasm/node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/command-line.js";
import { addConfigOption, readsConfig } from "../../src/cli/config-file.js";
import { addCorrOptions, parseCorrOptions, type RawCorrOptions } from "../../src/cli/corr-options.js";
import { collectPairs } from "../../src/cli/option-values.js";
import { createRun } from "../../src/cli/output.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { nexusSample } from "../xpcs/nexus-sample.js";

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-config-"));
});
beforeEach(() => {
  file = join(folder, "settings.json");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The options that a command sees. */
function optionsWith(settings: unknown, ...words: readonly string[]): Record<string, unknown> {
  writeFileSync(file, typeof settings === "string" ? settings : JSON.stringify(settings));
  const command = new Command("corr").exitOverride().configureOutput({ writeErr: () => {} });
  command.argument("[input]").requiredOption("--out <file>").option("--tag <key=value>", "", collectPairs).option("--json");
  readsConfig(addConfigOption(addCorrOptions(command)), { repeatable: ["tag"] });
  command.parse([...words, "--config", file], { from: "user" });
  const { config, ...options } = command.opts();
  expect(config).toBe(file);
  return options;
}

describe("settings of a file", () => {
  it("are the command's options", () => {
    const settings = { out: "r.hdf", dpl: 8, "frame-time": 2e-5, type: "multitau", g2out: true, unsigned: false, "pixel-order": null };
    const options = optionsWith(settings);
    expect(options).toEqual({ out: "r.hdf", dpl: 8, frameTime: 2e-5, type: "multitau", g2out: true });
    expect(parseCorrOptions(options as unknown as RawCorrOptions)).toEqual({ type: "multitau", dpl: 8, g2out: true, frameTimeS: 2e-5 });
  });

  it("may be YAML with comments, or JSON indented by tabs", () => {
    const yaml =
      "# of the third run\nout: r.hdf\nframe-time: 2e-5\nbad-frames: 1,5-9 # shutter\ng2out: true\ntag:\n  sample: latex\n  run: 7\n";
    const tag = { sample: "latex", run: "7" };
    expect(optionsWith(yaml)).toEqual({ out: "r.hdf", frameTime: 2e-5, badFrames: "1,5-9", g2out: true, tag });
    expect(optionsWith('{\n\t"out": "r.hdf",\n\t"dpl": 8\n}')).toEqual({ out: "r.hdf", dpl: 8 });
  });

  it("yield to the command line", () => {
    expect(optionsWith({ out: "a", dpl: 8, begin: 3 }, "--dpl=4", "--out", "b")).toEqual({ out: "b", dpl: 4, begin: 3 });
  });

  it("may be several for an option that takes several", () => {
    expect(optionsWith({ out: "a", tag: { sample: "latex", run: 7 } }).tag).toEqual({ sample: "latex", run: "7" });
    expect(optionsWith({ out: "a", tag: ["x=1", "y=2"] }).tag).toEqual({ x: "1", y: "2" });
    expect(optionsWith({ out: "a", tag: { sample: "latex" } }, "--tag", "b=1").tag).toEqual({ b: "1" });
  });
});

describe("a mistake in a file", () => {
  it.each<[unknown, RegExp]>([
    ['{\n "out": "a",\n "dlp": 8 }', /settings\.json line 3: there is no setting "dlp"/],
    ['{ "out": "a",\n\n "frameTime": 8 }', /line 3: there is no setting "frameTime"/],
    [{ out: "a", json: true }, /no setting "json"/],
    [{ out: "a", config: "b.json" }, /no setting "config"/],
    [{ out: "a", dpl: 0 }, /--dpl.*whole number/],
    [{ out: "a", dpl: true }, /line 1: dpl must be a text or a number/],
    [{ out: "a", dpl: [4] }, /dpl must be a text or a number/],
    [{ out: "a", g2out: "yes" }, /g2out must be true or false/],
    [{ out: "a", type: "triple" }, /Allowed choices/],
    ['{\n "out": "a"\n "dpl": 8 }', /line 3 is neither YAML nor JSON: Missing ,/],
    ["[1]", /must hold settings/],
    ["", /must hold settings/],
    ["out: a\n\ndlp: 8", /line 3: there is no setting "dlp"/],
    ["out: a\ndpl: 8\ndpl: 4", /line 3 is neither.*unique/],
    ["out: a\ng2out: yes", /line 2: g2out must be true or false/],
    ["out: !secret a", /line 1 is neither.*!secret/],
    ["out: *nowhere", /cannot be read: Unresolved alias/],
  ])("%j is named", (settings, message) => {
    expect(() => optionsWith(settings)).toThrow(message);
  });

  it("is a file that is not there", () => {
    const command = addConfigOption(new Command());
    expect(() => readsConfig(command).parse(["--config", join(folder, "none.json")], { from: "user" })).toThrow(
      /none\.json cannot be read/,
    );
  });
});

it("xpcs corr takes its settings from a file, and records them", async () => {
  const { sample, input } = nexusSample(folder, false);
  const qmap = join(folder, "qmap.hdf");
  await writeQmap(qmap, sample);
  const result = join(folder, "out.hdf");
  file = join(folder, "settings.yaml");
  writeFileSync(file, `qmap: ${qmap}\nframe-time: 1e-3\naverage: 2\ntype: both\nq-bins: 1\nout: ${result}\n`);
  let [out, err] = ["", ""];
  const run = createRun(
    {
      stdout: {
        write: (part) => {
          out += part;
        },
      },
      stderr: {
        write: (part) => {
          err += part;
        },
      },
    },
    true,
  );
  expect(await runCommandLine(["corr", input, "--config", file, "--json"], run), err).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ out: result, frames: 100 });
  await h5wasm.ready;
  const written = new h5wasm.File(result, "r");
  const recorded = (name: string): unknown => (written.get(`/provenance/${name}`) as InstanceType<typeof h5wasm.Dataset>).value;
  expect(JSON.parse(String(recorded("parameters")))).toEqual({ type: "both", qBins: [1], average: 2, frameTimeS: 1e-3 });
  const effective = {
    type: "both",
    layout: "nexus",
    average: 2n,
    stride: 1n,
    begin: 1n,
    end: 200n,
    delays_per_level: 4n,
    errors: "influence",
  };
  for (const [name, value] of Object.entries({ ...effective, q_bins: "1", smoothing: "none", window: 1n, compression: "none" }))
    expect(recorded(name), name).toEqual(value);
  written.close();
});
