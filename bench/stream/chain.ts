/**
 * A Rigaku 3M through the whole chain: a played detector, its websocket, the child process that correlates. What the correlator's process costs is read from
 * the system, so that other work on the machine changes it little.
 */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LiveSnapshot } from "../../src/core/live.js";
import { realClock } from "../../src/core/real-clock.js";
import { startHost } from "../../src/sites/kernel-host.js";
import { DEFAULT_SUPERVISION } from "../../src/sites/supervision.js";
import { cpuS as cpuOf, firstLine } from "../runtime/processes.js";
import type { Place } from "../runtime/rows.js";

/** Frames that the source makes first and then repeats: making photons must not be what is measured. */
const TAKE = 20_000;

export interface ChainRun {
  readonly frames: number;
  readonly events: number;
  readonly missing: number;
  /** From the first frame to the result's last look, s. */
  readonly seconds: number;
  /** Of the correlator's process: user and system, from the first frame on. */
  readonly cpuS: number;
  readonly sourceCpuS: number;
  /** Longest time between two looks at g2, s. */
  readonly longestGapS: number;
  /** Time that the newest look was behind the played frame, the largest, s; null where frames have no time. */
  readonly behindS: number | null;
}

/**
 * Plays `frames` frames and correlates them on one thread.
 * @param rate frames per second; null: as fast as they are taken
 */
export async function runChain({ root, folder, say }: Place, frames: number, rate: number | null): Promise<ChainRun> {
  const dir = folder("stream");
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const qmap = join(dir, "qmap.hdf");
  const how = rate === null ? ["--fast"] : ["--rate", String(rate)];
  const words = ["simulate-detector", "--preset", "rigaku-3m", "--json", "--listen", "0", "--write-qmap", qmap, "--replay", String(TAKE)];
  const source = spawn(process.execPath, [join(root, "dist/cli/main.js"), ...words, "--frames", String(frames), ...how], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const host = startHost({ clock: realClock, rules: DEFAULT_SUPERVISION.hosts, main: join(root, "dist/sites/kernel-host-main.js") });
  try {
    const { url } = (await firstLine(source, "the detector")) as { url: string };
    await host.ready;
    let [startMs, startCpu, startSource, lastMs, longest, behind] = [0, 0, 0, 0, 0, 0];
    const onLive = (live: LiveSnapshot): void => {
      const nowMs = performance.now();
      if (startMs === 0) {
        // The first look: what came before it, and the start of both processes, does not count.
        [startMs, startCpu, startSource] = [nowMs, cpuOf(host.pid), cpuOf(source.pid!)];
        first = live;
      } else {
        longest = Math.max(longest, nowMs - lastMs);
        if (rate !== null && first !== null) behind = Math.max(behind, (nowMs - startMs) / 1_000 - (live.frames - first.frames) / rate);
      }
      lastMs = nowMs;
      last = live;
    };
    let first: LiveSnapshot | null = null;
    let last: LiveSnapshot | null = null;
    const request = { files: { input: url, qmap }, options: { threads: 1 }, out: join(dir, "result.hdf"), overwrite: true, provenance: {} };
    let endCpu = 0;
    let endSource = 0;
    await host.run({
      work: { app: "xpcs.stream", stream: { source: url, request, everyMs: 500, patienceMs: 5_000 } },
      onProgress: ({ live }) => {
        if (live === undefined) return;
        onLive(live);
        endCpu = cpuOf(host.pid);
        // With the last look the source may have gone.
        if (source.exitCode === null) endSource = cpuOf(source.pid!);
      },
      signal: new AbortController().signal,
    });
    const [from, to] = [first!, last!] as [LiveSnapshot, LiveSnapshot];
    const run: ChainRun = {
      frames: to.frames - from.frames,
      events: to.events - from.events,
      missing: to.missing,
      seconds: (lastMs - startMs) / 1_000,
      cpuS: endCpu - startCpu,
      sourceCpuS: endSource - startSource,
      longestGapS: longest / 1_000,
      behindS: rate === null ? null : behind,
    };
    say(`${rate === null ? "fastest" : `${rate} frames/s`}: ${JSON.stringify(run)}`);
    return run;
  } finally {
    source.kill("SIGKILL");
    await host.kill();
  }
}
