/**
 * Where central is and which token to show: options, then environment, then the person's settings file.
 * Shared by all commands that talk to a central.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import { XpcsError } from "../core/errors.js";
import { EXPERIMENT_PATTERN } from "../core/job.js";
import { connect, type XpcsClient } from "../index.js";

export interface CentralOptions {
  readonly central?: string;
  readonly token?: string;
}

export interface CentralSettings {
  readonly central: string;
  readonly token: string;
}

const SettingsFile = z.strictObject({ central: z.string().optional(), token: z.string().optional(), experiment: z.string().optional() });
type Settings = { readonly [K in keyof z.infer<typeof SettingsFile>]?: string };

/** Adds --central and --token. */
export function addCentralOptions(command: Command): Command {
  return command
    .option("--central <url>", "address of central, e.g. ws://127.0.0.1:7878 (default: XPCS_CENTRAL, then ~/.config/xpcs/client.json)")
    .option("--token <token>", "what central gave you (default: XPCS_TOKEN, then ~/.config/xpcs/client.json)");
}

function settingsPath(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "xpcs", "client.json");
}

function readSettings(path: string): Settings {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return {};
  }
  try {
    return SettingsFile.parse(JSON.parse(text)) as Settings;
  } catch (error) {
    const why = error instanceof z.ZodError ? error.issues.map((issue) => issue.message).join("; ") : (error as Error).message;
    throw new XpcsError("INVALID_ARGUMENT", `${path} must hold {"central": URL, "token": TOKEN, "experiment": CYCLE/NAME}: ${why}`);
  }
}

/**
 * The settings of a command; the file is read only for what options and environment leave open.
 * @throws INVALID_ARGUMENT one of the two is nowhere to be found, or the file is damaged
 */
export function centralSettings(options: CentralOptions): CentralSettings {
  const given = { central: options.central || process.env.XPCS_CENTRAL, token: options.token || process.env.XPCS_TOKEN };
  const path = settingsPath();
  const settings = given.central && given.token ? {} : readSettings(path);
  const central = given.central || settings.central;
  const token = given.token || settings.token;
  if (!central) throw new XpcsError("INVALID_ARGUMENT", `where is central? Give --central URL, set XPCS_CENTRAL, or write it to ${path}`);
  if (!token) throw new XpcsError("INVALID_ARGUMENT", `which token? Give --token TOKEN, set XPCS_TOKEN, or write it to ${path}`);
  return { central, token };
}

/** Reads an experiment's name: CYCLE/NAME. */
export function experimentOption(text: string): string {
  if (!EXPERIMENT_PATTERN.test(text))
    throw new InvalidArgumentError("It must be CYCLE/NAME, such as 2026-3/smith: letters, digits, dots, dashes and underscores.");
  return text;
}

/**
 * The experiment that new jobs belong to: the option, then the environment, then the settings file; null when nobody says.
 * @throws INVALID_ARGUMENT it is no experiment's name
 */
export function experimentSetting(option: string | undefined): string | null {
  if (option !== undefined) return option;
  const [from, text] = process.env.XPCS_EXPERIMENT
    ? ["XPCS_EXPERIMENT", process.env.XPCS_EXPERIMENT]
    : [settingsPath(), readSettings(settingsPath()).experiment];
  if (text === undefined) return null;
  if (!EXPERIMENT_PATTERN.test(text))
    throw new XpcsError("INVALID_ARGUMENT", `the experiment "${text}" of ${from} must be CYCLE/NAME, such as 2026-3/smith`);
  return text;
}

/** Runs `work` with a client and closes it, whatever happens. */
export async function withClient<T>(options: CentralOptions, work: (client: XpcsClient) => Promise<T>): Promise<T> {
  const { central, token } = centralSettings(options);
  const client = await connect(central, { token });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}
