/** What is measured beside boost_corr, as data: the inputs, and what both programs are asked. Does not say how anything is measured. */
import { meanOfOccupancy, type SeriesShape } from "../cases.js";

export interface BoostCase {
  readonly name: string;
  readonly title: string;
  readonly type: "multitau" | "twotime";
  readonly input: SeriesShape;
}

const XSPA = { format: "rigaku", rows: 512, columns: 1024 } as const;
const QUARTER = { rows: 512, columns: 512, mean: 4 } as const;

/** The q bins of a two-time analysis: four of the twenty, evenly spread. */
export const TWOTIME_BINS = [4, 8, 12, 16] as const;

export const BOOST_CASES: readonly BoostCase[] = [
  {
    name: "rigaku",
    title: "Rigaku 512 x 1024, 100 000 frames, 31 photons a frame",
    type: "multitau",
    input: { ...XSPA, frames: 100_000, mean: 31 / (512 * 1024) },
  },
  {
    name: "rigaku-0.1",
    title: "Rigaku 512 x 1024, 20 000 frames, 0.1 % occupied",
    type: "multitau",
    input: { ...XSPA, frames: 20_000, mean: meanOfOccupancy(1e-3) },
  },
  {
    name: "rigaku-1",
    title: "Rigaku 512 x 1024, 10 000 frames, 1 % occupied",
    type: "multitau",
    input: { ...XSPA, frames: 10_000, mean: meanOfOccupancy(1e-2) },
  },
  {
    name: "imm-1",
    title: "sparse IMM 1024 x 1024, 5000 frames, 1 % occupied",
    type: "multitau",
    input: { format: "imm-sparse", rows: 1024, columns: 1024, frames: 5000, mean: meanOfOccupancy(1e-2) },
  },
  {
    name: "dense-imm",
    title: "dense IMM 512 x 512, 2000 frames, mean 4",
    type: "multitau",
    input: { format: "imm-dense", ...QUARTER, frames: 2000 },
  },
  {
    name: "dense-hdf5",
    title: "HDF5 u16 512 x 512, 4000 frames, mean 4, not compressed",
    type: "multitau",
    input: { format: "hdf5-u16", ...QUARTER, frames: 4000 },
  },
  {
    name: "twotime-rigaku",
    title: "two-time, 4 of 20 q bins, Rigaku 512 x 1024, 4000 frames, 0.1 % occupied",
    type: "twotime",
    input: { ...XSPA, frames: 4000, mean: meanOfOccupancy(1e-3) },
  },
  {
    name: "twotime-imm",
    title: "two-time, 4 of 20 q bins, dense IMM 512 x 512, 2000 frames, mean 4",
    type: "twotime",
    input: { format: "imm-dense", ...QUARTER, frames: 2000 },
  },
];
