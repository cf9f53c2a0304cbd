/** Finished analyses to compare: a sample at three temperatures, and repeats of a measurement of which two are spoilt. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSample, type DemoSample, photonSource } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";
import type { Facility } from "../chaos/processes.js";

/** Frames in which the field of the innermost ring decays, by temperature. */
export const DECAY_FRAMES = { "280": 120, "300": 60, "320": 30 } as const;
export const REPEATS = 8;
/** From 0: twice the flux, and a flux that sinks. */
export const SPOILT = { bright: 2, sinking: 5 } as const;
const FRAME_TIME_S = 0.001;
const FRAMES = 600;

export interface Series {
  /** Jobs of the repeats. */
  readonly repeats: readonly string[];
  /** Paths of the repeats' results. */
  readonly results: readonly string[];
}

function sampleOf(name: string, innerDecayFrames: number, meanCounts: number, seed: number): DemoSample {
  return buildSample({
    name,
    detector: {
      ...{ name: "simulated 96 x 96", height: 96, width: 96, pixelSizeM: 172e-6, distanceM: 4, energyKeV: 10 },
      ...{ beamX: 47.5, beamY: 47.5 },
    },
    ...{ frames: FRAMES, frameTimeS: FRAME_TIME_S, radiiPixels: [14, 23, 32, 41], pixelsPerRing: 900, innerDecayFrames },
    ...{ contrast: 0.3, meanCounts, backgroundCounts: 0.002, seed },
  });
}

/** A sinking flux: of each photon the chance to be seen falls by half over the series. */
function film(sample: DemoSample, sinking: boolean): Uint8Array {
  const { height, width } = sample.detector;
  const events = simulateEvents(photonSource(sample));
  const kept = sinking ? events.frame.map((frame, at) => Number(((at * 7919) % 1000) / 1000 < 1 - frame / (1.5 * FRAMES))) : null;
  const some = <T extends Uint32Array | Uint16Array>(values: T): T =>
    kept === null ? values : (values.filter((_, at) => kept[at] === 1) as T);
  const seen = { frames: events.frames, frame: some(events.frame), pixel: some(events.pixel), count: some(events.count) };
  return immBytes(seen, { height, width, dense: true, frameTimeS: FRAME_TIME_S });
}

/** Makes and analyses them. */
export async function analyseSeries({ folder, client }: Facility): Promise<Series> {
  const qmap = join(folder, "series_qmap.hdf");
  await writeQmap(qmap, sampleOf("map", 60, 0.05, 1));
  const jobOf = (name: string, sample: DemoSample, tags: Record<string, string>, sinking = false) => {
    const [input, out] = [join(folder, `${name}.imm`), join(folder, `${name}_results.hdf`)];
    writeFileSync(input, film(sample, sinking));
    const files = { input: { path: input }, qmap: { path: qmap }, out: { path: out } };
    const work = { app: "xpcs.corr" as const, ...files, overwrite: false, options: { frameTimeS: FRAME_TIME_S } };
    return { work, tags, attemptsMax: 1 };
  };
  const kinds = Object.entries(DECAY_FRAMES).map(([temperature, decay], at) =>
    jobOf(`silica_${temperature}K`, sampleOf("silica", decay, 0.05, 10 + at), { series: "temperature", temperature }),
  );
  const repeats = Array.from({ length: REPEATS }, (_, at) =>
    jobOf(`run_${at + 1}`, sampleOf("run", 60, at === SPOILT.bright ? 0.1 : 0.05, 100 + at), { series: "repeats" }, at === SPOILT.sinking),
  );
  const { jobs } = await client.submit({ jobs: [...kinds, ...repeats] });
  const done = await client.wait(jobs);
  const failed = done.find(({ state }) => state !== "finished");
  if (failed !== undefined) throw new Error(`${failed.inputs[0]} is ${failed.state}: ${failed.reason}`);
  return {
    repeats: jobs.slice(kinds.length),
    results: repeats.map(({ work }) => work.out.path),
  };
}
