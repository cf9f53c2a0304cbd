/** How help looks: the overview on one screen, and an example under each command's options. */
import type { Command } from "commander";
import { COMMAND_GROUPS, type CommandEntry } from "./commands.js";

/** Names up to this stand above each other. */
const NAME_COLUMNS = 12;
const COLUMNS = 100;

/** One entry a line, or two where both are short. */
function entryLines(entries: readonly CommandEntry[]): string[] {
  const cells = entries.map(({ name, summary }) => `${`${name}  `.padEnd(NAME_COLUMNS)}${summary}`);
  const lines: string[] = [];
  for (let at = 0; at < cells.length; at += 1) {
    const [left, right] = [`  ${cells[at]!}`, cells[at + 1]];
    const half = COLUMNS / 2 - 1;
    const both = right !== undefined && left.length <= half - 2 && right.length <= COLUMNS - half;
    lines.push(both ? left.padEnd(half) + right : left);
    if (both) at += 1;
  }
  return lines;
}

/** The overview: at most 34 lines of at most 100 columns (a test holds it to that). */
export function overview(version: string, entries: readonly CommandEntry[]): string {
  const groups = COMMAND_GROUPS.map((group) => ({ group, members: entries.filter((entry) => entry.group === group) }))
    .filter(({ members }) => members.length > 0)
    .flatMap(({ group, members }) => [group, ...entryLines(members)]);
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
