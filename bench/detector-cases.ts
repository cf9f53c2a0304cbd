/**
 * The detectors of the second question: shape, rate, and photons per pixel and frame in a weak, a usual and a strong
 * measurement. Rates and shapes are the makers' or published; the occupancies are assumptions, except that measured
 * series of the 8-ID-I beamline lie between 5e-7 and 7e-5 for the Rigaku detectors.
 */
import type { InputFormat } from "./cases.js";

export interface Detector {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly framesPerS: number;
  /** Photons per pixel and frame: low, typical, high. */
  readonly means: readonly [number, number, number];
  readonly format: InputFormat;
  /** What the measured series is instead of the detector's own file; empty when it is that. */
  readonly stage: string;
  /** The NeXus q-map, as a beamline gives it, or a job file, where the format has no other way. */
  readonly maps: "qmap" | "job";
}

const BSLZ4 = "uncompressed; decoding bitshuffle/LZ4 is not in it";
const MODULES = "six modules side by side as sparse IMM; joining their files is not in it";

const RIGAKU_3M = { rows: 1536, columns: 2048, format: "imm-sparse", stage: MODULES, maps: "job" } as const;
const LAMBDA_750K = { rows: 516, columns: 1556, stage: BSLZ4, maps: "qmap" } as const;
const EIGER_4M = { rows: 2162, columns: 2068, stage: BSLZ4, maps: "qmap" } as const;

export const DETECTORS: readonly Detector[] = [
  {
    name: "Rigaku XSPA-500k, 2-bit",
    rows: 512,
    columns: 1024,
    framesPerS: 50e3,
    means: [1e-5, 1e-4, 1e-2],
    format: "rigaku",
    stage: "",
    maps: "qmap",
  },
  {
    name: "Rigaku XSPA-500k, burst",
    rows: 512,
    columns: 1024,
    framesPerS: 970e3,
    means: [1e-6, 1e-5, 1e-3],
    format: "rigaku",
    stage: "",
    maps: "qmap",
  },
  { name: "Rigaku XSPA-3M, 2-bit", ...RIGAKU_3M, framesPerS: 50e3, means: [1e-5, 1e-4, 1e-2] },
  { name: "Rigaku XSPA-3M, 4-bit", ...RIGAKU_3M, framesPerS: 25e3, means: [1e-5, 1e-4, 1e-2] },
  { name: "Rigaku XSPA-3M, 8-bit", ...RIGAKU_3M, framesPerS: 12.5e3, means: [1e-4, 1e-3, 1e-1] },
  { name: "UFXC32k", rows: 128, columns: 256, framesPerS: 11.8e3, means: [1e-4, 1e-3, 1e-1], format: "ufxc", stage: "", maps: "qmap" },
  { name: "Lambda 750k, 12-bit", ...LAMBDA_750K, framesPerS: 2e3, means: [1e-3, 1e-2, 1e-1], format: "hdf5-u16" },
  { name: "Lambda 750k, 1-bit", ...LAMBDA_750K, framesPerS: 23e3, means: [1e-4, 1e-3, 1e-2], format: "hdf5-u8" },
  {
    name: "Lambda 2M, 12-bit",
    rows: 1813,
    columns: 1558,
    framesPerS: 2e3,
    means: [1e-3, 1e-2, 1e-1],
    format: "hdf5-u16",
    stage: BSLZ4,
    maps: "qmap",
  },
  { name: "Eiger 4M", ...EIGER_4M, framesPerS: 1e3, means: [1e-3, 1e-2, 1], format: "hdf5-u16" },
  { name: "EIGER2 4M, 16-bit", ...EIGER_4M, framesPerS: 560, means: [1e-3, 1e-2, 1], format: "hdf5-u16" },
  { name: "EIGER2 4M, 8-bit", ...EIGER_4M, framesPerS: 1120, means: [1e-3, 1e-2, 1], format: "hdf5-u8" },
  {
    name: "EIGER2 16M, 16-bit",
    rows: 4362,
    columns: 4148,
    framesPerS: 133,
    means: [1e-3, 1e-2, 1],
    format: "hdf5-u16",
    stage: BSLZ4,
    maps: "qmap",
  },
  {
    name: "JUNGFRAU 4M",
    rows: 2048,
    columns: 2048,
    framesPerS: 1100,
    means: [1e-2, 1e-1, 1],
    format: "hdf5-u16",
    stage: "photon counts; converting the detector's gains is not in it",
    maps: "qmap",
  },
  {
    name: "Timepix4, one chip, 1 us bins",
    rows: 448,
    columns: 512,
    framesPerS: 1e6,
    means: [0.12e9 / 1e6 / (448 * 512), 1.28e9 / 1e6 / (448 * 512), 2.5e9 / 1e6 / (448 * 512)],
    format: "rigaku",
    stage: "events as sorted 64-bit words; decoding and sorting the chip's packets is not in it",
    maps: "job",
  },
  {
    name: "DECTRIS SELUN",
    rows: 192,
    columns: 192,
    framesPerS: 120e3,
    means: [1e-3, 1e-2, 1e-1],
    format: "hdf5-u8",
    stage: BSLZ4,
    maps: "qmap",
  },
  {
    name: "AGIPD 1M",
    rows: 1024,
    columns: 1024,
    framesPerS: 3520,
    means: [1e-3, 1e-2, 1e-1],
    format: "hdf5-u16",
    stage: "photon counts; joining the modules and converting gains is not in it",
    maps: "qmap",
  },
];
