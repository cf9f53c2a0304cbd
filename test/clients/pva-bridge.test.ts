/** The bridge from areaDetector's NTNDArray, with a fake of PvaPy and the real receiver: the bits of the batch, lost images as gaps, what ends it. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { photonSource, sparseSample } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { createLiveSeries } from "../../src/xpcs/native.js";
import { PhotonSource } from "../../src/xpcs/simulate.js";
import { batchOf, bitsOf, requestOf } from "../sites/growing-rig.js";
import { framesOf, run } from "../sites/stream-rig.js";
import { behind, viewer } from "../stream/two-receivers.js";
import { PYTHON, type PythonRun, SKIP, startPython } from "./python-process.js";

const SCRIPT = fileURLToPath(new URL("pva_runs.py", import.meta.url));
const lacksNumpy = SKIP === null && spawnSync(PYTHON ?? "", ["-c", "import numpy"]).status !== 0;
const WHY = lacksNumpy ? `${PYTHON} lacks numpy: apt-get install python3-numpy` : SKIP;
if (WHY !== null) console.warn(`the bridge to PVAccess is not tested: ${WHY}`);

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-pva-"));
const bridges: PythonRun[] = [];
afterEach(() => {
  for (const bridge of bridges.splice(0)) bridge.kill();
});
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const at = (name: string): string => join(ROOT, name);

const sample = sparseSample(6);
const { height, width } = sample.detector;
const FRAMES = 30;
const events = new PhotonSource(photonSource(sample)).next(FRAMES);
const request = (source: string, out: string) => requestOf(source, at("qmap.hdf"), at(out));

beforeAll(async () => {
  await writeQmap(at("qmap.hdf"), sample);
  const words = new Uint16Array(FRAMES * height * width);
  for (const [i, f] of events.frame.entries()) words[f * height * width + events.pixel[i]!]! += events.count[i]!;
  writeFileSync(at("words"), words);
});

interface Played {
  readonly ids: readonly number[];
  readonly frames: readonly number[];
  readonly pauseS?: number;
  readonly firstPauseS?: number;
  readonly replaceAt?: number;
  readonly replace?: Readonly<Record<string, unknown>>;
}

/** Starts the bridge. @returns its process, and where it listens */
async function bridge(played: Played, ...args: string[]): Promise<{ python: PythonRun; url: string }> {
  const said = JSON.stringify({ words: at("words"), rows: height, columns: width, ...played });
  const python = startPython(SCRIPT, ["13SIM1:Pva1:Image", "--listen", "127.0.0.1:0", ...args], { FAKE_PVA: said });
  bridges.push(python);
  const { listening } = (await python.next()) as { listening: string };
  return { python, url: listening };
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe.skipIf(WHY !== null)("the bridge from PVAccess", () => {
  it("gives the bits of the batch; the image that was there before is none of the series", async () => {
    const { python, url } = await bridge(
      { ids: [5, ...upTo(FRAMES).map((i) => 1001 + i)], frames: [3, ...upTo(FRAMES)], pauseS: 0.01 },
      "--frames",
      String(FRAMES),
    );
    const { summary } = await run({ source: url, request: request(url, "all.hdf") });
    expect(summary).toMatchObject({ frames: FRAMES, stream: { ended: "end", note: null, missing: 0, gaps: 0 } });
    expect(await python.next()).toMatchObject({ frames: FRAMES, events: events.frame.length, lost: 0, unread: 0 });
    expect(await python.next()).toEqual({ code: 0 });
    writeFileSync(at("all.imm"), immBytes(events, { height, width, dense: false, frameTimeS: 1e-3 }));
    expect(await bitsOf(at("all.hdf"))).toEqual(await batchOf(request(at("all.imm"), "batch.hdf"), "imm"));
  });

  it("records images that did not come as gaps, and ends where the numbers begin anew", async () => {
    const ids = [1, 2, 3, 4, 10, 11, 12, 13, 14, 14, 1, 2];
    const { python, url } = await bridge({ ids: [99, ...ids], frames: [0, ...upTo(ids.length)] });
    const { summary } = await run({ source: url, request: request(url, "gaps.hdf") });
    expect(summary).toMatchObject({ frames: 9, stream: { ended: "end", missing: 5, gaps: 1 } });
    expect(await python.next()).toMatchObject({ frames: 14, lost: 5, ended: expect.stringContaining("begun anew") });
    const series = createLiveSeries(request("parts", "parts.hdf"), height, width);
    const push = (from: number, to: number, first: number): void => {
      const { frame, pixel, count } = framesOf(events, from, to);
      series.push({ frame: frame.map((f) => f - from + first), pixel, count: Int32Array.from(count) });
    };
    push(0, 4, 0);
    series.setFrames(4);
    series.gap(5);
    push(4, 9, 9);
    series.setFrames(14);
    series.write({}, []);
    expect(await bitsOf(at("gaps.hdf"))).toEqual(await bitsOf(at("parts.hdf")));
  });

  it("holds so much for a receiver that comes late; the rest is a recorded gap at the beginning", async () => {
    const { python, url } = await bridge(
      { ids: [0, ...upTo(FRAMES)], frames: [0, ...upTo(FRAMES)] },
      "--spool-mb",
      String((0.4 * 8 * events.frame.length) / 1e6),
      "--idle",
      "0.5",
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const { summary } = await run({ source: url, request: request(url, "late.hdf") });
    expect(summary.stream).toMatchObject({ ended: "end", gaps: 1 });
    expect(summary.stream!.missing).toBeGreaterThan(0);
    expect(summary.stream!.missing).toBeLessThan(FRAMES);
    expect(summary.frames).toBe(FRAMES - summary.stream!.missing);
    expect(await python.next()).toMatchObject({ ended: "no update for 0.5 s" });
  });

  it.each([
    ["compressed", { codec: { name: "blosc", parameters: [] } }, "compressed with blosc"],
    ["of another shape", { dimension: [{ size: height }, { size: width }] }, "those before were"],
    ["no NTNDArray", { value: null }, "no NTNDArray"],
  ])("ends with an error at an update that is %s: the stream is lost, with what came", async (_what, replace, message) => {
    const played = { ids: [0, ...upTo(FRAMES)], frames: [0, ...upTo(FRAMES)], pauseS: 0.05, replaceAt: 15, replace };
    const { python, url } = await bridge(played);
    const { summary } = await run({ source: url, request: request(url, `wrong-${message.length}.hdf`), patienceMs: 300 });
    expect(summary.stream).toMatchObject({ ended: "lost" });
    expect(summary.frames).toBe(14);
    expect(await python.next()).toMatchObject({ message: expect.stringContaining(message) });
    expect(await python.next()).toEqual({ code: 1 });
  });

  const nothing = { dimension: [], value: [{}, {}] };
  it.each([
    ["empty, from an IOC that has just begun", nothing],
    ["empty, as an empty union alone", { value: [{}] }],
    ["compressed", { codec: { name: "blosc", parameters: [] } }],
    ["in colour", { attribute: [{ name: "ColorMode", value: [{ value: 2 }] }] }],
    ["no NTNDArray", { value: null }],
  ])("passes the present image over unread: one that is %s", async (_what, replace) => {
    const played = { ids: [0, ...upTo(FRAMES)], frames: [0, ...upTo(FRAMES)], pauseS: 0.005, replaceAt: 0, replace };
    const { python, url } = await bridge(played, "--frames", String(FRAMES));
    const { all } = await behind(url, Promise.resolve());
    expect((await all).count.length).toBe(events.frame.length);
    expect(await python.next()).toMatchObject({ frames: FRAMES, events: events.frame.length, lost: 0 });
    expect(await python.next()).toEqual({ code: 0 });
  });

  it.each([
    ["at the start with --keep-first", 0, ["--keep-first"], FRAMES - 1, 0],
    ["on the way", 6, [], FRAMES - 1, 1],
  ])("an update without an image is none: %s", async (_what, replaceAt, more, frames, lost) => {
    const ids = replaceAt === 0 ? upTo(FRAMES) : [99, ...upTo(FRAMES - 1)];
    const played = { ids, frames: upTo(FRAMES), pauseS: 0.005, replaceAt, replace: nothing };
    const { python, url } = await bridge(played, "--frames", String(frames), ...more);
    const { summary } = await run({ source: url, request: request(url, `none-${replaceAt}.hdf`) });
    expect(summary.stream).toMatchObject({ ended: "end", missing: lost });
    expect(await python.next()).toMatchObject({ frames, lost });
    expect(await python.next()).toEqual({ code: 0 });
  });

  it("the present image does not start the clock of --idle: a detector may begin late", async () => {
    const played = { ids: [5, ...upTo(FRAMES)], frames: [0, ...upTo(FRAMES)], firstPauseS: 1.5 };
    const { python, url } = await bridge(played, "--idle", "0.4");
    const { all } = await behind(url, Promise.resolve());
    expect((await all).frames).toBe(FRAMES);
    expect(await python.next()).toMatchObject({ frames: FRAMES, lost: 0, ended: "no update for 0.4 s" });
  });

  it("gives one that is behind every photon after the end, though a viewer has stopped early", async () => {
    const { python, url } = await bridge(
      { ids: [5, ...upTo(FRAMES)], frames: [0, ...upTo(FRAMES)], pauseS: 0.02 },
      "--frames",
      String(FRAMES),
    );
    const go = new Promise((resolve) => setTimeout(resolve, 1_500));
    let told: unknown = null;
    const over = python.next().then((line) => {
      told = line;
    });
    const [{ all }] = await Promise.all([behind(url, go), viewer(url)]);
    await go;
    expect(told).toBeNull();
    const { frames, ...photons } = await all;
    expect(frames).toBe(FRAMES);
    expect(isDeepStrictEqual(photons, { frame: [...events.frame], pixel: [...events.pixel], count: [...events.count] })).toBe(true);
    await over;
    expect(told).toMatchObject({ frames: FRAMES, events: events.frame.length });
    expect(await python.next()).toEqual({ code: 0 });
  }, 20_000);

  it("ends at once when it is told to stop a second time, with a receiver that takes nothing", async () => {
    const { python, url } = await bridge({ ids: [5, ...upTo(FRAMES)], frames: [0, ...upTo(FRAMES)], pauseS: 0.02 });
    await behind(url, new Promise(() => {}));
    python.signal("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 500));
    python.signal("SIGTERM");
    expect(await python.next()).toMatchObject({ ended: "it was told to stop" });
    expect(await python.next()).toEqual({ code: 0 });
  }, 20_000);

  it("closes the connection of whoever sends what no receiver sends", async () => {
    const { url } = await bridge({ ids: [0, ...upTo(FRAMES)], frames: [0, ...upTo(FRAMES)], pauseS: 0.01 });
    for (const message of ["text", new Uint8Array(5), new Uint8Array(40).fill(7)]) {
      const socket = new WebSocket(url);
      const closed = new Promise<number>((resolve) => socket.on("close", resolve));
      socket.once("message", () => socket.send(message));
      expect(await closed).toBe(4000);
    }
  });

  it("without PvaPy says what to install", async () => {
    const python = startPython("-c", [
      "import sys, json; from xpcs_client import pva_bridge; sys.modules['pvaccess'] = None; print(json.dumps(pva_bridge.main(['X'], tell=lambda told: print(json.dumps(told)))))",
    ]);
    bridges.push(python);
    expect(await python.next()).toMatchObject({ error: "UNSUPPORTED", message: expect.stringContaining("PvaPy is not here") });
    expect(await python.next()).toBe(2);
  });
});
