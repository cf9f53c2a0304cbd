/**
 * Question: which detectors does one core of this machine keep up with, and how many cores does each need? Measured on
 * a short simulated series of the detector's shape, format and occupancy.
 */
import { join } from "node:path";
import { DELAYS_PER_LEVEL, type SeriesShape } from "./cases.js";
import type { Detector } from "./detector-cases.js";
import { expectedBytes, prepareInput, removeInput } from "./inputs.js";
import { spreadOf } from "./judge.js";
import { clearScratch, runSupported, type Workplace } from "./programs.js";

export interface DetectorSettings {
  readonly place: Workplace;
  readonly dataFolder: string;
  readonly runs: number;
  readonly scale: number;
  /** Also measured on this many threads; 1: only on one. */
  readonly threads: number;
  readonly say: (text: string) => void;
}

export const LEVELS = ["low", "typical", "high"] as const;
export type Level = (typeof LEVELS)[number];

export interface DetectorRow {
  readonly detector: string;
  readonly pixels: number;
  /** The detector's own rate. */
  readonly framesPerS: number;
  readonly level: Level;
  /** Photons per pixel and frame. */
  readonly mean: number;
  /** Pixels with photons that the detector delivers per second. */
  readonly eventsPerS: number;
  readonly framesMeasured: number;
  /** One core, reading and correlating. */
  readonly sustainedFramesPerS: number;
  readonly sustainedEventsPerS: number;
  /** Seconds to publish one result, whatever the length of the series. */
  readonly writeS: number;
  /** Sustained rate over the detector's: 1 keeps up. */
  readonly realTimeFactor: number;
  /** Cores that keep up, if each does what one does here. */
  readonly cores: number;
  readonly stage: string;
  /** The same series on several threads at once, where asked for. */
  readonly together: Together | null;
}

export interface Together {
  readonly threads: number;
  readonly sustainedFramesPerS: number;
  readonly sustainedEventsPerS: number;
  readonly realTimeFactor: number;
}

/** A node of today: at the typical occupancy a detector should not need more. */
export const CORES_MAX = 64;
const EVENTS_WANTED = 30e6;
const BYTES_MAX = 1500e6;
const FRAMES_MAX = 100_000;
const FRAMES_MIN = 64;

/** A series long enough to measure and short enough to make. */
export function seriesOf(detector: Detector, mean: number, scale: number): SeriesShape {
  const { format, rows, columns } = detector;
  const one: SeriesShape = { format, rows, columns, frames: 1, mean };
  const eventsPerFrame = rows * columns * (1 - Math.exp(-mean));
  const most = Math.min(EVENTS_WANTED / eventsPerFrame, BYTES_MAX / expectedBytes(one), FRAMES_MAX);
  return { ...one, frames: Math.max(Math.round(most * scale), FRAMES_MIN) };
}

function argsOf(detector: Detector, shape: SeriesShape, input: string, place: Workplace): string[] {
  const maps = join(place.scratch, "maps.hdf");
  if (detector.maps === "job") {
    place.tool.job(maps, { shape, input, delaysPerLevel: DELAYS_PER_LEVEL, type: "multitau", exchangeDimensions: false });
    return ["--job", maps];
  }
  place.tool.qmap(maps, shape);
  const words = ["--input", input, "--qmap", maps, "--frame-time", `${1 / detector.framesPerS}`, "--dpl", `${DELAYS_PER_LEVEL}`];
  if (shape.format === "rigaku") return [...words, "--format", "rigaku", "--first-frame", "1"];
  return shape.format === "ufxc" ? [...words, "--format", "ufxc"] : words;
}

/** Measures one detector at one occupancy, on one thread and on several where asked for; the input is removed afterwards. */
export function measureDetector(detector: Detector, level: Level, settings: DetectorSettings): DetectorRow {
  const { place, dataFolder, runs, say } = settings;
  const mean = detector.means[LEVELS.indexOf(level)] ?? detector.means[1];
  const shape = seriesOf(detector, mean, settings.scale);
  clearScratch(place);
  const input = prepareInput(place.tool, dataFolder, shape, say);
  try {
    const args = argsOf(detector, shape, input.path, place);
    place.tool.stream(input.path, 1);
    const measured = (threads: number): { readonly seconds: number; readonly writeS: number } => {
      const done = Array.from({ length: runs }, () => runSupported(place, { args, threads }, detector.name).summary.timings);
      const seconds = spreadOf(done.map(({ readS, correlateS }) => readS + correlateS)).median;
      return { seconds, writeS: spreadOf(done.map(({ writeS }) => writeS)).median };
    };
    const { seconds, writeS } = measured(1);
    const all = settings.threads === 1 ? null : measured(settings.threads).seconds;
    const sustainedFramesPerS = shape.frames / seconds;
    const realTimeFactor = sustainedFramesPerS / detector.framesPerS;
    say(`${detector.name}, ${level}: ${shape.frames} frames in ${seconds.toFixed(2)} s`);
    return {
      detector: detector.name,
      pixels: detector.rows * detector.columns,
      framesPerS: detector.framesPerS,
      level,
      mean,
      eventsPerS: (input.events / shape.frames) * detector.framesPerS,
      framesMeasured: shape.frames,
      sustainedFramesPerS,
      sustainedEventsPerS: input.events / seconds,
      writeS,
      realTimeFactor,
      cores: Math.ceil(1 / realTimeFactor),
      stage: detector.stage,
      together:
        all === null
          ? null
          : {
              threads: settings.threads,
              sustainedFramesPerS: shape.frames / all,
              sustainedEventsPerS: input.events / all,
              realTimeFactor: shape.frames / all / detector.framesPerS,
            },
    };
  } finally {
    removeInput(input);
  }
}

/** One line about a detector that a node does not keep up with at the typical occupancy, or null. */
export function detectorShortfall(row: DetectorRow): string | null {
  if (row.level !== "typical" || row.cores <= CORES_MAX) return null;
  return `${row.detector}: needs ${row.cores} cores at ${row.mean.toExponential(1)} photons per pixel and frame, the goal is at most ${CORES_MAX}`;
}
