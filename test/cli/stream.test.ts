/** `xpcs stream` and `xpcs simulate-detector` as processes: the whole chain, and either side killed. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { CorrSummary } from "../../src/core/analysis.js";
import { readResultFile } from "../../src/xpcs/result-file.js";
import { contents } from "../xpcs/file-contents.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { at, detector, lines, lives, PLAY, ROOT, start, startStream, until } from "./stream-processes.js";
import type { Xpcs } from "./xpcs-process.js";

const stream = (url: string, out: string, ...args: string[]): Xpcs => startStream(url, out, ["--threads", "1", ...args]);
const resultOf = (stdout: string): CorrSummary => lines(stdout).at(-1)!.result as CorrSummary;

/** Of one process: the children that it has. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}
function pidOf(marker: string): number {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const cmd = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
      return "";
    }
  };
  return Number(pids.find((pid) => cmd(pid).includes(marker) && cmd(pid).includes("stream")));
}

describe("a detector and a stream", { timeout: 115_000 }, () => {
  it("end to end: g2 converges to the truth, and the played file gives the same bits", async () => {
    const frames = ["--frames", "15000", "--seed", "3"];
    const { process, url } = await detector(...frames, "--fast");
    const following = stream(url, "live.hdf");
    const { code, stdout, stderr } = await following.result;
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const summary = resultOf(stdout);
    expect(summary).toMatchObject({ format: "stream", frames: 15_000, stream: { ended: "end", missing: 0 } });
    const live = lives(following);
    expect(live.length).toBeGreaterThan(0);
    expect(shapeFaults({ ...(documentedJson("live") as object), goal: null }, live.at(-1))).toEqual([]);
    const played = lines((await process.result).stdout).at(-1) as {
      frames: number;
      events: number;
      truth: { tau: number; contrast: number }[];
    };
    expect(played.frames).toBe(15_000);
    expect(summary.events).toBe(played.events);
    for (const [q, { tau, contrast }] of played.truth.slice(0, 2).entries()) {
      const { fit } = live.at(-1)!.bins[q]!;
      expect(Math.abs(fit!.tau - tau), `tau of q${q + 1}`).toBeLessThan(5 * fit!.tauError!);
      expect(Math.abs(fit!.contrast - contrast)).toBeLessThan(5 * fit!.contrastError!);
    }
    const wrote = await start(["simulate-detector", ...PLAY, ...frames, "--fast", "--out", at("played.bin")]).result;
    expect(wrote.code).toBe(0);
    const corr = await start([
      "corr",
      at("played.bin"),
      "--qmap",
      at("qmap.hdf"),
      "--frame-time",
      "5e-5",
      "--streaming",
      "--out",
      at("batch.hdf"),
    ]).result;
    expect(corr.stderr).not.toContain("xpcs:");
    const different = /^\/provenance\/|scattering_1d_segments|\/entry\/start_time|rawdata_path/;
    const batch = await contents(at("batch.hdf"), different);
    expect(await contents(at("live.hdf"), different)).toEqual(batch);
    const bytes = readFileSync(at("played.bin"));
    const middle = 8 * Math.floor(bytes.length / 16);
    mkdirSync(at("arrived"));
    writeFileSync(at("arrived/s_1.bin"), bytes.subarray(0, middle));
    writeFileSync(at("arrived/s_2.bin"), bytes.subarray(middle));
    const waits = ["--settle", "0.1", "--missing", "5", "--patience", "2"];
    const arrived = await stream(at("arrived/"), "arrived.hdf", "--frame-time", "5e-5", ...waits).result;
    expect(arrived.stderr).toBe("");
    expect(arrived.code).toBe(0);
    expect(await contents(at("arrived.hdf"), different)).toEqual(batch);
  });

  it("a killed source leaves a partial result that says so", async () => {
    const { process, url } = await detector();
    const following = stream(url, "partial.hdf", "--patience", "0.5");
    await until(() => lives(following).find(({ frames }) => frames > 2_000), "some frames");
    process.kill("SIGKILL");
    const { code, stdout } = await following.result;
    expect(code).toBe(1);
    const summary = resultOf(stdout);
    expect(summary.stream).toMatchObject({ ended: "lost", missing: 0 });
    const read = await readResultFile(at("partial.hdf"));
    expect(read.frames).toBe(summary.frames);
    expect(read.warnings[0]).toMatch(/^PARTIAL: the stream was lost after \d+ frames/);
  });

  it("a killed correlator leaves no result; the next one gets all from the spool, to the bit", async () => {
    const { process, url } = await detector("--frames", "12000", "--seed", "9");
    const first = stream(url, "killed.hdf");
    await until(() => lives(first).find(({ frames }) => frames > 1_000), "some frames");
    const [host] = childrenOf(pidOf(at("killed.hdf")));
    // As if it had just begun to write.
    writeFileSync(`${at("killed.hdf")}.partial-${host}`, "");
    globalThis.process.kill(host!, "SIGKILL");
    const { code, stderr } = await first.result;
    expect(code).toBe(1);
    expect(stderr).toContain("NATIVE_CRASHED");
    expect(readdirSync(ROOT).filter((name) => name.includes("killed"))).toEqual([]);
    const second = await stream(url, "again.hdf").result;
    expect(second.code).toBe(0);
    expect(resultOf(second.stdout)).toMatchObject({ frames: 12_000, stream: { ended: "end", missing: 0 } });
    await process.result;
    const undisturbed = await detector("--frames", "12000", "--seed", "9");
    await stream(undisturbed.url, "undisturbed.hdf").result;
    const different = /^\/provenance\/|\/entry\/start_time|rawdata_path/;
    expect(await contents(at("again.hdf"), different)).toEqual(await contents(at("undisturbed.hdf"), different));
  });

  it("a detector's counter that every receiver would refuse is not played", async () => {
    const { code, stderr } = await start(["simulate-detector", "--counter-bits", "7", "--listen", "0"]).result;
    expect(code).toBe(2);
    expect(stderr).toContain("--counter-bits is 0, or 8 to 52");
  });

  it("a source that nobody serves is said to be none, with exit 2", async () => {
    const { code, stderr } = await stream("ws://127.0.0.1:9", "nobody.hdf", "--patience", "0.2").result;
    expect(code).toBe(2);
    expect(JSON.parse(stderr).error).toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("no frame came from ws://127.0.0.1:9"),
    });
  });

  it("a source that is dialed has no options of files", async () => {
    for (const [source, option, value] of [
      ["ws://127.0.0.1:9", "--settle", "0"],
      ["ws://127.0.0.1:9", "--missing", "5"],
      ["dectris://127.0.0.1", "--companion", "*.done"],
    ] as const) {
      const { code, stderr } = await stream(source, "options.hdf", option, value).result;
      expect(code).toBe(2);
      expect(JSON.parse(stderr).error).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: `${option} is for files, and the source is dialed`,
      });
    }
  });

  it("Ctrl-C writes the result of what came", async () => {
    const { url } = await detector();
    const following = stream(url, "stopped.hdf");
    await until(() => lives(following).find(({ frames }) => frames > 1_000), "some frames");
    following.kill("SIGINT");
    const { code, stdout } = await following.result;
    expect(code).toBe(130);
    expect(resultOf(stdout).stream).toMatchObject({ ended: "stopped" });
    expect((await readResultFile(at("stopped.hdf"))).warnings).toEqual([]);
  });
});
