/**
 * One command line from its words to its exit code: finds the command's file, lets commander read the options, runs it.
 * Knows nothing of what any command does; the process itself (streams, signals, exit) is main.ts.
 */
import { Command, CommanderError } from "commander";
import { XpcsError } from "../core/errors.js";
import { VERSION } from "../core/version.js";
import { COMMANDS, type CommandEntry } from "./commands.js";
import { overview } from "./help.js";
import type { CliRun } from "./output.js";

const HELP_CODES = new Set(["commander.helpDisplayed", "commander.help", "commander.version"]);

function newProgram(entries: readonly CommandEntry[], run: CliRun): Command {
  const program = new Command("xpcs")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeOut: run.print, writeErr: () => {}, outputError: () => {} })
    .showSuggestionAfterError(true)
    .enablePositionalOptions();
  program.helpInformation = () => overview(VERSION, entries);
  program.helpCommand(false);
  program.action(() => {
    program.outputHelp();
  });
  program.allowExcessArguments(false);
  return program;
}

/** The command that argv names, with the `help NAME` form turned round. */
function commandWord(argv: readonly string[]): { word: string | undefined; args: readonly string[] } {
  const first = argv[0];
  if (first === "help") return argv[1] === undefined ? { word: undefined, args: ["--help"] } : { word: argv[1], args: [argv[1], "--help"] };
  return { word: first?.startsWith("-") ? undefined : first, args: argv };
}

function usageError(error: CommanderError, word: string | undefined): XpcsError {
  const text = error.message
    .replace(/^error: /, "")
    .replace(/\n/g, " ")
    .replace(/\.$/, "");
  return new XpcsError("INVALID_ARGUMENT", `${text}; see xpcs ${word === undefined ? "" : `${word} `}--help`);
}

/** Runs one command line and answers with its exit code. */
export async function runCommandLine(argv: readonly string[], run: CliRun): Promise<number> {
  const { word, args } = commandWord(argv);
  try {
    const program = newProgram(COMMANDS, run);
    const entry = COMMANDS.find((candidate) => candidate.name === word);
    if (entry) {
      const register = await entry.load();
      register(program, run.io);
      for (const command of program.commands) command.option("--json", "print JSON for programs");
    } else if (word !== undefined) {
      throw new XpcsError("INVALID_ARGUMENT", `there is no command "${word}"; xpcs --help lists them`);
    }
    await program.parseAsync(args, { from: "user" });
    return run.exitCode();
  } catch (error) {
    // Lines of the log are written at the end of a tick; the error comes after them.
    await new Promise((resolve) => setImmediate(resolve));
    if (run.io.interrupted === "SIGINT") return run.exitCode();
    if (error instanceof CommanderError) return HELP_CODES.has(error.code) ? 0 : run.fail(usageError(error, word));
    return run.fail(error);
  }
}
