/** The detectors that can be played, as plain data: their shape, their rate, and a colloid in front of them. */
import { buildSample, type DemoSample } from "./sample.js";

export interface DetectorPreset {
  readonly about: string;
  readonly height: number;
  readonly width: number;
  readonly pixelSizeM: number;
  /** Frames per second that the detector reaches. */
  readonly framesPerS: number;
  /** Photons in a frame, on average. */
  readonly photonsPerFrame: number;
  /** Rings of q around the beam, and pixels in each. */
  readonly rings: number;
  readonly pixelsPerRing: number;
  readonly radiiPixels: readonly [number, number];
  /** Bits of its frame counter, as far as it is known; 0: it does not go round within a measurement. */
  readonly counterBits: number;
  readonly hasPixel?: (row: number, column: number) => boolean;
}

/** Between the six modules of the 3M: 70 rows, 52 columns. */
function onModuleOf3M(row: number, column: number): boolean {
  return row % 582 < 512 && (column < 1024 || column >= 1076);
}

export const DETECTORS: Readonly<Record<string, DetectorPreset>> = {
  "rigaku-3m": {
    about: "Rigaku XSPA-3M, 1676 x 2100, 50 kHz, sparse",
    ...{ height: 1676, width: 2100, pixelSizeM: 76e-6, framesPerS: 50_000, photonsPerFrame: 56, counterBits: 24 },
    ...{ rings: 8, pixelsPerRing: 40_000, radiiPixels: [160, 720], hasPixel: onModuleOf3M },
  },
  "rigaku-500k": {
    about: "Rigaku XSPA-500k, 512 x 1024, 50 kHz, sparse",
    ...{ height: 512, width: 1024, pixelSizeM: 76e-6, framesPerS: 50_000, photonsPerFrame: 30, counterBits: 24 },
    ...{ rings: 4, pixelsPerRing: 8_000, radiiPixels: [70, 220] },
  },
  "lambda-750k": {
    about: "X-Spectrum Lambda 750K, 516 x 1556, 2 kHz",
    ...{ height: 516, width: 1556, pixelSizeM: 55e-6, framesPerS: 2_000, photonsPerFrame: 400, counterBits: 32 },
    ...{ rings: 4, pixelsPerRing: 10_000, radiiPixels: [80, 220] },
  },
};

export interface Played {
  /** s per frame. */
  readonly frameTimeS: number;
  readonly photonsPerFrame: number;
  /** 1 / decay rate of the field in the innermost ring, s; the others follow as 1 / q^2. */
  readonly tauS: number;
  readonly contrast: number;
  readonly seed: number;
}

/** A colloid in front of a detector: the sample that is played. */
export function playedSample(name: string, preset: DetectorPreset, played: Played): DemoSample {
  const { height, width, pixelSizeM, rings, pixelsPerRing, radiiPixels, hasPixel } = preset;
  const [first, last] = radiiPixels;
  const sample = buildSample({
    name,
    detector: {
      ...{ name: `simulated ${name}`, height, width, pixelSizeM, distanceM: 4, energyKeV: 10 },
      ...{ beamX: (width - 1) / 2, beamY: (height - 1) / 2 },
    },
    frames: 0,
    frameTimeS: played.frameTimeS,
    radiiPixels: Array.from({ length: rings }, (_, k) => first + ((last - first) * k) / (rings - 1)),
    pixelsPerRing,
    innerDecayFrames: played.tauS / played.frameTimeS,
    contrast: played.contrast,
    meanCounts: 1,
    backgroundCounts: 0,
    seed: played.seed,
    ...(hasPixel === undefined ? {} : { hasPixel }),
  });
  const pixels = sample.dqmap.reduce((sum, bin) => sum + (bin > 0 ? 1 : 0), 0);
  return { ...sample, rings: sample.rings.map((ring) => ({ ...ring, meanCounts: played.photonsPerFrame / pixels })) };
}
