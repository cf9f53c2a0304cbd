/**
 * Where central is, which token to show, and whom to trust: options, then environment, then the person's settings file; for a site that has
 * joined, its own settings file comes before that. Shared by all commands that talk to a central.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import { XpcsError } from "../core/errors.js";
import { EXPERIMENT_PATTERN } from "../core/job.js";
import { timeLeft } from "../core/token-expiry.js";
import { connect, type XpcsClient } from "../index.js";
import { trustOf } from "../wire/trust.js";
import { readText } from "./text-file.js";

export interface CentralOptions {
  readonly central?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly pin?: string;
  readonly insecure?: true;
}

export interface CentralSettings {
  readonly central: string;
  readonly token: string;
  /** Certificates (PEM) of authorities to trust in place of the system's. */
  readonly ca?: string;
  readonly pin?: string;
  readonly insecure: boolean;
}

/** What client.json and the files of joined sites may hold. */
const SettingsFile = z.strictObject({
  central: z.string().optional(),
  token: z.string().optional(),
  /** Path of a file of certificates. */
  ca: z.string().optional(),
  pin: z.string().optional(),
  insecure: z.boolean().optional(),
  experiment: z.string().optional(),
  /** Which join code the token came from. */
  joinedWith: z.string().optional(),
});
export type Settings = z.infer<typeof SettingsFile>;

/** Adds the options that say where central is. */
export function addCentralOptions(command: Command): Command {
  return command
    .option("--central <url>", "address of central, e.g. ws://127.0.0.1:7878 (default: XPCS_CENTRAL, then ~/.config/xpcs/client.json)")
    .option("--token <token>", "what central gave you (default: XPCS_TOKEN, then ~/.config/xpcs/client.json)")
    .option("--token-file <file>", "file with the token, read again at each connection (default: XPCS_TOKEN_FILE)")
    .option("--pin <pin>", "the one key that central may have: sha256/..., as central showed it (default: XPCS_PIN)")
    .option("--ca <file>", "certificates of authorities to trust, in place of the system's (default: XPCS_CA)")
    .option("--insecure", "allow a plain ws:// off this machine, which shows the token to the network");
}

function settingsFolder(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "xpcs");
}

function settingsPath(): string {
  return join(settingsFolder(), "client.json");
}

/** The settings file of a site that has joined. */
export function siteSettingsPath(site: string): string {
  return join(settingsFolder(), "sites", `${site}.json`);
}

/**
 * A settings file; nothing when it is not there.
 * @throws INVALID_ARGUMENT it is damaged
 */
export function readSettings(path: string): Settings {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return {};
  }
  try {
    return SettingsFile.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof z.ZodError ? error.issues.map((issue) => issue.message).join("; ") : (error as Error).message;
    throw new XpcsError("INVALID_ARGUMENT", `${path} must hold {"central": URL, "token": TOKEN, "experiment": CYCLE/NAME}: ${why}`);
  }
}

/** The token of options or environment. */
function tokenOf(token: string | undefined, file: string | undefined): string | undefined {
  return token || (file ? readText(file, "the token file").trim() : undefined);
}

/**
 * The settings of a command.
 * @param site a site that may have settings of its own, which come before the environment: that may be a person's
 * @throws INVALID_ARGUMENT one of the two is nowhere to be found, or a file is damaged
 */
export function centralSettings(options: CentralOptions, site?: string): CentralSettings {
  const { XPCS_CENTRAL, XPCS_TOKEN, XPCS_TOKEN_FILE, XPCS_PIN, XPCS_CA } = process.env;
  const own = site === undefined ? {} : readSettings(siteSettingsPath(site));
  const given = {
    central: options.central || own.central || XPCS_CENTRAL,
    token: tokenOf(options.token, options.tokenFile) || own.token || tokenOf(XPCS_TOKEN, XPCS_TOKEN_FILE),
  };
  const path = settingsPath();
  const settings = given.central && given.token ? {} : readSettings(path);
  const central = given.central || settings.central;
  const token = given.token || settings.token;
  if (!central) throw new XpcsError("INVALID_ARGUMENT", `where is central? Give --central URL, set XPCS_CENTRAL, or write it to ${path}`);
  if (!token) throw new XpcsError("INVALID_ARGUMENT", `which token? Give --token TOKEN, set XPCS_TOKEN, or write it to ${path}`);
  const ca = options.ca || own.ca || XPCS_CA || settings.ca;
  const pin = options.pin || own.pin || XPCS_PIN || settings.pin;
  return {
    central,
    token,
    ...(ca ? { ca: readText(ca, "the file of certificates (--ca)") } : {}),
    ...(pin ? { pin } : {}),
    insecure: options.insecure === true || own.insecure === true || settings.insecure === true,
  };
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

/** A person at a terminal hears of it; scripts read the log of central. */
function tellOfExpiry(leftMs: number): void {
  if (process.stderr.isTTY)
    process.stderr.write(`xpcs: your token expires in ${timeLeft(leftMs)}: ask for a new one (xpcs token create)\n`);
}

/** Runs `work` with a client and closes it, whatever happens. */
export async function withClient<T>(options: CentralOptions, work: (client: XpcsClient) => Promise<T>): Promise<T> {
  const settings = centralSettings(options);
  const client = await connect(settings.central, {
    token: () => centralSettings(options).token,
    ...trustOf(settings),
    insecure: settings.insecure,
    onExpiring: tellOfExpiry,
  });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}
