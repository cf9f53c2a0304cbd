/** The documents against the program: commands and options that they name exist, links lead somewhere, help fits. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { type CommandEntry, COMMANDS as ENTRIES } from "../src/cli/commands.js";
import { overview } from "../src/cli/help.js";
import { createRun } from "../src/cli/output.js";
import { VERSION } from "../src/core/version.js";
import { readTree } from "./tidy/source-tree.js";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TREE = readTree(ROOT);
const DOCUMENTS = [...TREE].filter(([path]) => path.endsWith(".md") && !path.startsWith("test/"));

/** The command as its file registers it, on a program of its own. */
async function registered(entry: CommandEntry): Promise<Command> {
  const { io } = createRun({ stdout: { write: () => {} }, stderr: { write: () => {} } }, false);
  const program = new Command("xpcs");
  (await entry.load())(program, io);
  const [command] = program.commands;
  if (command === undefined) throw new Error(`${entry.name} registers no command`);
  return command.option("--json");
}

/** What commander would print, with the examples. */
function helpText(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

/** Command lines of `xpcs` in a text: `npx --no-install` is dropped, continuation lines are joined, pipes and comments end one. */
function commandLines(text: string): string[] {
  return text
    .replace(/\s*\\\n\s*/g, " ")
    .split("\n")
    .map((line) => line.replace(/^\s*(\$ )?(npx --no-install )?/, "").replace(/\s+([#|>&]|2>).*$/, ""))
    .filter((line) => /^xpcs(\s|$)/.test(line));
}

/** What is wrong with a command line: an unknown command, or options that the command does not have. */
function faults(line: string, commands: ReadonlyMap<string, Command>): string[] {
  const [, name, ...rest] = line.split(/\s+/);
  if (name === undefined || /^(--help|--version|help|COMMAND)$/.test(name)) return [];
  const command = commands.get(name);
  if (command === undefined) return [`${line}: there is no command ${name}`];
  const known = new Set(["--help", "-h", ...command.options.flatMap((option) => [option.long, option.short])]);
  const unknown = rest.map((word) => word.replace(/=.*/, "")).filter((word) => /^--?[a-z]/.test(word) && !known.has(word));
  return unknown.map((word) => `${line}: ${name} has no option ${word}`);
}

const COMMANDS = new Map(await Promise.all(ENTRIES.map(async (entry) => [entry.name, await registered(entry)] as const)));

describe("README", () => {
  const readme = TREE.get("README.md") ?? "";

  it("is short enough to be read", () => {
    expect(readme.trimEnd().split("\n").length).toBeLessThan(150);
  });

  it("shows how to use the tool", () => {
    expect(codeBlocks(readme).flatMap(commandLines).length).toBeGreaterThan(5);
  });

  it("shows what the demo really prints", () => {
    expect(readme.includes("<!-- demo output -->")).toBe(false);
  });
});

function codeBlocks(text: string): string[] {
  return [...text.matchAll(/```(?:sh|bash|console|text)?\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
}

describe.each(DOCUMENTS)("%s", (path, text) => {
  it("names commands and options that exist", () => {
    const lines = [...codeBlocks(text).flatMap(commandLines), ...[...text.matchAll(/`(xpcs [^`\n]+)`/g)].map((match) => match[1] ?? "")];
    expect(lines.flatMap((line) => faults(line, COMMANDS))).toEqual([]);
  });

  it("names npm scripts that exist", () => {
    const { scripts } = JSON.parse(TREE.get("package.json") ?? "{}") as { scripts: Record<string, string> };
    const named = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map((match) => match[1] ?? "");
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it("has links that lead somewhere", () => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
    const local = targets.filter((target) => !/^(https?:|mailto:|#)/.test(target)).map((target) => target.replace(/#.*/, ""));
    expect(local.filter((target) => !existsSync(join(ROOT, dirname(path), target)))).toEqual([]);
  });
});

describe("xpcs --help", () => {
  const lines = overview(VERSION, ENTRIES).trimEnd().split("\n");

  it("fits one screen", () => {
    expect(lines.length).toBeLessThanOrEqual(34);
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
  });

  it("names every command", () => {
    expect(ENTRIES.map((entry) => entry.name).filter((name) => !lines.some((line) => line.includes(`  ${name}  `)))).toEqual([]);
  });
});

describe.each(ENTRIES)("xpcs $name --help", (entry) => {
  const command = COMMANDS.get(entry.name);
  const help = command === undefined ? "" : helpText(command);
  const example = help.slice(help.indexOf("\nExample"));

  it("says what the command is for", () => {
    expect(command?.name()).toBe(entry.name);
    expect(command?.description()).not.toBe("");
  });

  it("ends with an example that is right", () => {
    const lines = commandLines(example);
    expect(lines.filter((line) => line.startsWith(`xpcs ${entry.name}`))).not.toEqual([]);
    expect(lines.flatMap((line) => faults(line, COMMANDS))).toEqual([]);
  });
});

describe("the check itself", () => {
  it.each([
    ["xpcs nonsense --out x", "there is no command nonsense"],
    ["xpcs doctor --jsn", "doctor has no option --jsn"],
    ["xpcs doctor -z=1", "doctor has no option -z"],
  ])("finds fault with %s", (line, fault) => {
    expect(faults(line, COMMANDS)).toEqual([`${line}: ${fault}`]);
  });

  it("joins continued lines and drops what is not the command's", () => {
    expect(commandLines("$ xpcs corr a \\\n  --out b | cat -n   # note\nls\nnpx --no-install xpcs doctor")).toEqual([
      "xpcs corr a --out b",
      "xpcs doctor",
    ]);
  });
});
