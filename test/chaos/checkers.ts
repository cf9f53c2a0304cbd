/** What must hold for jobs after any fault, checked against what central tells: promises P1, P3, P4 and P5. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "vitest";
import type { JobId, JobView } from "../../src/core/job.js";

/** Every job finished, with one completion, from its latest lease; its outputs are on disk as recorded. */
export function expectFinishedOnce(ids: readonly JobId[], jobs: readonly JobView[]): void {
  expect(jobs.map(({ id }) => id)).toEqual(ids);
  for (const job of jobs) {
    const story = JSON.stringify(job, null, 1);
    expect(job.state, story).toBe("finished");
    const finished = job.attempts.filter(({ outcome }) => outcome === "finished");
    expect(finished, story).toHaveLength(1);
    expect(finished[0]?.epoch, story).toBe(job.epoch);
    expect(finished[0], story).toBe(job.attempts.at(-1));
    expect(
      job.attempts.map(({ epoch }) => epoch),
      story,
    ).toEqual(job.attempts.map((_, at) => at + 1));
    for (const { outcome } of job.attempts.slice(0, -1)) expect(["lost", "failed", "returned"], story).toContain(outcome);
    for (const { path, bytes, sha256 } of job.outputs) {
      const content = readFileSync(path);
      expect({ bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") }, story).toEqual({ bytes, sha256 });
    }
  }
}

/** Beside the outputs there is nothing else: no partial file, no note of a publication. */
export function expectTidy(jobs: readonly JobView[]): void {
  const outputs = jobs.flatMap((job) => job.outputs.map(({ path }) => path));
  for (const folder of new Set(outputs.map(dirname))) {
    expect(readdirSync(folder).sort()).toEqual(
      outputs
        .filter((path) => dirname(path) === folder)
        .map((path) => path.slice(folder.length + 1))
        .sort(),
    );
  }
}
