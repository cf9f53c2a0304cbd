/** `xpcs merge --reject`: what it drops, says, and leaves in its table and result. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/command-line.js";
import { createRun } from "../../src/cli/output.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile, mergeResults } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { nexusSample } from "../xpcs/nexus-sample.js";
import { readNumbers } from "../xpcs/reference-case.js";

const REPEATS = 14;
const FRAMES = 256;
/** Repeats made bad on purpose, and by which criterion each should go. */
const BAD = { 3: "intensity", 6: "drift", 10: "g2" } as const;
let folder: string;
let results: string[];

/** Frames of uncorrelated photons on 64 x 64 pixels, as Rigaku words; some repeats bad. */
function series(random: Random, repeat: number): Buffer {
  const kind = BAD[repeat as keyof typeof BAD];
  const words: bigint[] = [];
  const mean = 60 * (1 + 0.03 * random.normal()) * (kind === "intensity" ? 2 : 1);
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const fade = kind === "drift" ? 1.5 - frame / FRAMES : 1;
    // A detector that reads some photons again in the next frames.
    const again = kind === "g2" ? 4 : 1;
    for (let i = 0; i < (mean * fade) / again; i += 1) {
      const pixel = Math.floor(random.uniform() * 64) * 1024 + Math.floor(random.uniform() * 64);
      for (let k = 0; k < again && frame + k < FRAMES; k += 1) words.push((BigInt(frame + k) << 40n) | (BigInt(pixel) << 16n) | 1n);
    }
  }
  words.sort((a, b) => Number((a >> 40n) - (b >> 40n)));
  return Buffer.from(BigUint64Array.from(words).buffer);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-reject-"));
  const qmap = join(folder, "qmap.hdf");
  const { sample } = nexusSample(folder);
  const part = (rows: number): Uint16Array =>
    Uint16Array.from({ length: 512 * 1024 }, (_, p) => (p % 1024 < 64 && p < 64 * 1024 ? 1 + Math.floor(p / 1024 / rows) : 0));
  await writeQmap(qmap, { ...sample, detector: { ...sample.detector, height: 512, width: 1024 }, dqmap: part(32), sqmap: part(16) });
  const random = new Random(7);
  results = [];
  for (let i = 0; i < REPEATS; i += 1) {
    const input = join(folder, `r${i}.bin`);
    writeFileSync(input, series(random, i));
    const out = join(folder, `r${i}_results.hdf`);
    await correlateFile({ files: { input, qmap }, options: { frameTimeS: 1e-3 }, out, overwrite: false, provenance: {} });
    results.push(out);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function merge(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const text = { out: "", err: "" };
  const into = (name: "out" | "err") => ({
    write: (part: string) => {
      text[name] += part;
    },
  });
  const run = createRun({ stdout: into("out"), stderr: into("err") }, words.includes("--json"));
  return { code: await runCommandLine(["merge", ...words], run), ...text };
}

const numbersOf = async (file: string, name: string): Promise<number[]> => [...(await readNumbers(file, name))!.values].map(Number);

it("drops the planted repeats, names each with its reason, and merges the others as if they were alone", async () => {
  const out = join(folder, "merged.hdf");
  const { code, out: text, err } = await merge(...results, "--reject", "--out", out);
  expect(code, err).toBe(0);
  for (const [at, criterion] of Object.entries(BAD)) {
    expect(err).toMatch(new RegExp(`dropped .*r${at}_results\\.hdf: .*${criterion === "drift" ? "changes by" : criterion}`));
    expect(text).toMatch(new RegExp(`r${at}_results\\.hdf: .*${criterion}`));
  }
  expect(text).toMatch(/3 of 14 results dropped/);
  const alone = join(folder, "alone.hdf");
  const inputs = results.filter((_, at) => !(at in BAD));
  mergeResults({ inputs, out: alone, overwrite: false, pooling: "per-repeat", provenance: {} });
  expect(await numbersOf(out, "/xpcs/multitau/normalized_g2")).toEqual(await numbersOf(alone, "/xpcs/multitau/normalized_g2"));

  const rows = readFileSync(join(folder, "merged_dose.csv"), "utf8").trimEnd().split("\n");
  expect(rows).toHaveLength(1 + REPEATS * 2);
  expect(rows.filter((row) => row.split(",")[1] === "0").map((row) => basename(row.split(",")[0]!))).toEqual(
    Object.keys(BAD).flatMap((at) => [`r${at}_results.hdf`, `r${at}_results.hdf`]),
  );
  expect(await numbersOf(out, "/repeats/kept")).toEqual(results.map((_, at) => (at in BAD ? 0 : 1)));
  const exposure = await numbersOf(out, "/repeats/exposure_s");
  expect(exposure.at(-1)).toBeCloseTo((REPEATS * FRAMES) / 1000, 9);
  expect((await numbersOf(out, "/repeats/g2_first")).length).toBe(REPEATS * 2);
  expect((await readNumbers(out, "/repeats/contrast"))!.shape).toEqual([REPEATS, 2]);
});

it("says the same as JSON", async () => {
  const [out, table] = [join(folder, "json.hdf"), join(folder, "table.csv")];
  const { code, out: text } = await merge(...results, "--reject", "--out", out, "--dose-table", table, "--json");
  expect(code).toBe(0);
  const value = JSON.parse(text) as {
    repeats: number;
    doseTable: string;
    rejected: { input: string; reasons: { criterion: string; value: number; limit: number }[] }[];
  };
  expect(value).toMatchObject({ repeats: REPEATS - 3, doseTable: table });
  expect(value.rejected.map(({ input }) => input)).toEqual(Object.keys(BAD).map((at) => results[Number(at)]));
  for (const { reasons } of value.rejected) for (const { value: found, limit } of reasons) expect(Math.abs(found)).toBeGreaterThan(limit);
  expect(existsSync(table)).toBe(true);
});

it("has the same fields as JSON without --reject", async () => {
  const { code, out } = await merge(...results, "--out", join(folder, "plain.hdf"), "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ repeats: REPEATS, rejected: [], doseTable: null });
});

it("keeps all of good repeats", async () => {
  const good = results.filter((_, at) => !(at in BAD));
  const { code, out } = await merge(...good, "--reject", "--out", join(folder, "good.hdf"), "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ rejected: [], repeats: good.length });
});

it("refuses where it cannot judge, where most would go, and what would replace a file", async () => {
  const out = join(folder, "no.hdf");
  expect(await merge(...results.slice(0, 5), "--reject", "--out", out)).toMatchObject({
    code: 2,
    err: expect.stringMatching(/needs 6 or more, not 5/),
  });
  const strict = await merge(...results, "--reject", "--reject-scales", "0.01", "--reject-drift", "0.0001", "--out", out);
  expect(strict).toMatchObject({ code: 2, err: expect.stringMatching(/would be dropped.*nothing was merged; see .*no_dose\.csv/) });
  expect([existsSync(out), existsSync(join(folder, "no_dose.csv"))]).toEqual([false, true]);
  const again = await merge(...results, "--reject", "--out", out);
  expect(again).toMatchObject({ code: 2, err: expect.stringMatching(/no_dose\.csv exists; --overwrite/) });
  expect(await merge(...results, "--dose-table", "t.csv", "--out", out)).toMatchObject({
    code: 2,
    err: expect.stringMatching(/belong to --reject/),
  });
});
