/** What the tests and the pictures of the page look at: a central with a site, and a finished analysis of a film with both kinds of results. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JobSpec } from "../../src/core/job.js";
import { denseSample, photonSource } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";
import { type Facility, startFacility } from "../chaos/processes.js";

export interface Scene {
  readonly facility: Facility;
  /** The page's address. */
  readonly base: string;
  readonly input: string;
  readonly qmap: string;
  /** The finished job, and its file. */
  readonly job: string;
  readonly result: string;
}

/** Frames of the film. */
export const FRAMES = 400;
export const FRAME_TIME_S = 0.001;

/** Starts it; `facility.end` ends it. */
export async function openScene(): Promise<Scene> {
  const facility = await startFacility((folder) => {
    const settings = join(folder, "settings.json");
    writeFileSync(settings, JSON.stringify({ data: { read: [folder], write: [folder] } }));
    return ["--settings", settings];
  });
  const talk = { argv: ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo word $i; sleep 1; done"], parameters: {} };
  writeFileSync(join(facility.folder, "apps.json"), JSON.stringify({ talk }));
  await facility.startSite("alpha", 2, ["--apps", join(facility.folder, "apps.json")]);
  const sample = { ...denseSample(3), frames: FRAMES };
  const { height, width } = sample.detector;
  const [input, qmap, result] = ["film.imm", "qmap.hdf", "film_results.hdf"].map((name) => join(facility.folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(input, immBytes(simulateEvents(photonSource(sample)), { height, width, dense: true, frameTimeS: sample.frameTimeS }));
  await writeQmap(qmap, sample);
  const files = { input: { path: input }, qmap: { path: qmap }, out: { path: result } };
  const spec: JobSpec = {
    work: { app: "xpcs.corr", ...files, overwrite: false, options: { type: "both", frameTimeS: FRAME_TIME_S } },
    tags: { sample: "colloid" },
    attemptsMax: 1,
  };
  const { jobs } = await facility.client.submit({ jobs: [spec] });
  const [done] = await facility.client.wait(jobs);
  if (done?.state !== "finished") throw new Error(`the film's analysis is ${done?.state}: ${done?.reason}`);
  return { facility, base: facility.url.replace(/^ws/, "http"), input, qmap, job: jobs[0]!, result };
}
