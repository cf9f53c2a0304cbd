/** Files that arrive in a folder as one stream: the bits of all frames in one file, gaps where files are missing, what does not fit is refused. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { realClock } from "../../src/core/real-clock.js";
import { DETECTORS, playedSample } from "../../src/demo/detectors.js";
import { photonSource } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { folderOf, takeFolder } from "../../src/sites/stream-folder.js";
import type { StreamSink } from "../../src/sites/stream-sources.js";
import { immBytes, rigakuBytes } from "../../src/xpcs/detector-files.js";
import { createLiveSeries } from "../../src/xpcs/native.js";
import { type EventList, PhotonSource } from "../../src/xpcs/simulate.js";
import { batchOf, bitsOf, pause, requestOf } from "./growing-rig.js";
import { framesOf, run } from "./stream-rig.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-stream-folder-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const at = (name: string): string => join(ROOT, name);
function folder(name: string): string {
  mkdirSync(at(name));
  return at(name);
}

const sample = playedSample("rigaku-500k", DETECTORS["rigaku-500k"]!, {
  frameTimeS: 1e-3,
  photonsPerFrame: 40,
  tauS: 0.02,
  contrast: 0.3,
  seed: 5,
});
const { height, width } = sample.detector;
const FRAMES = 120;
const events = new PhotonSource(photonSource(sample)).next(FRAMES);
/** Frames [from, to) as a list of their own. */
function part(from: number, to: number): EventList {
  const found = framesOf(events, from, to);
  return { ...events, ...found, frame: found.frame.map((frame) => frame - from), frames: to - from };
}
const imm = (list: EventList): Uint8Array => immBytes(list, { height, width, dense: false, frameTimeS: 1e-3 });
const request = (source: string, out: string) => requestOf(source, at("qmap.hdf"), at(out));
const QUICK = { settleMs: 50, missingMs: 300 };
beforeAll(() => writeQmap(at("qmap.hdf"), sample));

/** What a stream with such parts and gaps gives, through the native core alone. */
async function partsOf(name: string, parts: readonly (EventList | number)[]): Promise<Record<string, string>> {
  const series = createLiveSeries({ ...request("parts", name) }, height, width);
  for (const each of parts) {
    const { frames } = series.state();
    if (typeof each === "number") series.gap(each);
    else {
      series.push({ frame: each.frame.map((frame) => frame + frames), pixel: each.pixel, count: Int32Array.from(each.count) });
      series.setFrames(frames + each.frames);
    }
  }
  series.write({}, []);
  return bitsOf(at(name));
}

describe("files that arrive in a folder", () => {
  it("give the bits of all frames in one file, in the order of their numbers, however they come", async () => {
    const into = folder("arrive");
    const running = run({
      source: `${into}/`,
      request: request(into, "arrive.hdf"),
      patienceMs: 2_000,
      files: { settleMs: 150, missingMs: 60_000 },
    });
    const cuts = [0, 1, 2, 40, 41, 90, FRAMES];
    const piece = (i: number): Uint8Array => imm(part(cuts[i]!, cuts[i + 1]!));
    const name = (i: number): string => join(into, `scan_${i + 8}.imm`);
    writeFileSync(name(0), piece(0));
    writeFileSync(name(2), piece(2));
    await pause(300);
    // Written slowly: it counts when it rests. Another is renamed.
    writeFileSync(name(1), piece(1).subarray(0, 1000));
    await pause(80);
    writeFileSync(name(1), piece(1));
    writeFileSync(join(into, ".hidden_3.imm"), piece(3));
    renameSync(join(into, ".hidden_3.imm"), name(3));
    writeFileSync(name(5), piece(5));
    await pause(250);
    writeFileSync(name(4), piece(4));
    const { summary } = await running;
    expect(summary).toMatchObject({ frames: FRAMES, stream: { ended: "end", note: null, missing: 0, gaps: 0 } });
    writeFileSync(at("all.imm"), imm(events));
    expect(await bitsOf(at("arrive.hdf"))).toEqual(await batchOf(request(at("all.imm"), "arrive-batch.hdf"), "imm"));
  });

  it("and are missing: gaps that no pair crosses, of as many frames as the file before had", async () => {
    const into = folder("missing");
    for (const [number, from, to] of [
      [1, 0, 30],
      [2, 30, 50],
      [5, 50, 80],
      [6, 80, 120],
    ] as const)
      writeFileSync(join(into, `s_${number}.imm`), imm(part(from, to)));
    writeFileSync(join(into, "dark_1.txt"), "no detector file");
    writeFileSync(join(into, "z_1.imm"), "of another series");
    const { summary } = await run({ source: into, request: request(into, "missing.hdf"), patienceMs: 1_500, files: QUICK });
    expect(summary).toMatchObject({
      frames: FRAMES,
      stream: { ended: "end", missing: 40, gaps: 1, note: "1 files of other series were left alone: z_1.imm" },
    });
    expect(summary.warnings.join()).toContain("40 of 160 frames are missing, in 1 gaps");
    expect(await bitsOf(at("missing.hdf"))).toEqual(await partsOf("missing-parts.hdf", [part(0, 50), 40, part(50, 120)]));
  });

  it("of a Rigaku go on with its counter, which also says how many frames are gone", async () => {
    const into = folder("rigaku");
    const words = (from: number, to: number): Uint8Array => rigakuBytes({ ...part(from, to), frame: framesOf(events, from, to).frame });
    writeFileSync(join(into, "r_1.bin"), words(0, 50));
    writeFileSync(join(into, "r_2.bin"), words(50, 70));
    const whole = await run({ source: into, request: request(into, "rigaku.hdf"), patienceMs: 700, files: QUICK });
    expect(whole.summary.stream).toMatchObject({ ended: "end", missing: 0 });
    writeFileSync(at("rigaku.bin"), words(0, 70));
    expect(await bitsOf(at("rigaku.hdf"))).toEqual(await batchOf(request(at("rigaku.bin"), "rigaku-batch.hdf"), "rigaku"));
    const torn = folder("torn");
    writeFileSync(join(torn, "r_1.bin"), words(0, 50));
    writeFileSync(join(torn, "r_3.bin"), words(70, 120));
    const gap = await run({ source: torn, request: request(torn, "torn.hdf"), patienceMs: 1_500, files: QUICK });
    expect(gap.summary.stream).toMatchObject({ ended: "end", missing: 20, gaps: 1 });
    const again = folder("again");
    writeFileSync(join(again, "r_1.bin"), words(0, 50));
    writeFileSync(join(again, "r_2.bin"), words(0, 50));
    const restart = await run({ source: again, request: request(again, "again.hdf"), patienceMs: 700, files: QUICK });
    expect(restart.summary.stream).toMatchObject({ ended: "lost", note: expect.stringMatching(/Rigaku word \d+ says frame 0 after 49/) });
  });

  it("of a Rigaku that begin in the middle of a series: the frames before are a gap, empty frames at its begin are none", async () => {
    const into = folder("middle");
    const words = (from: number, to: number, first: number): Uint8Array => rigakuBytes(part(from, to), first);
    writeFileSync(join(into, "r_5.bin"), words(0, 50, 40_000));
    writeFileSync(join(into, "r_7.bin"), words(70, 120, 40_070));
    const { summary } = await run({ source: into, request: request(into, "middle.hdf"), patienceMs: 1_500, files: QUICK });
    expect(summary).toMatchObject({
      frames: 100,
      stream: { ended: "end", missing: 40_020, gaps: 2, note: "the series begins at file 5, frame 40000" },
    });
    expect(await bitsOf(at("middle.hdf"))).toEqual(await partsOf("middle-parts.hdf", [40_000, part(0, 50), 20, part(70, 120)]));
    const dark = folder("dark");
    writeFileSync(join(dark, "r_1.bin"), words(0, 50, 9));
    const empty = await run({ source: dark, request: request(dark, "dark.hdf"), patienceMs: 700, files: QUICK });
    expect(empty.summary).toMatchObject({ frames: 59, stream: { ended: "end", missing: 0, note: null } });
  });

  it("end at the frame that was asked for, also within a gap", async () => {
    const into = folder("gap-end");
    writeFileSync(join(into, "s_1.imm"), imm(part(0, 10)));
    writeFileSync(join(into, "s_9.imm"), imm(part(80, 90)));
    const { summary } = await run({ source: into, request: request(into, "gap-end.hdf"), framesMax: 12, patienceMs: 1_500, files: QUICK });
    expect(summary).toMatchObject({ frames: 10, stream: { ended: "frames", missing: 2, gaps: 1 } });
    expect(summary.warnings.join()).toContain("2 of 12 frames are missing");
  });

  it("end at the frame that was asked for, within a file", async () => {
    const into = folder("some");
    for (let i = 0; i < 4; i += 1) writeFileSync(join(into, `s_${i}.imm`), imm(part(30 * i, 30 * (i + 1))));
    const { summary } = await run({ source: into, request: request(into, "some.hdf"), framesMax: 77, files: QUICK });
    expect(summary).toMatchObject({ frames: 77, stream: { ended: "frames" } });
  });

  it("count when their companions are there; one without is told at the end", async () => {
    const into = folder("companions");
    for (let i = 0; i < 3; i += 1) writeFileSync(join(into, `s_${i}.imm`), imm(part(40 * i, 40 * (i + 1))));
    writeFileSync(join(into, "s_0.done"), "");
    writeFileSync(join(into, "s_1.done"), "");
    const { summary } = await run({
      source: into,
      request: request(into, "companions.hdf"),
      patienceMs: 700,
      files: { companion: "*.done" },
    });
    expect(summary).toMatchObject({
      frames: 80,
      stream: { ended: "lost", note: expect.stringContaining("s_2.imm did not become complete") },
    });
  });

  it("may be named by a pattern, with # in the place of the number", async () => {
    const into = folder("pattern");
    for (let i = 1; i <= 3; i += 1) {
      writeFileSync(join(into, `a_${i}_9.imm`), imm(part(40 * (i - 1), 40 * i)));
      writeFileSync(join(into, `b_${i}_9.imm`), imm(part(0, 5)));
    }
    const { summary } = await run({ source: `${into}/a_#_9.imm`, request: request(into, "pattern.hdf"), patienceMs: 700, files: QUICK });
    expect(summary).toMatchObject({ frames: FRAMES, stream: { ended: "end" } });
    const stars = await run({ source: `${into}/b_[12]_*.imm`, request: request(into, "stars.hdf"), patienceMs: 700, files: QUICK });
    expect(stars.summary).toMatchObject({ frames: 5, stream: { note: "1 files of other series were left alone: b_2_9.imm" } });
  });

  it("of another detector are refused at first; later they end the stream with what came", async () => {
    const wrong = immBytes({ ...part(0, 3) }, { height: height / 2, width: 2 * width, dense: false, frameTimeS: 1 });
    const into = folder("wrong");
    writeFileSync(join(into, "s_1.imm"), wrong);
    await expect(run({ source: into, request: request(into, "wrong.hdf"), files: QUICK })).rejects.toThrow(
      "use the q-map of this detector",
    );
    const later = folder("later");
    writeFileSync(join(later, "s_1.imm"), imm(part(0, 30)));
    writeFileSync(join(later, "s_2.imm"), wrong);
    const { summary } = await run({ source: later, request: request(later, "later.hdf"), files: QUICK });
    expect(summary).toMatchObject({
      frames: 30,
      stream: { ended: "lost", note: expect.stringContaining("use the q-map of this detector") },
    });
    const cut = folder("cut");
    writeFileSync(join(cut, "s_1.imm"), imm(part(0, 30)));
    writeFileSync(join(cut, "s_2.imm"), imm(part(30, 60)).subarray(0, 5_000));
    const broken = await run({ source: cut, request: request(cut, "cut.hdf"), files: QUICK });
    expect(broken.summary.stream).toMatchObject({
      ended: "lost",
      note: expect.stringMatching(/s_2.imm: IMM frame \d+ at byte \d+: truncated/),
    });
  });

  it("that never come are an error; so is one that leads out of the folders that may be read", async () => {
    await expect(run({ source: at("nowhere/"), request: request("x", "x.hdf"), patienceMs: 200 })).rejects.toThrow(
      "no detector file came to",
    );
    const into = folder("leads-out");
    writeFileSync(at("outside.imm"), imm(part(0, 30)));
    symlinkSync(at("outside.imm"), join(into, "s_1.imm"));
    const roots = [into];
    await expect(run({ source: into, request: request(into, "out.hdf"), files: QUICK }, () => {}, roots)).rejects.toThrow("leads out of");
  });

  it.each(["bin", "imm", "h5"])("and are swapped (.%s) between the check and the opening: the other one is not read", async (ending) => {
    const into = folder(`swapped-${ending}`);
    const path = join(into, `s_1.${ending}`);
    // Its counter says that frames before it are gone.
    const words = rigakuBytes({ ...part(50, 70), frame: framesOf(events, 50, 70).frame });
    writeFileSync(path, words);
    writeFileSync(at("secret"), words);
    const told: number[] = [];
    const read = (): never => {
      throw new Error("it was read");
    };
    const { signal } = new AbortController();
    const sink = {
      begin() {},
      openFile() {},
      frames: 0,
      gap: (frames: number) => told.push(frames),
      words: read,
      takeFile: read,
      enough: signal,
    };
    const check = async (): Promise<void> => {
      symlinkSync(at("secret"), at("swap"));
      renameSync(at("swap"), path);
    };
    const take = { sink: sink as unknown as StreamSink, clock: realClock, patienceMs: 2_000, signal, files: QUICK, check };
    expect(await takeFolder((await folderOf(into))!, take)).toEqual({ ended: "lost", note: `${path} was replaced by another file` });
    expect(told.every((frames) => frames === 0)).toBe(true);
  });
});
