/**
 * Several analyses of one shot, from a file (`xpcs submit --analyses FILE`): a YAML or JSON list whose entries hold what differs from one
 * analysis to the next, such as the detector's files and q-maps. The entries' keys are options, read by the options' own readers.
 */
import { Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { settingsLists } from "./config-file.js";
import { addCorrOptions, type RawCorrOptions } from "./corr-options.js";
import { collectTexts } from "./option-values.js";

/** What an analysis has of its own; what is absent it has in common with the others. */
export interface Analysis extends RawCorrOptions {
  readonly input?: readonly string[];
  readonly qmap?: readonly string[];
  readonly job?: string;
  readonly out?: string;
}

function analysisCommand(): Command {
  const command = new Command("submit")
    .option("--input <file>", "raw files or patterns", collectTexts)
    .option("--qmap <file>", "partition maps", collectTexts)
    .option("--job <file>", "legacy job file")
    .option("--out <folder>", "folder of the results");
  return addCorrOptions(command)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
}

/**
 * The analyses in the file.
 *
 * @throws NOT_FOUND · INVALID_ARGUMENT with the line
 */
export function readAnalyses(path: string): Analysis[] {
  const rules = { repeatable: ["input", "qmap"] };
  return settingsLists(path, analysisCommand(), rules).map(({ words, line }) => {
    const command = analysisCommand();
    try {
      command.parse(words, { from: "user" });
    } catch (error) {
      throw new XpcsError("INVALID_ARGUMENT", `${path} line ${line}: ${(error as Error).message.replace(/^error: /, "")}`);
    }
    return command.opts<Analysis>();
  });
}
