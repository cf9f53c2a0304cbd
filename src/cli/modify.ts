/** `xpcs modify ID...`: changes what jobs ask for, before they run. */
import type { Command } from "commander";
import { XpcsError } from "../core/errors.js";
import type { JobChanges } from "../core/job.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { addChangeableOptions, type ChangeableOptions, changesOf } from "./job-options.js";
import type { CliIo } from "./output.js";

interface ModifyOptions extends CentralOptions, Omit<ChangeableOptions, "deadline"> {
  /** False: --no-deadline. */
  readonly deadline?: string | false;
  readonly anySite?: true;
}

function requested(options: ModifyOptions): JobChanges {
  const { deadline, ...rest } = options;
  const changes = changesOf(typeof deadline === "string" ? { ...rest, deadline } : rest);
  if (options.anySite === true && changes.site !== undefined)
    throw new XpcsError("INVALID_ARGUMENT", "give --site or --any-site, not both");
  const all: JobChanges = {
    ...changes,
    ...(deadline === false ? { deadline: null } : {}),
    ...(options.anySite === true ? { site: null } : {}),
  };
  if (Object.keys(all).length === 0) throw new XpcsError("INVALID_ARGUMENT", "say what to change: xpcs modify --help lists what can be");
  return all;
}

/** Adds the command to the program. */
export function registerModify(program: Command, io: CliIo): void {
  const command = program
    .command("modify")
    .argument("<id...>", "job ids")
    .description(
      "Change jobs, all or none: what runs goes on as it was, what has ended takes tags only. Tags and resources are replaced as a whole.",
    );
  addChangeableOptions(command).option("--no-deadline", "take the deadline away").option("--any-site", "take the site away");
  addCentralOptions(command).action(async (ids: string[], options: ModifyOptions) => {
    const changes = requested(options);
    const modified = await withClient(options, (client) => client.modify(ids, changes));
    io.result({ modified }, () => modified.map((id) => `${id} modified`).join("\n"));
  });
  withExample(command, "xpcs modify JOB_ID --priority 10 --memory 64");
}
