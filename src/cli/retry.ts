/** `xpcs retry ID...`: failed and canceled jobs begin anew. */
import type { Command } from "commander";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";

interface RetryOptions extends CentralOptions {
  readonly children?: true;
}

/** Adds the command to the program. */
export function registerRetry(program: Command, io: CliIo): void {
  const command = program
    .command("retry")
    .argument("<id...>", "job ids")
    .description("Let failed and canceled jobs begin anew, with all their attempts, all or none. Jobs that wait or run are left alone.")
    .option("--children", "also the jobs below them that failed or were canceled");
  addCentralOptions(command).action(async (ids: string[], options: RetryOptions) => {
    const retried = await withClient(options, (client) => client.retry(ids, { children: options.children === true }));
    io.result({ retried }, () => (retried.length === 0 ? "nothing to retry" : retried.map((id) => `${id} waits again`).join("\n")));
  });
  withExample(command, "xpcs retry JOB_ID --children");
}
