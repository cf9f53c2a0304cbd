/** What the demo asks for: the jobs, and each sample's files on disk. */
import { join } from "node:path";
import type { CorrOptions } from "../core/analysis.js";
import type { JobSpec } from "../core/job.js";
import type { DemoSample } from "./sample.js";

/** One sample and where its files are. */
export interface SampleOnDisk {
  readonly sample: DemoSample;
  readonly input: string;
  readonly qmap: string;
  readonly metadata: string;
}

/** A result of the demo, and of what. */
export interface Measured {
  readonly name: string;
  readonly sample: DemoSample;
  readonly options: CorrOptions;
  /** Result file. */
  readonly out: string;
}

/** One correlation of the demo's files. */
export interface Analysis extends Measured {
  readonly source: Omit<SampleOnDisk, "sample">;
}

/** Seven ways to look at the two samples; the first is the one that is plotted. */
export function demoAnalyses(sparse: SampleOnDisk, dense: SampleOnDisk, folder: string): Analysis[] {
  const frames = sparse.sample.frames;
  const of = ({ sample, ...source }: SampleOnDisk, variant: string, options: CorrOptions): Analysis => {
    const name = `${sample.name}_${variant}`;
    return { name, sample, source, options: { layout: "nexus", ...options }, out: join(folder, `${name}_results.hdf`) };
  };
  return [
    of(sparse, "whole", {}),
    of(sparse, "first-half", { begin: 1, end: frames / 2 }),
    of(sparse, "second-half", { begin: frames / 2 + 1, end: frames }),
    of(sparse, "stride-2", { stride: 2 }),
    of(sparse, "average-4", { average: 4 }),
    of(sparse, "dpl-8", { dpl: 8 }),
    of(dense, "whole", {}),
  ];
}

/** The analysis as a job; an earlier run's result is replaced. */
export function jobOf(analysis: Analysis): JobSpec {
  const { source, options, out, name } = analysis;
  return {
    work: {
      app: "xpcs.corr",
      input: { path: source.input },
      qmap: { path: source.qmap },
      metadata: { path: source.metadata },
      out: { path: out },
      overwrite: true,
      options,
    },
    tags: { demo: name },
    attemptsMax: 3,
  };
}
