/** `xpcs cancel ID...`: stops jobs in any state; a running kernel stops within 2 s. */
import type { Command } from "commander";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";

/** Adds the command to the program. */
export function registerCancel(program: Command, io: CliIo): void {
  const command = program
    .command("cancel")
    .argument("<id...>", "job ids")
    .description("Stop jobs, also running ones. Final jobs stay as they are.");
  addCentralOptions(command).action(async (ids: string[], options: CentralOptions) => {
    const result = await withClient(options, (client) => client.cancel(ids));
    io.result(result, () =>
      [...result.canceled.map((id) => `${id} canceled`), ...result.alreadyFinal.map((id) => `${id} had ended already`)].join("\n"),
    );
  });
  withExample(command, "xpcs cancel JOB_ID JOB_ID");
}
