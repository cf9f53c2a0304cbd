/**
 * Settings of a command from a YAML file, of which JSON is a part: each key is the long name of one of the command's options. They are put in front
 * of the command line as if typed, so that the same readers check them and what is typed wins.
 */
import type { Command, Option } from "commander";
import type { LineCounter, YAMLMap } from "yaml";
import { XpcsError } from "../core/errors.js";
import { readText } from "./text-file.js";
import { documentOf, plainOf, yaml } from "./yaml-text.js";

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
  return command.option("--config <file>", "settings from a YAML or JSON file, keys as the long option names; the command line wins");
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
  const { document, lines } = documentOf(readText(path, "the config file"), path);
  if (!yaml().isMap(document.contents)) {
    const what = "must hold settings: lines of `option: value`, or one JSON object";
    throw new XpcsError("INVALID_ARGUMENT", `${path} ${what}`);
  }
  return settingsOf(document.contents, plainOf(path, document) as Plain, lines).flatMap((setting) => {
    const option = optionOf(command, setting, path, rules);
    return isGiven(words, option) ? [] : settingWords(option, setting, path, rules);
  });
}

/**
 * The words that each entry of a list of settings stands for, with the line at which it begins.
 *
 * @param command its options are the keys
 * @throws NOT_FOUND · INVALID_ARGUMENT with the line
 */
export function settingsLists(path: string, command: Command, rules: ConfigRules): { words: string[]; line: number }[] {
  const { isMap, isSeq } = yaml();
  const { document, lines } = documentOf(readText(path, "the config file"), path);
  const entries = isSeq(document.contents) ? document.contents.items : [];
  if (entries.length === 0 || !entries.every(isMap))
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `${path} must hold a list of settings: entries of \`- option: value\`, or a JSON array of objects`,
    );
  const plain = plainOf(path, document) as Plain[];
  return (entries as YAMLMap[]).map((entry, at) => ({
    words: settingsOf(entry, plain[at]!, lines).flatMap((setting) =>
      settingWords(optionOf(command, setting, path, rules), setting, path, rules),
    ),
    line: lines.linePos(entry.range?.[0] ?? 0).line,
  }));
}

function optionOf(command: Command, { key, line }: Setting, path: string, rules: ConfigRules): Option {
  const long = `--${rules.nameOf?.(key) ?? key}`;
  const option = NOT_SETTINGS.has(long) ? undefined : command.options.find((candidate) => candidate.long === long);
  if (option !== undefined) return option;
  throw new XpcsError("INVALID_ARGUMENT", `${path} line ${line}: there is no setting "${key}"; xpcs ${command.name()} --help lists them`);
}

function settingWords(option: Option, { value, line }: Setting, path: string, { repeatable = [] }: ConfigRules): string[] {
  return optionWords(option, value, `${path} line ${line}`, repeatable);
}

interface Setting {
  readonly key: string;
  readonly value: unknown;
  readonly line: number;
}

type Plain = Readonly<Record<string, unknown>>;

function settingsOf(map: YAMLMap, plain: Plain, lines: LineCounter): Setting[] {
  const { isScalar } = yaml();
  return map.items.map(({ key }) => {
    const name = String(isScalar(key) ? key.value : key);
    const at = isScalar(key) ? (key.range?.[0] ?? 0) : 0;
    return { key: name, value: plain[name], line: lines.linePos(at).line };
  });
}

/** The option as words; nothing for a flag that is false or a value that is null. */
function optionWords(option: Option, value: unknown, where: string, repeatable: readonly string[]): string[] {
  const long = option.long!;
  const refuse = (must: string): never => {
    throw new XpcsError("INVALID_ARGUMENT", `${where}: ${long.slice(2)} must be ${must}`);
  };
  if (value === null) return [];
  if (!option.required && typeof value === "boolean") return value ? [long] : [];
  if (!option.required && !option.optional) return refuse("true or false");
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
