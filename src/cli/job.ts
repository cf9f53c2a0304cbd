/** `xpcs job ID`: everything central knows about one job. */
import type { Command } from "commander";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { jobText } from "./job-text.js";
import type { CliIo } from "./output.js";

/** Adds the command to the program. */
export function registerJob(program: Command, io: CliIo): void {
  const command = program
    .command("job")
    .argument("<id>", "job id, as submit printed it")
    .description("Show one job: attempts, site and why, outputs.");
  addCentralOptions(command).action(async (id: string, options: CentralOptions) => {
    const job = await withClient(options, (client) => client.job(id));
    io.result(job, () => jobText(job));
  });
  withExample(command, "xpcs job JOB_ID");
}
