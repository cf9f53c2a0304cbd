/**
 * A detector that is faster than its correlator, sentence by sentence as docs/streaming.md promises it ("Under overload"). The correlator is slowed by
 * stopping its process most of the time, which is the same on every machine.
 */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { Push } from "zeromq";
import type { CorrSummary } from "../../src/core/analysis.js";
import type { LivePart } from "../../src/core/protocols.js";
import { createLiveSeries } from "../../src/xpcs/native.js";
import { arrayV2, endV2, imageV2, startV2 } from "../stream/dectris-messages.js";
import { contents, datasetOf } from "../xpcs/file-contents.js";
import { at, detector, lines, lives, PLAY, start, startStream, until } from "./stream-processes.js";
import type { Xpcs } from "./xpcs-process.js";

const DIFFERENT = /^\/provenance\/|scattering_1d_segments|\/entry\/start_time|rawdata_path/;
const resultOf = (stdout: string): CorrSummary => lines(stdout).at(-1)!.result as CorrSummary;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The child in which the work is done. */
async function hostOf({ pid }: Xpcs): Promise<number> {
  return until(
    () => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]) || undefined,
    "the child process",
  );
}

const release: (() => void)[] = [];
afterEach(() => {
  for (const run of release.splice(0)) run();
});

/** Lets a process run for `runMs` of every `runMs + stopMs`, until it is released. */
function slowed(pid: number, runMs: number, stopMs: number): () => void {
  let over = false;
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(pid, name);
    } catch {
      over = true;
    }
  };
  void (async () => {
    while (!over) {
      signal("SIGSTOP");
      await wait(stopMs);
      signal("SIGCONT");
      if (!over) await wait(runMs);
    }
  })();
  const end = (): void => {
    over = true;
    signal("SIGCONT");
  };
  release.push(end);
  return end;
}

/** MB that a process has had at most; null: it has ended. */
function peakMb(pid: number): number | null {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1_024;
  } catch {
    return null;
  }
}

/** What the detector plays, in a file, and the batch result of that. */
async function played(name: string, args: readonly string[]): Promise<string> {
  const wrote = await start(["simulate-detector", ...PLAY, ...args, "--fast", "--out", at(`${name}.bin`)]).result;
  expect(wrote.code).toBe(0);
  return at(`${name}.bin`);
}
async function batch(name: string, args: readonly string[]): Promise<Record<string, string>> {
  const out = at(`${name}-batch.hdf`);
  const file = await played(name, args);
  const { code } = await start(["corr", file, "--qmap", at("qmap.hdf"), "--frame-time", "5e-5", "--streaming", "--out", out]).result;
  expect(code).toBe(0);
  return contents(out, DIFFERENT);
}

describe("a detector that is faster than its correlator", { timeout: 240_000 }, () => {
  it("whose spool holds what waits loses nothing: the stream falls behind, and catches up, to the bit", async () => {
    const frames = ["--frames", "20000", "--seed", "21", "--replay", "4000"];
    const { url } = await detector(...frames);
    const following = startStream(url, "behind.hdf", ["--threads", "1"]);
    await until(() => lives(following)[0], "a look");
    const done = slowed(await hostOf(following), 5, 400);
    // The detector plays for 1 s.
    await wait(1_500);
    expect(lives(following).at(-1)!.frames).toBeLessThan(18_000);
    done();
    const { code, stdout } = await following.result;
    expect(code).toBe(0);
    expect(resultOf(stdout)).toMatchObject({ frames: 20_000, stream: { ended: "end", missing: 0, gaps: 0 } });
    expect(await contents(at("behind.hdf"), DIFFERENT)).toEqual(await batch("behind", frames));
  });

  it("and can wait, waits: nothing is lost, and neither side's memory grows with what is sent", async () => {
    const source = await detector("--frames", "480000", "--replay", "4000", "--fast", "--when-behind", "wait", "--spool-mb", "1");
    const following = startStream(source.url, "waits.hdf", ["--threads", "1"]);
    const pids = [source.process.pid, await hostOf(following)];
    await until(() => lives(following).find(({ frames }) => frames > 20_000), "some frames");
    slowed(pids[1]!, 100, 200);
    const early = pids.map(peakMb);
    let late = early;
    let ended = false;
    void following.result.then(() => {
      ended = true;
    });
    const from = lives(following).at(-1)!.events;
    while (!ended) {
      late = pids.map((pid, i) => peakMb(pid) ?? late[i]!);
      await wait(100);
    }
    const { code, stdout } = await following.result;
    expect(code).toBe(0);
    expect(resultOf(stdout)).toMatchObject({ frames: 480_000, stream: { ended: "end", missing: 0, gaps: 0 } });
    const grownMb = late.map((mb, i) => mb! - early[i]!);
    // 8 bytes an event: more came meanwhile than both together may have grown by.
    const cameMb = (8 * (lives(following).at(-1)!.events - from)) / 2 ** 20;
    expect(cameMb).toBeGreaterThan(40);
    expect(grownMb[0]! + grownMb[1]!, `MB that source and correlator grew by: ${grownMb}`).toBeLessThan(0.8 * cameMb);
  });

  it("and cannot wait drops whole frames: counted, told live, recorded in the result, which is that of the others", async () => {
    const frames = ["--frames", "100000", "--seed", "22", "--replay", "4000", "--photons", "100"];
    const { process: source, url } = await detector(...frames, "--when-behind", "drop", "--spool-mb", "1");
    const following = startStream(url, "dropped.hdf", ["--threads", "1"]);
    await until(() => lives(following)[0], "a look");
    const done = slowed(await hostOf(following), 40, 800);
    const told = await until(
      () => lives(following).find(({ missing, ended }) => missing > 0 && ended === null),
      "a look that tells of gaps",
    );
    expect(told.gaps).toBeGreaterThan(0);
    done();
    const { code, stdout } = await following.result;
    expect(code).toBe(0);
    const summary = resultOf(stdout);
    const { missing, gaps } = summary.stream!;
    expect(summary.stream).toMatchObject({ ended: "end" });
    expect(summary).toMatchObject({ frames: 100_000 - missing, framesRead: 100_000 });
    expect(summary.warnings).toContain(`${missing} of 100000 frames are missing, in ${gaps} gaps that no pair crosses`);
    expect(lines((await source.result).stdout).at(-1)).toMatchObject({ frames: 100_000, droppedFrames: missing });
    // Frames from 1, the last one included.
    const listed = String(await datasetOf(at("dropped.hdf"), "/provenance/stream_gaps"))
      .split(",")
      .map((gap) => gap.split("-").map(Number) as [number, number]);
    expect(listed).toHaveLength(gaps);
    expect(listed.reduce((sum, [from, to]) => sum + to - from + 1, 0)).toBe(missing);

    // The same frames and no others, from the file.
    const words = readFileSync(await played("dropped", frames));
    const series = createLiveSeries(
      {
        files: { input: url, qmap: at("qmap.hdf") },
        options: { frameTimeS: 5e-5, threads: 1 },
        out: at("others.hdf"),
        overwrite: false,
        provenance: {},
      },
      512,
      1024,
    );
    const first = (frame: number): number => {
      let [low, high] = [0, words.length / 8];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (words.readUInt32LE(8 * middle + 4) >>> 8 < frame) low = middle + 1;
        else high = middle;
      }
      return 8 * low;
    };
    let next = 0;
    for (const [from, to] of listed) {
      if (from - 1 > next) series.pushRigaku(words.subarray(first(next), first(from - 1)), from - 1);
      series.setFrames(from - 1);
      series.gap(to - from + 1);
      next = to;
    }
    series.pushRigaku(words.subarray(first(next)), 100_000);
    series.setFrames(100_000);
    series.write({}, []);
    expect(await contents(at("dropped.hdf"), DIFFERENT)).toEqual(await contents(at("others.hdf"), DIFFERENT));
  });

  it("by DECTRIS drops at the detector, and the result has the gaps", async () => {
    await start(["simulate-detector", ...PLAY, "--write-qmap", at("qmap.hdf")]).result;
    const socket = new Push({ linger: 0, sendHighWaterMark: 2, sendTimeout: 60_000 });
    try {
      await socket.bind("tcp://127.0.0.1:*");
      const following = startStream(socket.lastEndpoint!.replace("tcp://", "dectris://"), "dectris.hdf", ["--threads", "1"]);
      const [height, width, images] = [512, 1024, 400];
      await socket.send(startV2({ height, width, frames: images, series: 1 }));
      const image = (n: number): Uint8Array => {
        const words = new Uint16Array(height * width);
        for (let k = 0; k < 30; k += 1) words[(n * 7_919 + k * 15_485_863) % words.length] = 1;
        return imageV2(1, n, { threshold_1: arrayV2(words, height, width, "none") });
      };
      await socket.send(image(0));
      await until(() => lives(following)[0], "a look");
      const done = slowed(await hostOf(following), 5, 500);
      let lost = 0;
      // A detector does not wait: an image that its queue does not take is gone.
      socket.sendTimeout = 0;
      for (let n = 1; n < images - 1; n += 1) {
        await socket.send(image(n)).catch((error: NodeJS.ErrnoException) => {
          expect(error.code).toBe("EAGAIN");
          lost += 1;
        });
        await wait(2);
      }
      done();
      socket.sendTimeout = 60_000;
      await socket.send(image(images - 1));
      await socket.send(endV2(1));
      const { code, stdout } = await following.result;
      expect(code).toBe(0);
      expect(lost).toBeGreaterThan(10);
      expect(resultOf(stdout)).toMatchObject({
        frames: images - lost,
        framesRead: images,
        stream: { ended: "end", note: null, missing: lost },
      });
    } finally {
      socket.close();
    }
  });
});

describe("who looks slowly at a stream", { timeout: 240_000 }, () => {
  it("gets the newest picture, not those that it missed", async () => {
    const serving = start(["central", "--data", at("central-slow"), "--listen", "127.0.0.1:0", "--json"]);
    const central = await until(
      () => lines(serving.printed())[0] as { url: string; operatorToken: string; siteToken: string } | undefined,
      "central",
    );
    start(["site", "--name", "one", "--work", at("work-slow"), "--slots", "1"], {
      XPCS_CENTRAL: central.url,
      XPCS_TOKEN: central.siteToken,
    });
    const { url } = await detector("--replay", "2000");
    const submitted = startStream(url, "slow.hdf", ["--submit"], { XPCS_CENTRAL: central.url, XPCS_TOKEN: central.operatorToken });
    const id = await until(() => (lines(submitted.printed())[0]?.jobs as string[] | undefined)?.[0], "the job");
    const look = async (cursor: string | null, waitMs: number): Promise<LivePart> => {
      const asked = new URLSearchParams({ waitMs: String(waitMs), ...(cursor === null ? {} : { cursor }) });
      const response = await fetch(`${central.url.replace(/^ws/, "http")}/v1/jobs/${id}/live?${asked}`, {
        headers: { authorization: `Bearer ${central.operatorToken}` },
      });
      expect(response.status).toBe(200);
      return (await response.json()) as LivePart;
    };
    await until(async () => (await look(null, 200)).live ?? undefined, "a look");
    // One that follows all of it, beside one that comes now and then.
    let [newest, followed, over] = [0, 0, false];
    const keen = (async () => {
      for (let cursor: string | null = null; !over; ) {
        const part = await look(cursor, 500);
        if (part.live === null) continue;
        [cursor, newest, followed] = [part.cursor, part.live.cursor, followed + 1];
      }
    })();
    try {
      let cursor: string | null = null;
      for (let last = 0, k = 0; k < 3; k += 1) {
        // Not before the other one has seen some more.
        await until(() => (newest >= last + 3 ? true : undefined), "more looks");
        const before = newest;
        const part = await look(cursor, 0);
        expect(part.live!.cursor).toBeGreaterThanOrEqual(before);
        [cursor, last] = [part.cursor, part.live!.cursor];
      }
    } finally {
      over = true;
      await keen;
    }
    expect(followed).toBeGreaterThan(3);
    expect((await start(["cancel", id], { XPCS_CENTRAL: central.url, XPCS_TOKEN: central.operatorToken }).result).code).toBe(0);
    await submitted.result;
  });
});
