/** A Rigaku file that is correlated while it grows: the bits of the whole file, however it was cut, and files that end badly. */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CorrRequest } from "../../src/core/analysis.js";
import { DETECTORS, playedSample } from "../../src/demo/detectors.js";
import { photonSource } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { fileTaker } from "../../src/sites/stream-file.js";
import type { StreamSink } from "../../src/sites/stream-sources.js";
import { rigakuBytes } from "../../src/xpcs/detector-files.js";
import { createLiveSeries } from "../../src/xpcs/native.js";
import { PhotonSource } from "../../src/xpcs/simulate.js";
import { batchOf, bitsOf, fillTo, growTo, pause, requestOf } from "./growing-rig.js";
import { run } from "./stream-rig.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-stream-file-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const at = (name: string): string => join(ROOT, name);

const played = { frameTimeS: 1e-3, photonsPerFrame: 30, tauS: 0.02, contrast: 0.3, seed: 2 };
const sample = playedSample("rigaku-500k", DETECTORS["rigaku-500k"]!, played);
const bytes = rigakuBytes(new PhotonSource(photonSource(sample)).next(800));
beforeAll(() => writeQmap(at("qmap.hdf"), sample));

const request = (source: string, out: string): CorrRequest => requestOf(source, at("qmap.hdf"), at(out));

describe("a Rigaku file that grows", () => {
  it("gives the bits of the whole, cut within words and frames, begun before it was there", async () => {
    const path = at("grows.bin");
    const running = run({ source: path, request: request(path, "grows.hdf"), patienceMs: 1_500 });
    await growTo(path, bytes, [5, 8 * 1000 + 3, 8 * 1001, 8 * 9000 + 7]);
    const { summary, live } = await running;
    expect(summary.stream).toEqual({ ended: "end", note: null, missing: 0, gaps: 0 });
    expect(live.length).toBeGreaterThan(2);
    expect(await bitsOf(at("grows.hdf"))).toEqual(await batchOf(request(path, "grows-batch.hdf"), "rigaku"));
  });

  it("in space that was reserved ahead gives the bits of the whole, cut within words; zeros are no frames", async () => {
    const path = at("reserved.bin");
    const running = run({ source: path, request: request(path, "reserved.hdf"), patienceMs: 1_500 });
    await fillTo(path, bytes, [8 * 1000 + 3, 8 * 1000 + 5, 8 * 9000, bytes.length], bytes.length);
    expect((await running).summary.stream).toEqual({ ended: "end", note: null, missing: 0, gaps: 0 });
    expect(await bitsOf(at("reserved.hdf"))).toEqual(await batchOf(request(path, "reserved-batch.hdf"), "rigaku"));
  });

  it("in space that is never filled is lost at that byte; what came is what a file of that length gives", async () => {
    const path = at("unfilled.bin");
    const running = run({ source: path, request: request(path, "unfilled.hdf") });
    // More zeros than are read at a time, and half a word.
    await fillTo(path, bytes, [8 * 3000], bytes.length + 5_000_003);
    expect((await running).summary.stream).toMatchObject({
      ended: "lost",
      note: expect.stringMatching(/zeros from byte 24000 on, behind frame \d+: .*never filled; cut the file/),
    });
    writeFileSync(at("short.bin"), bytes.subarray(0, 8 * 3000));
    const short = await batchOf(request(at("short.bin"), "short-batch.hdf"), "rigaku");
    expect(await bitsOf(at("unfilled.hdf"))).toEqual(short);
    expect(await batchOf(request(path, "unfilled-batch.hdf"), "rigaku")).toEqual(short);
    const none = at("none.bin");
    writeFileSync(none, new Uint8Array(8000));
    await expect(run({ source: none, request: request(none, "none.hdf") })).rejects.toThrow(/no frame came .*zeros from byte 0 on/);
  });

  it("ends at the frame that was asked for", async () => {
    const path = at("whole.bin");
    writeFileSync(path, bytes);
    const { summary } = await run({ source: path, request: request(path, "some.hdf"), framesMax: 500 });
    expect(summary).toMatchObject({ frames: 500, stream: { ended: "frames" } });
  });

  it("and is cut, shrinks, or holds another detector's words: what came stays a result", async () => {
    const cut = at("cut.bin");
    writeFileSync(cut, bytes.subarray(0, 8 * 3000 + 4));
    const first = await run({ source: cut, request: request(cut, "cut.hdf") });
    expect(first.summary.stream).toMatchObject({ ended: "lost", note: expect.stringContaining("ends within a word: 4 of 8 bytes") });
    const shrinks = at("shrinks.bin");
    writeFileSync(shrinks, bytes);
    const running = run({ source: shrinks, request: request(shrinks, "shrinks.hdf"), patienceMs: 5_000 });
    await pause(400);
    truncateSync(shrinks, 80);
    expect((await running).summary.stream).toMatchObject({ ended: "lost", note: expect.stringContaining("became shorter") });
    const noise = at("noise.bin");
    writeFileSync(noise, Buffer.concat([bytes.subarray(0, 8000), Buffer.alloc(8, 0xff)]));
    appendFileSync(noise, bytes);
    await expect(run({ source: noise, request: request(noise, "noise.hdf") })).rejects.toThrow(/no frame came .*Rigaku word 1000 says/);
  });

  it("that never comes, or is of another kind, is refused", async () => {
    await expect(run({ source: at("never.bin"), request: request(at("never.bin"), "n.hdf"), patienceMs: 50 })).rejects.toThrow(
      "did not come",
    );
    writeFileSync(at("other.raw"), bytes);
    await expect(run({ source: at("other.raw"), request: request(at("other.raw"), "o.hdf") })).rejects.toThrow("no source of a stream");
  });

  it("that is swapped for a link to another before its first byte, or comes as one, is never read", async () => {
    const roots = [at("root"), at("qmap.hdf")];
    mkdirSync(at("root"));
    writeFileSync(at("secret.bin"), bytes);
    for (const was of ["empty", "absent"]) {
      const path = at(`root/${was}.bin`);
      if (was === "empty") writeFileSync(path, "");
      const running = run({ source: path, request: request(path, `${was}.hdf`), patienceMs: 5_000 }, () => {}, roots);
      running.catch(() => {});
      await pause(300);
      symlinkSync(at("secret.bin"), at("swap"));
      renameSync(at("swap"), path);
      await expect(running).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining("leads out of") });
      expect(existsSync(at(`${was}.hdf`))).toBe(false);
    }
  });

  it.each(["rigaku", "imm", "hdf5"] as const)("is not taken (%s) where another than the checked one is there", async (format) => {
    const path = at(`other-${format}`);
    writeFileSync(path, bytes);
    let asked = 0;
    const count = (): never => {
      asked += 1;
      throw new Error("it was read");
    };
    const taker = fileTaker({ openFile: () => {}, words: count, takeFile: count } as unknown as StreamSink, path, format);
    expect(await taker.take(false, "1:1")).toBe(false);
    expect([asked, taker.waits]).toEqual([0, `${path} was replaced by another file`]);
  });

  it.each(["bin", "imm", "h5"])("that is a pipe (.%s) is not waited for longer than any other", async (ending) => {
    const path = at(`pipe.${ending}`);
    execFileSync("mkfifo", [path]);
    const running = run({ source: path, request: request(path, "pipe.hdf"), patienceMs: 300 });
    await expect(running).rejects.toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("what is there is no plain file") });
    const sink = { openFile: () => {} } as unknown as StreamSink;
    if (ending === "bin") await expect(fileTaker(sink, path, "rigaku").take(false, "")).rejects.toThrow("is no plain file");
    const series = createLiveSeries(request(path, "pipe.hdf"), 512, 1024);
    if (ending === "bin") return;
    series.openFile({ path, format: ending === "imm" ? "imm" : "hdf5" });
    expect(() => series.takeFile(1, false)).toThrow("is no plain file");
  });

  it("has no times of a folder", async () => {
    const path = at("grows.bin");
    for (const [name, option] of [["settleMs", "--settle"] as const, ["missingMs", "--missing"] as const]) {
      const refused = run({ source: path, request: request(path, "times.hdf"), files: { [name]: 0 } });
      await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(option) });
    }
  });

  it("counts on when its counter of 24 bits goes round", async () => {
    const words = [0, 5, 8_000_000, 16_000_000, 2 ** 24 + 7, 2 ** 24 + 9].map(
      (frame, i) => (BigInt(frame % 2 ** 24) << 40n) | (BigInt(256 * 1024 + 512 + 70 + i) << 16n) | 1n,
    );
    const path = at("round.bin");
    writeFileSync(path, new Uint8Array(BigUint64Array.from(words).buffer));
    const series = createLiveSeries(request(path, "round.hdf"), 512, 1024);
    series.pushRigaku(new Uint8Array(BigUint64Array.from(words.slice(0, 4)).buffer), 2 ** 40);
    series.pushRigaku(new Uint8Array(BigUint64Array.from(words.slice(4)).buffer), 2 ** 40);
    expect(series.state().frames).toBe(2 ** 24 + 10);
    series.write({}, []);
    expect(await bitsOf(at("round.hdf"))).toEqual(await batchOf(request(path, "round-batch.hdf"), "rigaku"));
    expect(() => series.pushRigaku(new Uint8Array(BigUint64Array.of(5n << 40n).buffer), 2 ** 40)).toThrow("frame 5 after 9");
  });
});
