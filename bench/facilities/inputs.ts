/** Detector files of three sizes, each with a content of its own, so that none crosses to a site for another. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sparseSample } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { rigakuBytes } from "../../src/xpcs/detector-files.js";
import { Random } from "../../src/xpcs/random.js";

const PHOTONS_PER_FRAME = 200;
const EVENT_BYTES = 8;

export interface Size {
  readonly name: string;
  readonly frames: number;
  /** Of all jobs. */
  readonly share: number;
}

/** 4.8, 9.6 and 14.4 MB. */
export const SIZES: readonly Size[] = [
  { name: "small", frames: 3_000, share: 0.5 },
  { name: "medium", frames: 6_000, share: 0.35 },
  { name: "large", frames: 9_000, share: 0.15 },
];

export const megabytes = ({ frames }: Size): number => (frames * PHOTONS_PER_FRAME * EVENT_BYTES) / 1e6;

export interface Inputs {
  readonly files: readonly string[];
  readonly qmap: string;
  readonly frameTimeS: number;
}

/** The size of each of `jobs` files: the shares as near as can be, in an order drawn by `rng`. */
export function drawSizes(jobs: number, rng: () => number): Size[] {
  const bounds = SIZES.map((_, at) => SIZES.slice(0, at + 1).reduce((sum, { share }) => sum + share, 0));
  const sizes = Array.from({ length: jobs }, (_, at) => SIZES[bounds.findIndex((bound) => (at + 0.5) / jobs < bound)] ?? SIZES[0]!);
  for (let at = sizes.length - 1; at > 0; at -= 1) {
    const other = Math.floor(rng() * (at + 1));
    [sizes[at], sizes[other]] = [sizes[other]!, sizes[at]!];
  }
  return sizes;
}

/** Photons without correlation: how long a kernel works on them is all that matters here. */
function photons(frames: number): Uint8Array {
  const events = frames * PHOTONS_PER_FRAME;
  const random = new Random(7);
  const { detector } = sparseSample(1);
  const step = Math.floor((detector.height * detector.width) / PHOTONS_PER_FRAME);
  const pixel = Uint32Array.from({ length: events }, (_, at) => (at % PHOTONS_PER_FRAME) * step + Math.floor(random.uniform() * step));
  const frame = Uint32Array.from({ length: events }, (_, at) => Math.floor(at / PHOTONS_PER_FRAME));
  return rigakuBytes({ frames, frame, pixel, count: new Uint16Array(events).fill(1) });
}

/** Writes a file for each size into a new folder. The first photons of file `n` come one or two at a time, as the bits of `n` say. */
export async function writeInputs(folder: string, sizes: readonly Size[]): Promise<Inputs> {
  mkdirSync(folder, { recursive: true });
  const contents = new Map([...new Set(sizes)].map((size) => [size, photons(size.frames)]));
  const files = sizes.map((size, at) => {
    const bytes = contents.get(size)!;
    for (let bit = 0; bit < 16; bit += 1) bytes[bit * EVENT_BYTES] = 1 + ((at >> bit) & 1);
    const path = join(folder, `scan_${String(at + 1).padStart(4, "0")}_${size.name}.bin`);
    writeFileSync(path, bytes);
    return path;
  });
  const sample = sparseSample(1);
  const qmap = join(folder, "qmap.hdf");
  await writeQmap(qmap, sample);
  return { files, qmap, frameTimeS: sample.frameTimeS };
}
