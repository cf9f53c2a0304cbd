/** `xpcs watch`: live changes of jobs, until they end or until Ctrl-C. */
import type { Command } from "commander";
import { isCode } from "../core/errors.js";
import type { JobView } from "../core/job.js";
import { realClock } from "../core/real-clock.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { changeLines } from "./job-text.js";
import type { CliIo } from "./output.js";

/** Prints each change of a job: a line for a person, a JSON object per line for a program. */
export function changePrinter(io: CliIo): (job: JobView) => void {
  const line = changeLines(realClock);
  return (job) => io.result(job, () => line(job));
}

/** Exit code 1 when a job did not finish. */
export function exitByOutcome(io: CliIo, jobs: readonly JobView[]): void {
  if (jobs.some(({ state }) => state === "failed" || state === "canceled")) io.exitWith(1);
}

/** Adds the command to the program. */
export function registerWatch(program: Command, io: CliIo): void {
  const command = program
    .command("watch")
    .argument("[id...]", "follow these jobs until they end; without ids: all jobs, until Ctrl-C")
    .description("Follow jobs as they change; one line per change. Exit code 1 when a watched job fails or is canceled.");
  addCentralOptions(command).action(async (ids: string[], options: CentralOptions) => {
    const { signal } = io;
    const onChange = changePrinter(io);
    await withClient(options, async (client) => {
      if (ids.length > 0) return exitByOutcome(io, await client.wait(ids, { onChange, signal }));
      await client.follow({ onChange, signal }).catch((error: unknown) => {
        if (!isCode(error, "CANCELED") || io.interrupted === null) throw error;
      });
    });
  });
  withExample(command, "xpcs watch", "xpcs watch JOB_ID --json");
}
