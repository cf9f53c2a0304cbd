/** A detector file that takes a kernel about a second, with its q-map, and jobs on it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JobSpec } from "../../src/core/job.js";
import { sparseSample } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { rigakuBytes } from "../../src/xpcs/detector-files.js";
import { Random } from "../../src/xpcs/random.js";

export interface DetectorRun {
  readonly input: string;
  readonly qmap: string;
  readonly frameTimeS: number;
}

/** Photons without correlation: how long a kernel runs is all that matters here. */
export async function writeDetectorRun(
  folder: string,
  { frames, photonsPerFrame }: { frames: number; photonsPerFrame: number },
): Promise<DetectorRun> {
  const sample = sparseSample(1);
  const events = frames * photonsPerFrame;
  const random = new Random(7);
  const step = Math.floor((sample.detector.height * sample.detector.width) / photonsPerFrame);
  const pixel = Uint32Array.from({ length: events }, (_, at) => (at % photonsPerFrame) * step + Math.floor(random.uniform() * step));
  const frame = Uint32Array.from({ length: events }, (_, at) => Math.floor(at / photonsPerFrame));
  const run = { input: join(folder, "run_0001.bin"), qmap: join(folder, "qmap.hdf"), frameTimeS: sample.frameTimeS };
  writeFileSync(run.input, rigakuBytes({ frames, frame, pixel, count: new Uint16Array(events).fill(1) }));
  await writeQmap(run.qmap, sample);
  return run;
}

/** One job on the run for each result path. */
export function corrJobs({ input, qmap, frameTimeS }: DetectorRun, results: readonly string[]): JobSpec[] {
  return results.map((path) => ({
    work: {
      app: "xpcs.corr",
      input: { path: input },
      qmap: { path: qmap },
      out: { path },
      overwrite: false,
      options: { frameTimeS },
    },
    tags: {},
    attemptsMax: 5,
  }));
}
