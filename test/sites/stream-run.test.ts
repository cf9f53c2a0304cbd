/** Streams to their results: the bits of the batch, gaps that no pair crosses, goals, and sources that end badly. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { CorrOptions, CorrRequest } from "../../src/core/analysis.js";
import { realClock } from "../../src/core/real-clock.js";
import { photonSource } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { endBlock, eventsBlock, headerBlock, readBlock } from "../../src/stream/blocks.js";
import { listenWebSocket } from "../../src/wire/websocket-server.js";
import { correlateFile, createLiveSeries, createStreamCorrelator } from "../../src/xpcs/native.js";
import { readResultFile } from "../../src/xpcs/result-file.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";
import { contents } from "../xpcs/file-contents.js";
import { nexusSample } from "../xpcs/nexus-sample.js";
import { framesOf, run, type Served, serve } from "./stream-rig.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-stream-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

const { sample, input } = nexusSample(ROOT, false);
const { height, width } = sample.detector;
const events = simulateEvents(photonSource(sample));
const qmap = join(ROOT, "qmap.hdf");
const blank = { height, width };
beforeAll(() => writeQmap(qmap, sample));

const open: Served[] = [];
afterEach(async () => {
  for (const served of open.splice(0)) await served.close();
});
async function source(header = {}): Promise<Served> {
  const served = await serve({ ...blank, ...header });
  open.push(served);
  return served;
}

function requestOf(name: string, sourceUrl: string, options: CorrOptions = {}): CorrRequest {
  return { files: { input: sourceUrl, qmap }, options, out: join(ROOT, `${name}.hdf`), overwrite: false, provenance: {} };
}

/** The record of the run, the rows that a stream of unknown length has not, and the names of its source. */
const DIFFERENT = /^\/provenance\/|scattering_1d_segments|\/entry\/start_time|rawdata_path/;

describe("the result of a stream", () => {
  it.each<[string, readonly number[], CorrOptions, object]>([
    ["in one block", [], {}, {}],
    ["in blocks of all lengths", [1, 2, 9, 60, 61, 199], {}, {}],
    ["through a counter that goes round", [37, 90, 150], { dpl: 3 }, { counterBits: 8, firstCounter: 200 }],
    ["averaged by weight, frames divided by their sum", [100], { averaging: "weighted", normalize: "framesum" }, {}],
  ])("%s is that of the file, to the bit", async (name, cuts, options, header) => {
    const { sender, url } = await source(header);
    const edges = [0, ...cuts, sample.frames];
    for (let k = 1; k < edges.length; k += 1) {
      await sender.frames(framesOf(events, edges[k - 1]!, edges[k]!), edges[k - 1]!, edges[k]! - edges[k - 1]!);
    }
    await sender.end();
    const { summary, live } = await run({ source: url, request: requestOf(name, url, options) });
    const batch = join(ROOT, `${name}-batch.hdf`);
    await correlateFile({
      ...{ files: { input, qmap }, options: { ...options, frameTimeS: 1e-3, streaming: true }, out: batch },
      ...{ overwrite: false, provenance: {} },
    });
    const streamed = await contents(summary.out, DIFFERENT);
    expect(Object.keys(streamed).length).toBeGreaterThan(40);
    expect(streamed).toEqual(await contents(batch, DIFFERENT));
    expect(summary).toMatchObject({ format: "stream", frames: 200, stream: { ended: "end", note: null, missing: 0, gaps: 0 } });
    // The last look is the result.
    const read = await readResultFile(summary.out);
    expect(live.at(-1)).toMatchObject({ ended: "end", frames: 200, missing: 0, delays: read.delays, frameTimeS: 1e-3 });
    const told = live.at(-1)!.bins[0]!;
    expect(told.q).toBeCloseTo(0.003, 9);
    if (options.averaging !== undefined) return;
    for (const [d, value] of told.g2.entries()) expect(value).toBeCloseTo(read.g2[2 * d]!, 4);
  });

  it("counts empty frames at the end, which only the end can say", async () => {
    const { sender, url } = await source();
    await sender.frames(events, 0, 300);
    await sender.end();
    const { summary } = await run({ source: url, request: requestOf("empty", url) });
    expect(summary.frames).toBe(300);
  });
});

/** Blocks of 2^L frames of one pixel. */
function blocks(series: readonly number[], level: number): number[] {
  const step = 2 ** level;
  return Array.from({ length: Math.floor(series.length / step) }, (_, b) =>
    series.slice(b * step, (b + 1) * step).reduce((a, c) => a + c, 0),
  );
}

/** Counts, products and what is expected of uncorrelated counts at one delay of one part, for the pixels of a bin: as the definition says it. */
function plainPart(pixels: readonly (readonly number[])[], tau: number, level: number): { products: number; expected: number } {
  let [products, past, future, terms] = [0, 0, 0, 0];
  for (const series of pixels) {
    const binned = blocks(series, level);
    const lag = tau / 2 ** level;
    terms = Math.max(0, binned.length - lag);
    for (let t = 0; t < terms; t += 1) {
      products += binned[t]! * binned[t + lag]!;
      past += binned[t]!;
      future += binned[t + lag]!;
    }
  }
  return { products, expected: terms === 0 ? 0 : (past * future) / (pixels.length * terms) };
}

describe("gaps", () => {
  /** Frames [a, b) that came. */
  const parts: readonly (readonly [number, number])[] = [
    [0, 70],
    [90, 97],
    [130, 200],
  ];

  it("are crossed by no pair: g2 is that of the parts, each by the definition", async () => {
    const { sender, url } = await source({ counterBits: 8, firstCounter: 10 });
    let at = 0;
    for (const [from, to] of parts) {
      if (from > at) await sender.lost(from - at);
      await sender.frames(framesOf(events, from, to), from, to - from);
      at = to;
    }
    await sender.end();
    const { summary } = await run({ source: url, request: requestOf("gaps", url) });
    expect(summary).toMatchObject({ frames: 147, framesRead: 200, stream: { ended: "end", missing: 53, gaps: 2 } });
    expect(summary.warnings).toEqual(["53 of 200 frames are missing, in 2 gaps that no pair crosses"]);
    const read = await readResultFile(summary.out);
    const dense = Array.from({ length: height * width }, () => new Array<number>(200).fill(0));
    for (let i = 0; i < events.frame.length; i += 1) dense[events.pixel[i]!]![events.frame[i]!] = events.count[i]!;
    const delays = read.delays.map((tau) => ({ tau, level: Math.max(0, Math.ceil(Math.log2(tau / 8) - 1e-9)) }));
    for (const [bin, own] of [
      [0, [1, 2]],
      [1, [3, 4]],
    ] as const) {
      for (const [d, { tau, level }] of delays.entries()) {
        let [pairs, g2s] = [0, [] as number[]];
        for (const label of own) {
          const pixels = dense.filter((_, p) => sample.sqmap[p] === label && sample.dqmap[p] === bin + 1);
          const told = parts.map(([from, to]) =>
            plainPart(
              pixels.map((series) => series.slice(from, to)),
              tau,
              level,
            ),
          );
          const [products, expected] = [told.reduce((sum, one) => sum + one.products, 0), told.reduce((sum, one) => sum + one.expected, 0)];
          pairs += products;
          if (expected > 0) g2s = [...g2s, products / expected];
        }
        expect(read.pairs![2 * d + bin], `pairs of delay ${tau}`).toBe(pairs);
        const mean = g2s.length === 0 ? 0 : g2s.reduce((a, b) => a + b, 0) / g2s.length;
        expect(read.g2[2 * d + bin], `g2 of delay ${tau}`).toBeCloseTo(mean, 5);
      }
    }
    // The means are those of the frames that came, and a frame that is gone has no photons in the trace.
    const came = Array.from({ length: 200 }, (_, f) => parts.some(([from, to]) => f >= from && f < to));
    expect(read.intensity.map((value, f) => value > 0 && !came[f]!)).toEqual(new Array(200).fill(false));
    const kept = came.filter(Boolean).length;
    const total = dense.reduce(
      (sum, series, p) => (sample.dqmap[p] === 0 ? sum : sum + series.reduce((s, c, f) => s + (came[f]! ? c : 0), 0)),
      0,
    );
    const valid = sample.dqmap.reduce((sum, one) => sum + (one > 0 ? 1 : 0), 0);
    const mean = read.intensity.reduce((sum, value) => sum + value, 0) / kept;
    expect(mean).toBeCloseTo(total / valid / kept, 6);
  });

  it("at the very beginning shift the rest", async () => {
    const { sender, url } = await source();
    await sender.lost(50);
    await sender.frames(framesOf(events, 50, 200), 50, 150);
    await sender.end();
    const { summary } = await run({ source: url, request: requestOf("late", url) });
    const dqmap = Int32Array.from(sample.dqmap);
    const whole = createStreamCorrelator({ height, width, dqmap, sqmap: Int32Array.from(sample.sqmap) });
    const part = framesOf(events, 50, 200);
    whole.push({ frame: part.frame.map((f) => f - 50), pixel: part.pixel, count: Int32Array.from(part.count) });
    whole.setFrames(150);
    const read = await readResultFile(summary.out);
    expect(Float32Array.from(read.g2)).toEqual(Float32Array.from(whole.result().g2, (value) => (Number.isNaN(value) ? 0 : value)));
    expect(summary.stream).toMatchObject({ missing: 50, gaps: 1 });
  });

  it("are counted, and the first ones told", () => {
    const series = createLiveSeries(requestOf("many", "ws://nobody", { frameTimeS: 1 }), height, width);
    for (let k = 0; k < 3; k += 1) {
      series.setFrames(5 * k + 2);
      series.gap(3);
    }
    expect(series.state()).toMatchObject({ frames: 15, missing: 9, gaps: 3 });
    expect(series.gaps(2)).toEqual([
      [2, 5],
      [7, 10],
    ]);
    expect(series.gaps(9)).toHaveLength(3);
    expect(() => series.gaps(-1)).toThrow("most must be");
  });
});

describe("the end of a stream", () => {
  const whole = async (served: Served): Promise<void> => {
    await served.sender.frames(events, 0, 200);
  };

  it("is where enough frames are there, to the frame", async () => {
    const served = await source();
    await whole(served);
    const { summary } = await run({ source: served.url, request: requestOf("enough", served.url), framesMax: 123 });
    expect(summary).toMatchObject({ frames: 123, stream: { ended: "frames" } });
    const counted = framesOf(events, 0, 123);
    expect(summary.events).toBe(counted.pixel.filter((pixel) => sample.dqmap[pixel]! > 0).length);
    expect(served.sender.state.stopped).toBe(true);
  });

  it.each([
    [120, 120, "frames"],
    [150, 150, "frames"],
    [151, 150, "end"],
  ] as const)("is at %i frames where they are enough, also where only the end tells of them", async (framesMax, frames, ended) => {
    const listener = await listenWebSocket({
      ...{ host: "127.0.0.1", port: 0, clock: realClock },
      onLink(link) {
        link.onBytes((bytes) => {
          if (readBlock(bytes).kind !== "open") return;
          link.send(eventsBlock(1, 0, 100, events, 0, 0, framesOf(events, 0, 100).frame.length));
          link.send(endBlock(2, 150, 0));
        });
        link.send(
          headerBlock({ ...blank, ...{ frameTimeS: 1, counterBits: 0, firstCounter: 0, repeatsAfter: 0 }, id: "0f".repeat(16), name: "" }),
        );
      },
    });
    try {
      const { summary } = await run({ source: listener.url, request: requestOf(`end-${framesMax}`, listener.url), framesMax });
      expect(summary).toMatchObject({ frames, stream: { ended } });
    } finally {
      await listener.close();
    }
  });

  it("is lost where the source is: the result is of what came, and says so", async () => {
    const served = await source();
    await whole(served);
    const running = run({ source: served.url, request: requestOf("lost", served.url) });
    while (!served.sender.delivered || served.sender.state.receivers === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await served.close();
    open.splice(0);
    const { summary } = await running;
    expect(summary.stream).toMatchObject({ ended: "lost", missing: 0 });
    expect(summary.frames).toBe(200);
    const read = await readResultFile(summary.out);
    expect(read.warnings).toEqual([expect.stringMatching(/^PARTIAL: the stream was lost after 200 frames/)]);
  });

  it("is a goal that was reached twice, and not by an empty stream", async () => {
    const served = await source();
    let told = 0;
    const playing = (async () => {
      for (let k = 0; k < 20 && !served.sender.state.stopped; k += 1) {
        await served.sender.frames(framesOf(events, 10 * k, 10 * k + 10), 10 * k, 10);
        // Time for a look.
        const looked = told;
        for (let wait = 0; wait < 200 && told === looked; wait += 1) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (!served.sender.state.stopped) await served.sender.end();
    })();
    const goal = { source: served.url, request: requestOf("goal", served.url), until: "error(q1..q2) < 40%" };
    const { summary, live } = await run(goal, () => {
      told += 1;
    });
    await playing;
    expect(summary.stream?.ended).toBe("until");
    expect(summary.frames).toBeLessThan(200);
    expect(live.filter(({ ended }) => ended === null).at(-1)!.goal).toMatchObject({ passes: 2 });
    const dark = await source();
    await dark.sender.frames({ frame: new Uint32Array(), pixel: new Uint32Array(), count: new Uint16Array() }, 0, 5_000);
    await dark.sender.end();
    const none = await run({ source: dark.url, request: requestOf("dark", dark.url), until: "error < 900%" });
    expect(none.summary.stream?.ended).toBe("end");
    expect(none.live.map(({ goal }) => goal?.passes)).toEqual(none.live.map(() => 0));
  });
});

describe("what is refused", () => {
  it("a source without a frame, the q-map of another detector, a result that is there, a goal for bins that there are not", async () => {
    const nobody = run({ source: "ws://127.0.0.1:9", request: requestOf("nobody", "ws://127.0.0.1:9"), patienceMs: 10 });
    await expect(nobody).rejects.toMatchObject({ code: "NOT_FOUND" });
    const other = await serve({ height: 10, width: 20 });
    open.push(other);
    await expect(run({ source: other.url, request: requestOf("other", other.url) })).rejects.toThrow("use the q-map of this detector");
    const served = await source();
    await served.sender.frames(events, 0, 200);
    const bins = run({ source: served.url, request: requestOf("bins", served.url), until: "error(q7) < 2%" });
    await expect(bins).rejects.toThrow("no q7");
  });

  it("photons outside the detector or out of order: the frames before stay a result", async () => {
    const served = await source();
    await served.sender.frames(framesOf(events, 0, 100), 0, 100);
    await served.sender.frames({ frame: Uint32Array.of(1), pixel: Uint32Array.of(height * width), count: Uint16Array.of(1) }, 0, 2);
    const { summary } = await run({ source: served.url, request: requestOf("outside", served.url) });
    expect(summary).toMatchObject({ frames: 100, stream: { ended: "lost", note: expect.stringMatching(/pixel 1280 of 1280/) } });
  });

  it.each<[string, CorrOptions, string]>([
    ["a range", { begin: 2 }, "a range"],
    ["bad frames", { badFrames: "3" }, "bad frames"],
    ["pixels", { g2out: true }, "single pixels"],
    ["other errors", { errors: "boost-corr" }, "errors of another program"],
    ["two-time", { type: "twotime" }, "two-time"],
  ])("%s", (_what, options, why) => {
    const request = requestOf("no", "ws://nobody", { frameTimeS: 1, ...options });
    expect(() => createLiveSeries(request, height, width)).toThrow(why);
  });

  it("blocks that go back, and words of other frames", () => {
    const series = createLiveSeries(requestOf("words", "ws://nobody", { frameTimeS: 1 }), height, width);
    const word = (delta: number, pixel: number) =>
      new Uint8Array(BigUint64Array.of((BigInt(delta) << 44n) | (BigInt(pixel) << 16n) | 1n).buffer);
    series.pushWords(word(0, 3), 10, 5);
    expect(() => series.pushWords(word(0, 3), 14, 5)).toThrow("not after frame 15");
    expect(() => series.pushWords(word(5, 3), 20, 5)).toThrow("frame 5 of 5");
    expect(() => series.pushWords(word(0, 3).subarray(0, 5), 20, 5)).toThrow("ends within its event");
    expect(() => series.pushWords(Buffer.concat([word(3, 1), word(2, 1)]), 20, 5)).toThrow("after a later one");
    expect(() => series.setFrames(3)).toThrow("15 frames, more than 3");
    expect(series.state()).toMatchObject({ frames: 15, missing: 0 });
  });
});
