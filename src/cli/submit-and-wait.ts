/** Submitting, and waiting for the end if that was asked for: what `submit` and `run` have in common. */
import type { JobId, JobSpec } from "../core/job.js";
import { realClock } from "../core/real-clock.js";
import type { XpcsClient } from "../index.js";
import { changeLines } from "./job-text.js";
import type { CliIo } from "./output.js";
import { exitByOutcome } from "./watch.js";

export interface SubmitAndWait {
  readonly jobs: readonly JobSpec[];
  readonly key?: string | undefined;
  readonly wait: boolean;
}

/** Ctrl-C ends the waiting alone, which whoever pressed it may not know. */
function stillGoing(error: unknown, jobs: readonly JobId[], io: CliIo): never {
  if (io.interrupted !== null) {
    const [them, ids] = jobs.length === 1 ? ["the job goes on", jobs[0]!] : [`the ${jobs.length} jobs go on`, "ID..."];
    io.note(`stopped waiting; ${them}: xpcs watch ${ids} follows, xpcs cancel ${ids} stops`);
  }
  throw error;
}

/** Prints the ids; with `wait` each change, and the exit code tells the outcome. */
export async function submitAndWait(client: XpcsClient, { jobs, key, wait }: SubmitAndWait, io: CliIo): Promise<void> {
  const submitted = await client.submit({ jobs, ...(key === undefined ? {} : { key }) });
  io.result({ jobs: submitted.jobs }, () => submitted.jobs.join("\n"));
  if (!wait) return;
  const line = changeLines(realClock);
  const waiting = client.wait(submitted.jobs, { signal: io.signal, onChange: (changed) => io.note(line(changed)) });
  exitByOutcome(io, await waiting.catch((error: unknown) => stillGoing(error, submitted.jobs, io)));
}
