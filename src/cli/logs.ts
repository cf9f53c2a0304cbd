/** `xpcs logs ID`: what a command has written, of any attempt, also while it runs. */
import { type Command, Option } from "commander";
import { isCode } from "../core/errors.js";
import { LOG_STREAMS, type LogStream } from "../core/protocols.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { integerOption } from "./option-values.js";
import type { CliIo } from "./output.js";

interface LogsOptions extends CentralOptions {
  readonly attempt?: number;
  readonly stream: LogStream;
  readonly follow?: boolean;
  readonly raw?: true;
}

async function showLogs(id: string, { attempt, stream, follow = false, raw, ...where }: LogsOptions, io: CliIo): Promise<void> {
  let text = "";
  const print = raw === true ? io.outRaw : io.out;
  // Lines are printed when they are whole: the parts of a log know nothing of lines.
  const onText = (part: string): void => {
    text += part;
    const end = text.lastIndexOf("\n") + 1;
    if (io.json || end === 0) return;
    print(text.slice(0, end));
    text = text.slice(end);
  };
  const options = { stream, follow, onText, signal: io.signal, ...(attempt === undefined ? {} : { epoch: attempt }) };
  try {
    const { epoch, next } = await withClient(where, (client) => client.logs(id, options));
    if (io.json) io.result({ job: id, epoch, stream, text, next }, () => "");
    else if (text !== "") print(text);
    if (next === 0) io.note(epoch === 0 ? "the job has had no attempt yet" : `attempt ${epoch} wrote nothing to ${stream}`);
  } catch (error) {
    if (!isCode(error, "CANCELED") || io.interrupted === null) throw error;
  }
}

/** Adds the command to the program. */
export function registerLogs(program: Command, io: CliIo): void {
  const command = program
    .command("logs")
    .argument("<id>", "job id, as submit printed it")
    .description("Show what a command app has written. With --follow also what comes, until the attempt ends.");
  addCentralOptions(command)
    .option("--attempt <n>", "epoch of the attempt, as xpcs job lists them (default: the latest)", integerOption(1))
    .addOption(new Option("--stream <name>", "which of the two").choices(LOG_STREAMS).default("stdout"))
    .option("--follow", "go on until the attempt ends, or Ctrl-C")
    .option("--raw", "as it was written, also to a terminal, which obeys its control sequences")
    .action((id: string, options: LogsOptions) => showLogs(id, options, io));
  withExample(command, "xpcs logs JOB_ID --stream stderr --follow");
}
