/** An IMM file that is correlated while it grows: the bits of the whole, frames half written are waited for, files that end badly say where. */
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { photonSource, sparseSample } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { PhotonSource } from "../../src/xpcs/simulate.js";
import { batchOf, bitsOf, fillTo, growTo, pause, requestOf } from "./growing-rig.js";
import { run } from "./stream-rig.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-stream-imm-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const at = (name: string): string => join(ROOT, name);

const sample = sparseSample(3);
const { height, width } = sample.detector;
const FRAMES = 24;
const events = new PhotonSource(photonSource(sample)).next(FRAMES);
const HEADER = 1024;
const bytesOf = (dense: boolean): Uint8Array => immBytes(events, { height, width, dense, frameTimeS: 1e-3 });
const request = (source: string, out: string) => requestOf(source, at("qmap.hdf"), at(out));
beforeAll(() => writeQmap(at("qmap.hdf"), sample));

describe.each([["sparse", false] as const, ["dense", true] as const])("a %s IMM file that grows", (kind, dense) => {
  const bytes = bytesOf(dense);
  const frameBytes = Math.floor(bytes.length / FRAMES);

  it("gives the bits of the whole, cut within headers, columns and counts, begun before it was there", async () => {
    const path = at(`${kind}.imm`);
    const running = run({ source: path, request: request(path, `${kind}.hdf`), patienceMs: 1_500 });
    await growTo(path, bytes, [10, 500, HEADER, HEADER + 3, 2 * frameBytes, 7 * frameBytes + 31, bytes.length - 1]);
    const { summary, live } = await running;
    expect(summary).toMatchObject({ frames: FRAMES, stream: { ended: "end", note: null, missing: 0, gaps: 0 } });
    expect(live.length).toBeGreaterThan(2);
    expect(await bitsOf(at(`${kind}.hdf`))).toEqual(await batchOf(request(path, `${kind}-batch.hdf`), "imm"));
  });

  it("in space that was reserved ahead gives the bits of the whole; zeros are no frames", async () => {
    const path = at(`${kind}-reserved.imm`);
    const running = run({ source: path, request: request(path, `${kind}-reserved.hdf`), patienceMs: 1_500 });
    const starts = frameStarts(bytes, dense);
    const cuts = [starts[3]!, starts[9]! + 500, starts[9]! + HEADER, starts[12]! + HEADER + 7, starts[FRAMES - 1]!, bytes.length - 3];
    await fillTo(path, bytes, [...cuts, bytes.length], bytes.length);
    const { summary } = await running;
    expect(summary).toMatchObject({ frames: FRAMES, stream: { ended: "end", note: null, missing: 0, gaps: 0 } });
    expect(await bitsOf(at(`${kind}-reserved.hdf`))).toEqual(await batchOf(request(path, `${kind}-reserved-batch.hdf`), "imm"));
  });

  it("in space that is never filled is lost at that frame; what came is what a file of that length gives", async () => {
    const starts = frameStarts(bytes, dense);
    const short = at(`${kind}-short.imm`);
    writeFileSync(short, bytes.subarray(0, starts[9]!));
    const batch = await batchOf(request(short, `${kind}-short-batch.hdf`), "imm");
    // Behind a whole frame; within the values of a frame, which tells itself where every event has a count.
    for (const [how, cut] of [["whole", starts[9]!] as const, ...(dense ? [] : [["torn", starts[10]! - 2] as const])]) {
      const path = at(`${kind}-unfilled-${how}.imm`);
      const running = run({ source: path, request: request(path, `${kind}-unfilled-${how}.hdf`) });
      await fillTo(path, bytes, [cut], bytes.length);
      const { summary } = await running;
      expect(summary).toMatchObject({
        frames: 9,
        stream: { ended: "lost", note: expect.stringMatching(/IMM frame 10 at byte \d+: .*never filled; cut the file/) },
      });
      expect(await bitsOf(at(`${kind}-unfilled-${how}.hdf`))).toEqual(batch);
      expect(await batchOf(request(path, `${kind}-unfilled-${how}-batch.hdf`), "imm")).toEqual(batch);
    }
    const none = at(`${kind}-none.imm`);
    writeFileSync(none, new Uint8Array(bytes.length));
    await expect(run({ source: none, request: request(none, `${kind}-none.hdf`) })).rejects.toThrow(/no frame came .*begins with zeros/);
  });

  it("ends at the frame that was asked for, and when its companion is there", async () => {
    const path = at(`${kind}-some.imm`);
    writeFileSync(path, bytes);
    const some = await run({ source: path, request: request(path, `${kind}-some.hdf`), framesMax: 17 });
    expect(some.summary).toMatchObject({ frames: 17, stream: { ended: "frames" } });
    const running = run({ source: path, request: request(path, `${kind}-all.hdf`), patienceMs: 60_000, files: { companion: "*.done" } });
    await pause(300);
    writeFileSync(at(`${kind}-some.done`), "");
    expect((await running).summary).toMatchObject({ frames: FRAMES, stream: { ended: "end", note: null } });
  });

  it("and is cut: what came is a result that says at which frame", async () => {
    const path = at(`${kind}-cut.imm`);
    writeFileSync(path, bytes.subarray(0, bytes.length - 5));
    const { summary } = await run({ source: path, request: request(path, `${kind}-cut.hdf`) });
    expect(summary).toMatchObject({
      frames: FRAMES - 1,
      stream: { ended: "lost", note: expect.stringMatching(/IMM frame 24 at byte \d+: truncated/) },
    });
    expect(summary.warnings.join()).toContain("PARTIAL");
  });

  it("and becomes shorter, or another file: what came stays a result", async () => {
    for (const [how, change, note] of [
      ["shorter", (path: string) => truncateSync(path, HEADER + 100), "became shorter"],
      ["other", replaceBy(bytes), "replaced by another file"],
      ["gone", (path: string) => rmSync(path), "not there any more"],
    ] as const) {
      const path = at(`${kind}-${how}.imm`);
      writeFileSync(path, bytes);
      let changed = false;
      const { summary } = await run({ source: path, request: request(path, `${kind}-${how}.hdf`), patienceMs: 60_000 }, ({ frames }) => {
        if (frames < FRAMES || changed) return;
        changed = true;
        change(path);
      });
      expect(summary).toMatchObject({ frames: FRAMES, stream: { ended: "lost", note: expect.stringContaining(note) } });
    }
  });

  it("of another detector is refused; one whose later frames do not fit gives what came before", async () => {
    const path = at(`${kind}-wrong.imm`);
    writeFileSync(
      path,
      immBytes(
        { ...events, frames: 2, frame: new Uint32Array(), pixel: new Uint32Array(), count: new Uint16Array() },
        { height: 8, width: 9, dense, frameTimeS: 1 },
      ),
    );
    await expect(run({ source: path, request: request(path, `${kind}-w.hdf`) })).rejects.toThrow(/8 x 9.*use the q-map of this detector/);
    const later = at(`${kind}-later.imm`);
    const broken = bytes.slice();
    // Dense: another number of values. Sparse: a pixel beyond the detector.
    const starts = frameStarts(bytes, dense);
    new DataView(broken.buffer).setUint32(starts[18]! + (dense ? 152 : HEADER), dense ? 77 : height * width, true);
    writeFileSync(later, broken.subarray(0, starts[10]! + 5));
    let whole = false;
    const { summary } = await run({ source: later, request: request(later, `${kind}-l.hdf`), patienceMs: 60_000 }, ({ frames }) => {
      if (frames < 10 || whole) return;
      whole = true;
      writeFileSync(later, broken);
    });
    expect(summary.stream).toMatchObject({ ended: "lost", note: expect.stringMatching(/IMM frame 19 at byte/) });
    expect(summary.frames).toBeGreaterThanOrEqual(10);
    expect(summary.frames).toBeLessThanOrEqual(18);
  });
});

/** Another file under the same name. */
const replaceBy = (bytes: Uint8Array) => (path: string) => {
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
};

/** Byte at which each frame begins. */
function frameStarts(bytes: Uint8Array, dense: boolean): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const starts: number[] = [];
  for (let from = 0; from < bytes.length; from += HEADER + view.getUint32(from + 152, true) * (dense ? 2 : 6)) starts.push(from);
  return starts;
}

describe("an IMM file that never comes, or holds no frame", () => {
  it("is an error that says so", async () => {
    const never = at("never.imm");
    await expect(run({ source: never, request: request(never, "n.hdf"), patienceMs: 50 })).rejects.toThrow("did not come");
    const short = at("short.imm");
    appendFileSync(short, bytesOf(false).subarray(0, 900));
    await expect(run({ source: short, request: request(short, "s.hdf"), patienceMs: 200 })).rejects.toThrow(
      "900 bytes, less than the header",
    );
  });
});
