/**
 * The measured cases and their goals, as data. Goals against XPCS-Eigen are ratios of whole processes on this machine,
 * never times. Does not say how anything is measured.
 */

export type InputFormat = "imm-sparse" | "imm-dense" | "rigaku" | "ufxc" | "hdf5-u8" | "hdf5-u16" | "hdf5-u32";

/** A simulated series: everything that its file depends on. */
export interface SeriesShape {
  readonly format: InputFormat;
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  /** Photons per pixel and frame. */
  readonly mean: number;
}

export interface Goal {
  /**
   * ratio: XPCS-Eigen's time over ours. eventsPerCoreS: events per second and thread from bytes to g2 (our stages of
   * reading and correlating). memory: peak resident bytes, at most 12 an event, 64 a pixel and 150 MB.
   */
  readonly what: "ratio" | "eventsPerCoreS" | "memory";
  readonly reach: number;
  readonly stretch: number;
}

export interface KernelCase {
  readonly name: string;
  readonly title: string;
  readonly type: "multitau" | "twotime";
  readonly input: SeriesShape;
  readonly threads: number;
  /** Flags of XPCS-Eigen for this input; null: it is not run. */
  readonly contender: readonly string[] | null;
  /** The job file has rows and columns exchanged, which XPCS-Eigen reads fast and with the same result. */
  readonly exchangeDimensions?: true;
  readonly goals: readonly Goal[];
}

/** Mean count at which a fraction `occupied` of all pixels has photons. */
export function meanOfOccupancy(occupied: number): number {
  return -Math.log(1 - occupied);
}

const ratio = (reach: number, stretch: number): Goal => ({ what: "ratio", reach, stretch });
const EVENTS: Goal = { what: "eventsPerCoreS", reach: 25e6, stretch: 40e6 };
/** The bound itself is computed from the case: 1 is the bound. */
const MEMORY: Goal = { what: "memory", reach: 1, stretch: 1 };

const MEGAPIXEL = { rows: 1024, columns: 1024 } as const;
const LAMBDA = { rows: 516, columns: 1556 } as const;
/** Delays per level of every case. */
export const DELAYS_PER_LEVEL = 4;

const SPARSE_1 = { format: "imm-sparse", ...MEGAPIXEL, frames: 5000, mean: meanOfOccupancy(0.01) } as const;
const DENSE = { format: "imm-dense", ...MEGAPIXEL, frames: 500, mean: 5 } as const;

export const KERNEL_CASES: readonly KernelCase[] = [
  {
    name: "sparse-1",
    title: "1024 x 1024, 5000 frames, 1 % occupied, sparse IMM",
    type: "multitau",
    input: SPARSE_1,
    threads: 2,
    contender: [],
    goals: [ratio(50, 75), MEMORY],
  },
  {
    name: "sparse-5",
    title: "1024 x 1024, 3000 frames, 5 % occupied, sparse IMM",
    type: "multitau",
    input: { format: "imm-sparse", ...MEGAPIXEL, frames: 3000, mean: meanOfOccupancy(0.05) },
    threads: 2,
    contender: [],
    goals: [ratio(60, 90), MEMORY],
  },
  {
    name: "dense",
    title: "1024 x 1024, 500 frames, mean 5, dense IMM",
    type: "multitau",
    input: DENSE,
    threads: 2,
    contender: [],
    goals: [ratio(50, 70)],
  },
  {
    name: "lambda-sparse",
    title: "Lambda 516 x 1556, 10 000 frames, 1 % occupied, sparse IMM",
    type: "multitau",
    input: { format: "imm-sparse", ...LAMBDA, frames: 10_000, mean: meanOfOccupancy(0.01) },
    threads: 2,
    contender: [],
    goals: [ratio(50, 75), MEMORY],
  },
  {
    name: "lambda-hdf5",
    title: "Lambda 516 x 1556, 1000 frames, 1 % occupied, HDF5 u16, one frame a chunk",
    type: "multitau",
    input: { format: "hdf5-u16", ...LAMBDA, frames: 1000, mean: meanOfOccupancy(0.01) },
    threads: 1,
    contender: ["--hdf5"],
    exchangeDimensions: true,
    goals: [ratio(8, 12)],
  },
  {
    name: "rigaku",
    title: "Rigaku 512 x 1024, 100 000 frames, 31 photons a frame",
    type: "multitau",
    input: { format: "rigaku", rows: 512, columns: 1024, frames: 100_000, mean: 31 / (512 * 1024) },
    threads: 1,
    contender: ["--rigaku"],
    goals: [ratio(10, 15), MEMORY],
  },
  {
    name: "twotime-sparse",
    title: "two-time, 4 of 20 q bins, 1024 x 1024, 5000 frames, 1 % occupied",
    type: "twotime",
    input: SPARSE_1,
    threads: 2,
    contender: [],
    goals: [ratio(20, 30)],
  },
  {
    name: "twotime-dense",
    title: "two-time, 4 of 20 q bins, 1024 x 1024, 500 frames, mean 5",
    type: "twotime",
    input: DENSE,
    threads: 2,
    contender: [],
    goals: [ratio(30, 50)],
  },
  {
    name: "events-1e-4",
    title: "1024 x 1024, 200 000 frames, 0.01 % occupied, sparse IMM, one core",
    type: "multitau",
    input: { format: "imm-sparse", ...MEGAPIXEL, frames: 200_000, mean: meanOfOccupancy(1e-4) },
    threads: 1,
    contender: null,
    goals: [EVENTS, MEMORY],
  },
  {
    name: "events-1e-3",
    title: "1024 x 1024, 20 000 frames, 0.1 % occupied, sparse IMM, one core",
    type: "multitau",
    input: { format: "imm-sparse", ...MEGAPIXEL, frames: 20_000, mean: meanOfOccupancy(1e-3) },
    threads: 1,
    contender: null,
    goals: [EVENTS, MEMORY],
  },
  {
    name: "events-1e-2",
    title: "1024 x 1024, 5000 frames, 1 % occupied, sparse IMM, one core",
    type: "multitau",
    input: SPARSE_1,
    threads: 1,
    contender: null,
    goals: [EVENTS, MEMORY],
  },
];

/** The case with a fraction of its frames: for trying the bench itself, not for judging. */
export function scaled<T extends { readonly input: SeriesShape }>(which: T, scale: number): T {
  return { ...which, input: { ...which.input, frames: Math.max(Math.round(which.input.frames * scale), 16) } };
}
