/** Submissions in calls that fit a frame. No behaviour beyond that. */
import type { JobId, JobSpec } from "./job.js";

/** Jobs of one submit call, and the characters of their JSON: keeps a request under the frame limit, at 3 bytes a character. */
const SUBMIT_JOBS = 500;
const SUBMIT_CHARS = 300_000;
/** Submit calls on their way at a time: central decides on one while others travel and the disk works. */
export const SUBMITS_IN_FLIGHT = 4;

/** Always the same for the same jobs: a repeat under the same key must make the same calls. */
export function inSubmitChunks(jobs: readonly JobSpec[]): JobSpec[][] {
  const chunks: JobSpec[][] = [];
  let chunk: JobSpec[] = [];
  let chars = 0;
  for (const job of jobs) {
    const size = JSON.stringify(job).length;
    if (chunk.length > 0 && (chunk.length >= SUBMIT_JOBS || chars + size > SUBMIT_CHARS)) {
      chunks.push(chunk);
      chunk = [];
      chars = 0;
    }
    chunk.push(job);
    chars += size;
  }
  return chunk.length === 0 ? chunks : [...chunks, chunk];
}

const isPlace = (parent: string): boolean => /^#\d+$/.test(parent);

/** True when a parent is named by its place in the request. */
export function namesPlaces({ parents = [] }: JobSpec): boolean {
  return parents.some(isPlace);
}

/** Parents that a request names by place (`#n`), as the calls so far have made them: their ids, or their place within the next call. */
export function withKnownParents(spec: JobSpec, ids: readonly JobId[]): JobSpec {
  if (spec.parents === undefined) return spec;
  const known = (parent: string): string => {
    if (!isPlace(parent)) return parent;
    const place = Number(parent.slice(1));
    return ids[place] ?? `#${place - ids.length}`;
  };
  return { ...spec, parents: spec.parents.map(known) };
}
