/**
 * The demo's two samples: a detector, rings of q around the beam, and diffusive dynamics per ring, all known in advance.
 * Plain data; photons are drawn by xpcs/simulate.ts, files are written by sample-files.ts.
 */
import type { RingDynamics, Sample } from "../xpcs/simulate.js";

export interface Detector {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly pixelSizeM: number;
  readonly distanceM: number;
  readonly energyKeV: number;
  /** Pixel coordinates of the direct beam. */
  readonly beamX: number;
  readonly beamY: number;
}

export interface Ring extends RingDynamics {
  /** At the middle of the ring, 1/Angstrom. All its pixels have the dynamics of this q. */
  readonly q: number;
  readonly radiusPixels: number;
  readonly decayRatePerS: number;
}

export interface DemoSample {
  /** Stem of the file names. */
  readonly name: string;
  readonly detector: Detector;
  readonly frames: number;
  readonly frameTimeS: number;
  readonly rings: readonly Ring[];
  /** [height * width], 1-based, 0 = masked: one dynamic bin per ring, `STATIC_PER_RING` static bins in each. */
  readonly dqmap: Uint16Array;
  readonly sqmap: Uint16Array;
  /** Middle of each static bin, 1/Angstrom. */
  readonly staticQ: Float64Array;
  readonly backgroundCounts: number;
  readonly seed: number;
}

export interface SampleDesign {
  readonly name: string;
  readonly detector: Detector;
  readonly frames: number;
  readonly frameTimeS: number;
  readonly radiiPixels: readonly number[];
  readonly pixelsPerRing: number;
  /** 1 / decay rate of the field in the innermost ring; the others follow as 1 / q^2. */
  readonly innerDecayFrames: number;
  readonly contrast: number;
  readonly meanCounts: number;
  readonly backgroundCounts: number;
  readonly seed: number;
  /** False where the detector has no pixel; absent: it has all. */
  readonly hasPixel?: (row: number, column: number) => boolean;
}

export const STATIC_PER_RING = 3;

/** Magnitude of the scattering vector, 1/Angstrom, at a distance from the direct beam. 12.39842 keV Angstrom = h c. */
export function scatteringVector(detector: Detector, radiusPixels: number): number {
  const angle = Math.atan((radiusPixels * detector.pixelSizeM) / detector.distanceM);
  return ((4 * Math.PI * detector.energyKeV) / 12.39842) * Math.sin(angle / 2);
}

/**
 * Sparse: 30 000 frames of 512 x 1024 at about 160 photons per frame. The four rings decay in 1000 to 100 frames, with about
 * 8000 photon pairs per lag and 150 photons per pixel, which the standard error needs (at least 11).
 */
export function sparseSample(seed: number): DemoSample {
  return buildSample({
    name: "colloid",
    detector: {
      name: "simulated 512 x 1024",
      height: 512,
      width: 1024,
      pixelSizeM: 76e-6,
      distanceM: 4,
      energyKeV: 10,
      beamX: 511.5,
      beamY: 255.5,
    },
    frames: 30_000,
    frameTimeS: 20e-6,
    radiiPixels: [70, 120, 170, 220],
    pixelsPerRing: 8000,
    innerDecayFrames: 1000,
    contrast: 0.3,
    meanCounts: 0.005,
    backgroundCounts: 1e-5,
    seed,
  });
}

/**
 * Dense: a small detector read out as whole frames; two rings that decay in 283 and 100 frames. A ring has few independent
 * speckles, so the rate is kept low: photon counting, not the number of speckles, limits the errors, as the fit assumes.
 */
export function denseSample(seed: number): DemoSample {
  return buildSample({
    name: "dense",
    detector: {
      name: "simulated 96 x 96",
      height: 96,
      width: 96,
      pixelSizeM: 172e-6,
      distanceM: 4,
      energyKeV: 10,
      beamX: 47.5,
      beamY: 47.5,
    },
    frames: 3000,
    frameTimeS: 1e-3,
    radiiPixels: [22, 37],
    pixelsPerRing: 2000,
    innerDecayFrames: 283,
    contrast: 0.3,
    meanCounts: 0.02,
    backgroundCounts: 0.002,
    seed,
  });
}

/** The sample of a design: rings of pixels, their dynamics, and the maps. */
export function buildSample(design: SampleDesign): DemoSample {
  const { detector, radiiPixels } = design;
  const innerQ = scatteringVector(detector, radiiPixels[0]!);
  const rings = radiiPixels.map((radiusPixels): Ring => {
    const q = scatteringVector(detector, radiusPixels);
    const decayRate = (q / innerQ) ** 2 / design.innerDecayFrames;
    return {
      q,
      radiusPixels,
      decayRate,
      decayRatePerS: decayRate / design.frameTimeS,
      contrast: design.contrast,
      meanCounts: design.meanCounts,
    };
  });
  return { ...design, rings, ...partitions(design) };
}

/** Rings of equal area: dynamic bin = ring, static bins = equal steps of radius within it. */
function partitions({
  detector,
  radiiPixels,
  pixelsPerRing,
  hasPixel = () => true,
}: SampleDesign): Pick<DemoSample, "dqmap" | "sqmap" | "staticQ"> {
  const halfWidth = radiiPixels.map((radius) => pixelsPerRing / (4 * Math.PI * radius));
  const dqmap = new Uint16Array(detector.height * detector.width);
  const sqmap = new Uint16Array(dqmap.length);
  for (let p = 0; p < dqmap.length; p++) {
    const radius = Math.hypot((p % detector.width) - detector.beamX, Math.floor(p / detector.width) - detector.beamY);
    const ring = radiiPixels.findIndex((middle, k) => Math.abs(radius - middle) < halfWidth[k]!);
    if (ring < 0 || !hasPixel(Math.floor(p / detector.width), p % detector.width)) continue;
    const across = (radius - radiiPixels[ring]! + halfWidth[ring]!) / (2 * halfWidth[ring]!);
    dqmap[p] = ring + 1;
    sqmap[p] = ring * STATIC_PER_RING + Math.floor(across * STATIC_PER_RING) + 1;
  }
  const staticQ = Float64Array.from({ length: radiiPixels.length * STATIC_PER_RING }, (_, s) => {
    const ring = Math.floor(s / STATIC_PER_RING);
    const across = ((s % STATIC_PER_RING) + 0.5) / STATIC_PER_RING;
    return scatteringVector(detector, radiiPixels[ring]! + (2 * across - 1) * halfWidth[ring]!);
  });
  return { dqmap, sqmap, staticQ };
}

/** The same sample as the simulator takes it. */
export function photonSource(sample: DemoSample): Sample {
  return {
    height: sample.detector.height,
    width: sample.detector.width,
    frames: sample.frames,
    ringOfPixel: sample.dqmap,
    rings: sample.rings,
    backgroundCounts: sample.backgroundCounts,
    seed: sample.seed,
  };
}
