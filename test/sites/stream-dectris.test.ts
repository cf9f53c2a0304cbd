/** DECTRIS Stream V1 and V2 from a real PUSH socket to a result: the bits of the same images in a file, gaps, several channels, and messages that are none. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm from "h5wasm/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Push } from "zeromq";
import type { CorrOptions, CorrRequest } from "../../src/core/analysis.js";
import { photonSource } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";
import {
  arrayV2,
  cbor,
  type EncodingV1,
  endV1,
  endV2,
  headerV1,
  Indefinite,
  imageV1,
  imageV2,
  type Packed,
  startV2,
  Tagged,
  type Words,
} from "../stream/dectris-messages.js";
import { contents, datasetOf } from "../xpcs/file-contents.js";
import { nexusSample } from "../xpcs/nexus-sample.js";
import { type Ran, run, serve } from "./stream-rig.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-dectris-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const at = (name: string): string => join(ROOT, name);

const { sample } = nexusSample(ROOT, false);
const { height, width } = sample.detector;
const { frames } = sample;
const pixels = height * width;
const events = simulateEvents(photonSource(sample));
const SERIES = 42;
const shape = { height, width, frames, series: SERIES };
beforeAll(() => writeQmap(at("qmap.hdf"), sample));

type Bits = 8 | 16 | 32;
const KINDS = { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array };

/** All images, one after the other; some pixels of some of them give no reading. */
function imagesOf(bits: Bits): Words {
  const words = new KINDS[bits](frames * pixels);
  events.frame.forEach((frame, i) => {
    words[frame * pixels + events.pixel[i]!]! += events.count[i]!;
  });
  const marked =
    words.length === 0 ? [] : [3 * pixels + 16 * width + 12, 4 * pixels + 16 * width + 12, 90 * pixels + 20 * width + 20, 90 * pixels];
  for (const place of marked) words[place] = 2 ** bits - 1;
  return words;
}
const image = (words: Words, frame: number): Words => words.slice(frame * pixels, (frame + 1) * pixels);

/** The same images in an HDF5 file. */
async function fileOf(name: string, words: Words, bits: Bits): Promise<string> {
  await h5wasm.ready;
  const file = new h5wasm.File(at(name), "w");
  const data = file.create_group("entry").create_group("data");
  data.create_dataset({ name: "data", data: words, shape: [frames, height, width], dtype: bits === 8 ? "<B" : bits === 16 ? "<H" : "<I" });
  file.close();
  return at(name);
}

const requestOf = (source: string, out: string, options: CorrOptions = {}): CorrRequest => ({
  ...{ files: { input: source, qmap: at("qmap.hdf") }, options, out: at(out), overwrite: false, provenance: {} },
});
const DIFFERENT = /^\/provenance\/|scattering_1d_segments|\/entry\/start_time|rawdata_path/;

async function batch(input: string, out: string): Promise<Record<string, string>> {
  await correlateFile(requestOf(input, out, { frameTimeS: 1e-3, streaming: true }));
  return contents(at(out), DIFFERENT);
}

const open: Push[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** A detector: a PUSH socket, as the vendor's. */
async function detector(): Promise<{ readonly socket: Push; readonly source: string }> {
  const socket = new Push({ linger: 0, sendTimeout: 5_000 });
  open.push(socket);
  await socket.bind("tcp://127.0.0.1:*");
  return { socket, source: socket.lastEndpoint!.replace("tcp://", "dectris://") };
}

/** Plays messages into a stream until it has ended. */
async function play(
  messages: Iterable<Uint8Array | Uint8Array[]>,
  out: string,
  options: CorrOptions = {},
  query = "",
  more = {},
): Promise<Ran> {
  const { socket, source } = await detector();
  const running = run({ source: `${source}${query}`, request: requestOf(source, out, options), patienceMs: 2_000, ...more });
  const ended = running.then(
    () => true,
    () => true,
  );
  const sending = (async () => {
    for (const message of messages) await socket.send(message as Uint8Array);
    return false;
  })().catch(() => false);
  await Promise.race([sending, ended]);
  return running;
}

function* seriesV2(words: Words, packed: Packed, left: ReadonlySet<number> = new Set()): Generator<Uint8Array> {
  yield startV2(shape);
  for (let frame = 0; frame < frames; frame += 1)
    if (!left.has(frame)) yield imageV2(SERIES, frame, { threshold_1: arrayV2(image(words, frame), height, width, packed) });
  yield endV2(SERIES);
}

function* seriesV1(words: Words, encoding: EncodingV1, detail: "none" | "basic" | "all" = "basic"): Generator<Uint8Array[]> {
  yield headerV1(shape, detail);
  for (let frame = 0; frame < frames; frame += 1) yield imageV1(SERIES, frame, image(words, frame), height, width, encoding);
  yield endV1(SERIES);
}

describe("the result of a DECTRIS stream is that of the same images in a file, to the bit", () => {
  const expected = new Map<Bits, Record<string, string>>();
  beforeAll(async () => {
    for (const bits of [8, 16, 32] as const)
      expected.set(bits, await batch(await fileOf(`images-${bits}.h5`, imagesOf(bits), bits), `batch-${bits}.hdf`));
  });

  it.each<[Bits, Packed]>([
    [8, "bslz4"],
    [16, "bslz4"],
    [32, "bslz4"],
    [16, "lz4"],
    [32, "none"],
  ])("V2, %i bits, %s", async (bits, packed) => {
    const out = `v2-${bits}-${packed}.hdf`;
    const { summary, live } = await play(seriesV2(imagesOf(bits), packed), out);
    expect(summary.stream).toEqual({ ended: "end", note: null, missing: 0, gaps: 0 });
    expect(live.at(-1)).toMatchObject({ ended: "end", frames, frameTimeS: 1e-3 });
    expect(await contents(at(out), DIFFERENT)).toEqual(expected.get(bits));
    expect(await datasetOf(at(out), "/provenance/stream_detector")).toBe("DECTRIS EIGER2 Si 1M E-18-0000, threshold_1");
    expect(await datasetOf(at(out), "/provenance/stream_id")).toBe("01HBV3JPF2T4ZDPADX23EHWCT2");
    // Two pixels of the map gave no reading three times; the corner is outside it.
    expect(summary.warnings.join()).toContain("2 pixels of the map hold the detector's marker for no reading, 3 times in all");
  });

  it.each<[Bits, EncodingV1, "none" | "basic" | "all"]>([
    [8, "bs8-lz4<", "basic"],
    [16, "bs16-lz4<", "all"],
    [32, "bs32-lz4<", "basic"],
    [16, "lz4<", "basic"],
    [32, "<", "none"],
  ])("V1, %i bits, %s, details: %s", async (bits, encoding, detail) => {
    const out = `v1-${bits}-${detail}-${encoding.replace("<", "")}.hdf`;
    const { summary } = await play(seriesV1(imagesOf(bits), encoding, detail), out, detail === "none" ? { frameTimeS: 1e-3 } : {});
    expect(summary.stream).toEqual({ ended: "end", note: null, missing: 0, gaps: 0 });
    expect(await contents(at(out), DIFFERENT)).toEqual(expected.get(bits));
  });

  it("maps and arrays whose length is not said ahead are the same", async () => {
    const words = imagesOf(16);
    function* messages(): Generator<Uint8Array> {
      yield startV2(shape);
      for (let frame = 0; frame < frames; frame += 1) {
        const { tag, content } = arrayV2(image(words, frame), height, width, "bslz4");
        const data = new Indefinite({ threshold_1: new Tagged(tag, new Indefinite(content as unknown[])) });
        yield cbor(new Indefinite({ type: "image", image_id: frame, series_id: SERIES, data }));
      }
      yield endV2(SERIES);
    }
    const { summary } = await play(messages(), "indefinite.hdf");
    expect(summary.stream).toMatchObject({ ended: "end", missing: 0 });
    expect(await contents(at("indefinite.hdf"), DIFFERENT)).toEqual(expected.get(16));
  });
});

describe("images that do not come", () => {
  it("are gaps in the result, whichever they are", async () => {
    const left = new Set([0, 17, 18, 19, 120]);
    const { summary } = await play(seriesV2(imagesOf(16), "bslz4", left), "gaps.hdf");
    expect(summary.stream).toEqual({ ended: "end", note: null, missing: 5, gaps: 3 });
    expect(await datasetOf(at("gaps.hdf"), "/provenance/stream_gaps")).toBe("1-1,18-20,121-121");
    // The same frames and gaps as event blocks.
    const { sender, url, close } = await serve({ height, width });
    const words = imagesOf(16);
    for (let frame = 0; frame < frames; frame += 1) {
      const pixel = [...image(words, frame).keys()].filter((p) => ![0, 0xffff].includes(words[frame * pixels + p]!));
      const of = { frame: new Uint32Array(pixel.length).fill(frame), count: Uint32Array.from(pixel, (p) => words[frame * pixels + p]!) };
      if (left.has(frame)) await sender.lost(1);
      else await sender.frames({ ...of, pixel: Uint32Array.from(pixel) }, frame, 1);
    }
    await sender.end();
    await run({ source: url, request: requestOf(url, "gaps-blocks.hdf") });
    await close();
    expect(await contents(at("gaps.hdf"), DIFFERENT)).toEqual(await contents(at("gaps-blocks.hdf"), DIFFERENT));
  });

  it("at the end are said to be missing", async () => {
    const left = new Set(Array.from({ length: 50 }, (_, i) => 150 + i));
    const { summary } = await play(seriesV2(imagesOf(16), "bslz4", left), "short.hdf");
    expect(summary).toMatchObject({ frames: 150, stream: { ended: "end", missing: 0, gaps: 0 } });
    expect(summary.stream!.note).toBe("the detector announced 200 images, and the last one that came is number 150");
  });

  it("in their order are left out when they come late, and the stream goes on", async () => {
    const words = imagesOf(16);
    const order = [...Array(frames).keys()].filter((n) => n !== 50);
    order.splice(60, 0, 50);
    function* messages(): Generator<Uint8Array> {
      yield startV2(shape);
      for (const n of order) yield imageV2(SERIES, n, { threshold_1: arrayV2(image(words, n), height, width, "none") });
      yield endV2(SERIES);
    }
    const { summary } = await play(messages(), "late.hdf");
    expect(summary.stream).toEqual({ ended: "end", note: "1 images came after later ones and were left out", missing: 1, gaps: 1 });
  });

  it("of a series that began before are passed over, and counted", async () => {
    const words = imagesOf(16);
    function* messages(): Generator<Uint8Array> {
      for (const n of [7, 8]) yield imageV2(SERIES - 1, n, { threshold_1: arrayV2(image(words, n), height, width, "none") });
      yield endV2(SERIES - 1);
      yield* seriesV2(words, "bslz4");
    }
    const { summary } = await play(messages(), "early.hdf");
    expect(summary.stream).toEqual({
      ended: "end",
      note: "3 messages of a series that began before were passed over",
      missing: 0,
      gaps: 0,
    });
  });
});

describe("several channels", () => {
  const both = ["threshold_1", "threshold_2"];
  function* messages(words: Words): Generator<Uint8Array> {
    yield startV2(shape, { channels: both });
    const none = new Uint16Array(pixels);
    for (let frame = 0; frame < frames; frame += 1)
      yield imageV2(SERIES, frame, {
        threshold_1: arrayV2(none, height, width, "none"),
        threshold_2: arrayV2(image(words, frame), height, width, "bslz4"),
      });
    yield endV2(SERIES);
  }

  it("need a choice, which the error names", async () => {
    await expect(play(messages(imagesOf(16)), "which.hdf")).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "the detector sends several channels: add ?channel=NAME to the source, one of threshold_1, threshold_2",
    });
    await expect(play(messages(imagesOf(16)), "which.hdf", {}, "?channel=threshold_3")).rejects.toMatchObject({
      message: "the detector has no channel threshold_3, but threshold_1, threshold_2",
    });
  });

  it("give the one that was chosen", async () => {
    await play(messages(imagesOf(16)), "second.hdf", {}, "?channel=threshold_2");
    expect(await contents(at("second.hdf"), DIFFERENT)).toEqual(await contents(at("batch-16.hdf"), DIFFERENT));
  });
});

describe("a stream that is none, or goes wrong", () => {
  const words = imagesOf(16);
  const good = (frame: number): Uint8Array => imageV2(SERIES, frame, { threshold_1: arrayV2(image(words, frame), height, width, "bslz4") });
  const cut = good(5).subarray(0, 300);
  const damaged = good(5).slice();
  damaged.fill(0xff, 160, 200);

  it.each<[string, Uint8Array | Uint8Array[], RegExp]>([
    ["cut", cut, /^message 7: not a message of a DECTRIS stream: 300 bytes are no CBOR/],
    ["damaged", damaged, /^message 7: the image of frame 5 is damaged: /],
    [
      "of another size",
      imageV2(SERIES, 5, { threshold_1: arrayV2(new Uint16Array(12), 3, 4, "none") }),
      /image 5 is 3 x 4, and the series 32 x 40/,
    ],
    ["without its channel", imageV2(SERIES, 5, {}), /image 5 has no channel threshold_1, but none/],
    ["of another series", imageV2(SERIES + 1, 5, {}), /a message of series 43 came, and series 42 has not ended/],
    ["the start of another series", startV2({ ...shape, series: 43 }), /the detector began series 43, and the end of series 42 never came/],
    [
      "no message of any kind",
      [Uint8Array.of(1, 2), Uint8Array.of(3)],
      /it has 2 parts, and begins neither as Stream V1 \(JSON\) nor as V2/,
    ],
  ])("%s: what came before stays a result, and says why", async (name, message, why) => {
    const out = `${name.replaceAll(" ", "-")}.hdf`;
    const { summary } = await play([startV2(shape), ...[0, 1, 2, 3, 4].map(good), message, good(6)], out);
    expect(summary).toMatchObject({ frames: 5, stream: { ended: "lost" } });
    expect(summary.stream!.note).toMatch(why);
    expect(summary.warnings.join()).toContain("PARTIAL: ");
  });

  it("is refused at its start, with the reason", async () => {
    const other = { ...shape, height: 64, width: 64 };
    await expect(play([startV2(other)], "none.hdf")).rejects.toMatchObject({ message: expect.stringContaining("the frames of") });
    await expect(play([startV2(shape, { channels: [] })], "none.hdf")).rejects.toMatchObject({ code: "CORRUPT_DATA" });
    await expect(play([Uint8Array.of(0x83, 1, 2)], "none.hdf")).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  });

  it("has no detector at its address", async () => {
    const request = requestOf("none", "nobody.hdf");
    await expect(run({ source: "dectris://127.0.0.1:1", request, patienceMs: 300 })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("no detector is at tcp://127.0.0.1:1"),
    });
  });

  it("is lost where the detector goes away, and stays where it only waits", async () => {
    const { socket, source } = await detector();
    const running = run({ source, request: requestOf(source, "gone.hdf"), patienceMs: 600 });
    await socket.send(startV2(shape));
    await socket.send(good(0));
    // Longer than the patience: the detector is there.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await socket.send(good(1));
    await new Promise((resolve) => setTimeout(resolve, 300));
    socket.close();
    open.length = 0;
    const { summary } = await running;
    expect(summary).toMatchObject({ frames: 2, stream: { ended: "lost" } });
    expect(summary.stream!.note).toContain("did not come back within 0.6 s");
  });

  it("ends at the frame that was asked for", async () => {
    const { summary } = await play(seriesV2(words, "bslz4"), "some.hdf", {}, "", { framesMax: 60 });
    expect(summary).toMatchObject({ frames: 60, stream: { ended: "frames", missing: 0 } });
  });
});
