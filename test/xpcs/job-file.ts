/** Writes a legacy job file with h5wasm, so that the native core reads what another library wrote. */
import h5wasm from "h5wasm/node";

export interface JobFile {
  readonly height: number;
  readonly width: number;
  readonly dqmap: Int32Array;
  readonly sqmap: Int32Array;
  readonly input: string;
  /** Whole numbers of /xpcs, such as data_end_todo. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Words of /xpcs, such as smoothing_method. */
  readonly words: Readonly<Record<string, string>>;
  readonly bins?: readonly number[];
  /** [height * width]; also enables it. */
  readonly flatfield?: Float64Array;
}

export async function writeJob(path: string, job: JobFile): Promise<void> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "w");
  try {
    const xpcs = file.create_group("xpcs");
    const detector = file.create_group("measurement").create_group("instrument").create_group("detector");
    const map = [job.height, job.width];
    xpcs.create_dataset({ name: "dqmap", data: job.dqmap, shape: map });
    xpcs.create_dataset({ name: "sqmap", data: job.sqmap, shape: map });
    const words = { ...job.words, input_file_local: job.input, ...(job.flatfield ? { flatfield_enabled: "ENABLED" } : {}) };
    for (const [name, data] of Object.entries(words)) xpcs.create_dataset({ name, data });
    for (const [name, value] of Object.entries(job.numbers)) xpcs.create_dataset({ name, data: Int32Array.of(value), shape: [1, 1] });
    if (job.bins) xpcs.create_dataset({ name: "qphi_bin_to_process", data: Int32Array.from(job.bins), shape: [job.bins.length, 1] });
    detector.create_dataset({ name: "x_dimension", data: Int32Array.of(job.width), shape: [1, 1] });
    detector.create_dataset({ name: "y_dimension", data: Int32Array.of(job.height), shape: [1, 1] });
    if (job.flatfield) detector.create_dataset({ name: "flatfield", data: job.flatfield, shape: map });
  } finally {
    file.close();
  }
}
