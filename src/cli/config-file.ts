/**
 * Settings of a command from a JSON file: each key is the long name of one of the command's options. They are put in front
 * of the command line as if typed, so that the same readers check them and what is typed wins.
 */
import { readFileSync } from "node:fs";
import type { Command, Option } from "commander";
import { XpcsError } from "../core/errors.js";

export interface ConfigRules {
  /** Long name of the option that a key means: `frame-time` of `frame-time`, or another spelling. */
  readonly nameOf?: (key: string) => string;
  /** Options that may be given several times; their value may be a list, or an object of key=value pairs. */
  readonly repeatable?: readonly string[];
}

/** Options that say how to run, not what: they are no settings. */
const NOT_SETTINGS = new Set(["--config", "--json", "--help", "--version"]);

/** Declares `--config`. */
export function addConfigOption(command: Command): Command {
  return command.option("--config <file>", "settings from a JSON file, keys as the long option names; the command line wins");
}

/** Makes a command read its `--config` file, which it must declare. */
export function readsConfig(command: Command, rules: ConfigRules = {}): Command {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => parse([...configWords(command, words, rules), ...words]);
  return command;
}

/** The words that the config file of a command line stands for; none without one. */
function configWords(command: Command, words: readonly string[], rules: ConfigRules): string[] {
  const declared = command.options.find(({ long }) => long === "--config");
  const path = declared === undefined ? undefined : lastValue(words, declared);
  if (path === undefined) return [];
  const text = readText(path);
  const settings = parseObject(path, text);
  return Object.entries(settings).flatMap(([key, value]) => {
    const where = `${path} line ${lineOf(text, key)}`;
    const long = `--${rules.nameOf?.(key) ?? key}`;
    const option = NOT_SETTINGS.has(long) ? undefined : command.options.find((candidate) => candidate.long === long);
    if (option === undefined)
      throw new XpcsError("INVALID_ARGUMENT", `${where}: there is no setting "${key}"; xpcs ${command.name()} --help lists them`);
    return isGiven(words, option) ? [] : optionWords(option, value, where, rules.repeatable ?? []);
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new XpcsError("NOT_FOUND", `the config file ${path} cannot be read: ${(error as Error).message}`);
  }
}

function parseObject(path: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const at = /position (\d+)/.exec(message)?.[1];
    const line = at === undefined ? "" : ` line ${text.slice(0, Number(at)).split("\n").length}`;
    throw new XpcsError("INVALID_ARGUMENT", `${path}${line} is not JSON: ${message}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new XpcsError("INVALID_ARGUMENT", `${path} must hold one JSON object, { "option": value, ... }`);
}

/** Line of the first place where the text has the key. */
function lineOf(text: string, key: string): number {
  const quoted = JSON.stringify(key).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const at = text.search(new RegExp(`${quoted}\\s*:`));
  return text.slice(0, Math.max(at, 0)).split("\n").length;
}

/** The option as words; nothing for a flag that is false or a value that is null. */
function optionWords(option: Option, value: unknown, where: string, repeatable: readonly string[]): string[] {
  const long = option.long!;
  const refuse = (must: string): never => {
    throw new XpcsError("INVALID_ARGUMENT", `${where}: ${long.slice(2)} must be ${must}`);
  };
  if (value === null) return [];
  if (!option.required) return typeof value === "boolean" ? (value ? [long] : []) : refuse("true or false");
  if (typeof value === "string" || typeof value === "number") return [`${long}=${value}`];
  const many = option.variadic || repeatable.includes(long.slice(2));
  if (many && Array.isArray(value) && value.every((each) => typeof each === "string")) return value.map((each) => `${long}=${each}`);
  if (many && !option.variadic && typeof value === "object" && !Array.isArray(value))
    return Object.entries(value as object).map(([key, each]) => `${long}=${key}=${each}`);
  return refuse(many ? "a text or a list of texts" : "a text or a number");
}

function isGiven(words: readonly string[], { long, short }: Option): boolean {
  return words.some(
    (word) => word === long || word.startsWith(`${long}=`) || (short !== undefined && !word.startsWith("--") && word.startsWith(short)),
  );
}

/** The last value that the words give to an option. */
function lastValue(words: readonly string[], { long, short }: Option): string | undefined {
  let found: string | undefined;
  words.forEach((word, at) => {
    if (word === long || word === short) found = words[at + 1];
    else if (word.startsWith(`${long}=`)) found = word.slice(`${long}=`.length);
  });
  return found;
}
