/** How help looks: the overview on one screen, and an example under each command's options. */
import type { Command } from "commander";
import { COMMAND_GROUPS, type CommandEntry } from "./commands.js";

/** The overview: at most 34 lines of at most 100 columns (a test holds it to that). */
export function overview(version: string, entries: readonly CommandEntry[]): string {
  const width = Math.max(...entries.map((entry) => entry.name.length)) + 2;
  const groups = COMMAND_GROUPS.map((group) => ({ group, members: entries.filter((entry) => entry.group === group) }))
    .filter(({ members }) => members.length > 0)
    .flatMap(({ group, members }) => [group, ...members.map((entry) => `  ${entry.name.padEnd(width)}${entry.summary}`)]);
  return [
    `xpcs ${version}: X-ray photon correlation spectroscopy, on this machine or across facilities`,
    "Usage: xpcs COMMAND [options]      options and an example: xpcs COMMAND --help",
    ...groups,
    "All take --json. Exit: 0 done, 1 failed, 2 bad input, 3 no central, 4 refused, 130 interrupted.",
    "",
  ].join("\n");
}

/** Puts examples under a command's help. Each is a whole command line; `# ...` lines may explain. */
export function withExample(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText("after", `\nExample:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}
