/** The jobs that the runtime is measured with, and the wait for their end. */
import type { JobSpec, XpcsClient } from "../../src/index.js";

/** Jobs of one call, so that those of a whole measurement are not in memory at once. */
const CALL_JOBS = 10_000;

/** An analysis as a beamline submits it: three paths, two tags, an experiment. Never run here. */
export function analysis(at: number): JobSpec {
  const scan = String(at).padStart(6, "0");
  const folder = "/data/2026-3/smith-silica";
  return {
    work: {
      app: "xpcs.corr",
      input: { path: `${folder}/raw/A${scan}_silica_00001-20000.bin` },
      qmap: { path: `${folder}/maps/silica_qmap.hdf` },
      out: { path: `${folder}/results/A${scan}_silica_results.hdf` },
      overwrite: false,
      options: { type: "multitau", dpl: 8 },
    },
    experiment: "2026-3/smith-silica",
    tags: { sample: "silica", scan: String(at % 1_000) },
    attemptsMax: 3,
  };
}

/** Submits analyses number `first` to `first + count - 1`. */
export async function submitAnalyses(client: XpcsClient, first: number, count: number): Promise<void> {
  for (let at = 0; at < count; at += CALL_JOBS) {
    const jobs = Array.from({ length: Math.min(CALL_JOBS, count - at) }, (_, index) => analysis(first + at + index));
    await client.submit({ jobs });
  }
}

/** Does nothing for `durationMs`. */
export function noop(durationMs = 0): JobSpec {
  return { work: { app: "xpcs.noop", durationMs }, tags: {}, attemptsMax: 3 };
}

/** The command without arguments that a site allows as `true`. */
export function commandTrue(): JobSpec {
  return { work: { app: "true", parameters: {}, inputs: {}, outputs: {}, overwrite: false }, tags: {}, attemptsMax: 3 };
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when no job waits or runs. Asks for one job at a time, so that the asking costs central little. */
export async function allEnded(client: XpcsClient, everyMs: number): Promise<void> {
  for (;;) {
    const { jobs } = await client.jobs({ states: ["ready", "staged-in", "running", "staged-out"], limit: 1 });
    if (jobs.length === 0) return;
    await pause(everyMs);
  }
}

/** Runs `work` with a client, and closes it. */
export async function withClient<T>(client: Promise<XpcsClient>, work: (client: XpcsClient) => Promise<T>): Promise<T> {
  const opened = await client;
  try {
    return await work(opened);
  } finally {
    opened.close();
  }
}
