/** An HDF5 file that is correlated while h5py writes it: in SWMR mode, by appending, chunk by chunk; writers that die, files that are none. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { photonSource, sparseSample } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { PhotonSource } from "../../src/xpcs/simulate.js";
import { batchOf, bitsOf, pause, requestOf } from "./growing-rig.js";
import { type H5pyWriter, h5py, h5pyWriter, NO_H5PY } from "./h5py-writer.js";
import { run } from "./stream-rig.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-stream-hdf5-"));
const writers: H5pyWriter[] = [];
afterAll(() => {
  for (const writer of writers) writer.kill();
  rmSync(ROOT, { recursive: true, force: true });
});
const at = (name: string): string => join(ROOT, name);

const sample = sparseSample(4);
const { height, width } = sample.detector;
const FRAMES = 23;
const request = (source: string, out: string) => requestOf(source, at("qmap.hdf"), at(out));

beforeAll(async () => {
  await writeQmap(at("qmap.hdf"), sample);
  const { frame, pixel, count } = new PhotonSource(photonSource(sample)).next(FRAMES);
  const words = new Uint16Array(FRAMES * height * width);
  for (const [i, f] of frame.entries()) words[f * height * width + pixel[i]!]! += count[i]!;
  writeFileSync(at("words"), words);
});

async function writerOf(mode: string, path: string, framesPerChunk: number): Promise<H5pyWriter> {
  const writer = await h5pyWriter(mode, path, at("words"), [height, width], framesPerChunk);
  writers.push(writer);
  return writer;
}

if (NO_H5PY !== null) console.warn(`HDF5 files that grow: skipped, ${NO_H5PY}`);

describe.skipIf(NO_H5PY !== null)("an HDF5 file that h5py writes", () => {
  it.each([
    ["swmr", 1],
    ["swmr", 4],
    ["append", 1],
    ["append", 4],
  ])("in the mode %s with %d frames in a chunk gives the bits of the whole", async (mode, framesPerChunk) => {
    const path = at(`${mode}-${framesPerChunk}.h5`);
    const out = `${mode}-${framesPerChunk}.hdf`;
    const running = run({ source: path, request: request(path, out), patienceMs: 2_500 });
    const writer = await writerOf(mode, path, framesPerChunk);
    for (const n of [1, 2, 5, 1, 9, 5]) {
      await writer.order(String(n));
      await pause(150);
    }
    await writer.close();
    const { summary, live } = await running;
    expect(summary).toMatchObject({ frames: FRAMES, stream: { ended: "end", note: null, missing: 0, gaps: 0 } });
    expect(live.length).toBeGreaterThan(3);
    expect(await bitsOf(at(out))).toEqual(await batchOf(request(path, `batch-${out}`), "hdf5"));
  });

  it("ends when its SWMR writer has closed it, long before it has rested", async () => {
    const path = at("closed.h5");
    const writer = await writerOf("swmr", path, 1);
    const running = run({ source: path, request: request(path, "closed.hdf"), patienceMs: 600_000 });
    await writer.order("7");
    await pause(400);
    await writer.close();
    expect((await running).summary).toMatchObject({ frames: 7, stream: { ended: "end" } });
  });

  it("does not take frames that are announced and not written; the writer's death leaves what was", async () => {
    const path = at("dies.h5");
    const writer = await writerOf("swmr", path, 1);
    await writer.order("6");
    await writer.order("extend 3");
    const running = run({ source: path, request: request(path, "dies.hdf"), patienceMs: 1_500 });
    await pause(500);
    writer.kill();
    const { summary } = await running;
    expect(summary).toMatchObject({
      frames: 6,
      stream: { ended: "lost", note: expect.stringMatching(/announces 9 frames, and those from frame 7 on were never written/) },
    });
  });

  it("ends at the frame that was asked for", async () => {
    const path = at("some.h5");
    const writer = await writerOf("swmr", path, 4);
    await writer.order("20");
    const { summary } = await run({ source: path, request: request(path, "some.hdf"), framesMax: 10 });
    expect(summary).toMatchObject({ frames: 10, stream: { ended: "frames" } });
    await writer.close();
  });

  it("without SWMR mode is waited for until its writer has closed it", async () => {
    const path = at("open.h5");
    const writer = await writerOf("open", path, 1);
    await writer.order("9");
    const running = run({ source: path, request: request(path, "open.hdf"), patienceMs: 3_000 });
    await pause(600);
    await writer.close();
    expect((await running).summary).toMatchObject({ frames: 9, stream: { ended: "end", note: null } });
    const kept = at("kept.h5");
    const keeper = await writerOf("open", kept, 1);
    await keeper.order("9");
    await expect(run({ source: kept, request: request(kept, "kept.hdf"), patienceMs: 500 })).rejects.toThrow(
      "open for writing, and not in SWMR mode",
    );
  });

  it("does not disturb a writer that opens and closes it all the time", async () => {
    const path = at("busy.h5");
    const writer = await writerOf("append", path, 1);
    const running = run({ source: path, request: request(path, "busy.hdf"), patienceMs: 2_000 });
    for (let n = 0; n < FRAMES; n += 1) await writer.order("1");
    await writer.close();
    expect((await running).summary).toMatchObject({ frames: FRAMES, stream: { ended: "end" } });
  });

  it("of another detector, or with frames in other files, is refused", async () => {
    const path = at("small.h5");
    const writer = await h5pyWriter("swmr", path, at("words"), [height / 2, width], 1);
    writers.push(writer);
    await writer.order("2");
    await expect(run({ source: path, request: request(path, "small.hdf") })).rejects.toThrow("use the q-map of this detector");
    const [whole, link, all] = [at("source.h5"), at("link.h5"), at("all-made.h5")];
    const shape = `(2, ${height}, ${width})`;
    h5py(`h5py.File(${JSON.stringify(whole)}, "w").create_dataset("/entry/data/data", ${shape}, "<u2", chunks=(1, ${height}, ${width}))`);
    h5py(`h5py.File(${JSON.stringify(link)}, "w")["/entry/data/data"] = h5py.ExternalLink("source.h5", "/entry/data/data")`);
    await expect(run({ source: link, request: request(link, "link.hdf") })).rejects.toThrow("frames in other files");
    h5py(`h5py.File(${JSON.stringify(all)}, "w").create_dataset("/entry/data/data", data=np.zeros(${shape}, "<u2"))`);
    await expect(run({ source: all, request: request(all, "made.hdf") })).rejects.toThrow("does not tell which of its frames are written");
  });

  it("and others, which arrive in a folder beside their master, are one series", async () => {
    const folder = at("folder");
    mkdirSync(folder);
    writeFileSync(join(folder, "x_master.h5"), "it refers to the data files");
    const pixels = height * width;
    const words = new Uint16Array(readFileSync(at("words")).buffer);
    for (const [name, from, to] of [
      ["x_data_000001.h5", 0, 9],
      ["x_data_000002.h5", 9, FRAMES],
    ] as const) {
      writeFileSync(at(`${name}.words`), words.slice(from * pixels, to * pixels));
      const writer = await h5pyWriter("append", join(folder, name), at(`${name}.words`), [height, width], 3);
      writers.push(writer);
      await writer.order(String(to - from));
      await writer.close();
    }
    const { summary } = await run({ source: folder, request: request(folder, "folder.hdf"), patienceMs: 1_000, files: { settleMs: 100 } });
    expect(summary).toMatchObject({ frames: FRAMES, stream: { ended: "end", note: null, missing: 0 } });
    const path = at("one.h5");
    const writer = await writerOf("append", path, 5);
    await writer.order(String(FRAMES));
    await writer.close();
    expect(await bitsOf(at("folder.hdf"))).toEqual(await batchOf(request(path, "one.hdf"), "hdf5"));
  });
});

describe("a file that is no HDF5", () => {
  it("is an error that says so", async () => {
    writeFileSync(at("none.h5"), "nothing that HDF5 would begin with");
    await expect(run({ source: at("none.h5"), request: request(at("none.h5"), "none.hdf"), patienceMs: 300 })).rejects.toThrow(
      "is no HDF5 file",
    );
  });
});
