/** `xpcs site start`: a site that goes on without the shell that started it, as an ordinary user. Or the text by which systemd or Slurm start it. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { sleep } from "../../core/clock.js";
import { ERROR_CODES, type ErrorCode, XpcsError } from "../../core/errors.js";
import { realClock } from "../../core/real-clock.js";
import type { CliIo } from "../output.js";
import { userName } from "../user-name.js";
import { freeSite, holderOf } from "./holder.js";
import { makeStateFolder } from "./kept-site.js";
import { commandLine, keepLaunch, keptLaunch, type Launch, launchOf, saysHow } from "./launch.js";
import { type SiteFiles, siteFiles, textIfThere } from "./site-folder.js";
import { statusOf } from "./site-status.js";
import { scrontabEntry, systemdUnit, UNIT_MARK, unitCommands } from "./units.js";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
/** A site that is not at central after this time is left to try. */
const PATIENCE_MS = 20_000;
const LOOK_MS = 100;

export interface StartOptions {
  readonly systemd?: true;
  readonly scrontab?: true;
}

/** What its process said at the end, as an error of ours. */
function failure(files: SiteFiles, how: string): XpcsError {
  const last = textIfThere(files.lastWords)?.trim().split("\n").at(-1) ?? "";
  try {
    const { error } = JSON.parse(last) as { error: { code: ErrorCode; message: string } };
    if (error.code in ERROR_CODES) return new XpcsError(error.code, error.message);
  } catch {
    // It did not end in our words.
  }
  return new XpcsError("INTERNAL", `the site's process ${how}${last === "" ? "" : `: ${last}`}`);
}

/** Starts it apart from this process and terminal, and waits until it has joined central. @throws what kept it from that */
async function startApart(launch: Launch, files: SiteFiles, io: CliIo): Promise<void> {
  const words = openSync(files.lastWords, "w", 0o600);
  const [program, ...rest] = [process.execPath, MAIN, "site", ...launch.words, "--json"];
  const child = spawn(program!, rest, {
    cwd: launch.cwd,
    env: { ...process.env, ...launch.environment },
    // A session of its own: no terminal, whose end would end it.
    detached: true,
    stdio: ["ignore", "ignore", words],
  });
  closeSync(words);
  const end: { how: string | null } = { how: null };
  child.once("error", (error) => {
    end.how = `cannot be started: ${error.message}`;
  });
  child.once("exit", (code, signal) => {
    end.how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
  });
  const endMs = realClock.monotonicMs() + PATIENCE_MS;
  for (;;) {
    await sleep(realClock, LOOK_MS);
    if (end.how !== null) throw failure(files, end.how);
    const holder = holderOf(files);
    const status = statusOf(files);
    const isIt = holder !== null && holder.process.pid === child.pid && status?.run === holder.run;
    if (!isIt && realClock.monotonicMs() < endMs + PATIENCE_MS) continue;
    const reached = isIt && status?.central.reached === true;
    if (!reached && realClock.monotonicMs() < endMs) continue;
    child.unref();
    const central = status?.central.url ?? null;
    io.result({ site: launch.name, pid: child.pid ?? null, central, reached, log: files.log }, () =>
      reached
        ? `site ${launch.name} works for ${central}: process ${child.pid}`
        : `site ${launch.name} runs: process ${child.pid}; central is not reached yet`,
    );
    io.note(`its log: xpcs site logs ${launch.name}`);
    return;
  }
}

/** Writes the unit and says what to do with it; starts nothing. @throws ALREADY_EXISTS another's unit */
function writeUnit(launch: Launch, io: CliIo): void {
  const path = join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "systemd", "user", `xpcs-site-${launch.name}.service`);
  const text = systemdUnit(launch, commandLine(launch, MAIN));
  const there = textIfThere(path);
  if (there !== null && !there.startsWith(UNIT_MARK))
    throw new XpcsError("ALREADY_EXISTS", `${path} is there, and was not written by this program: it stays`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  const commands = unitCommands(launch.name, userName());
  io.result({ site: launch.name, unit: path, commands }, () =>
    [`${path} is written. To start the site now, at each boot, and without a login:`, ...commands.map((line) => `  ${line}`)].join("\n"),
  );
}

/** Starts a site. @throws REFUSED somebody runs it · what the site itself ends with */
export async function startSite(command: Command, name: string, folder: string, io: CliIo): Promise<void> {
  const { systemd, scrontab } = command.opts<StartOptions>();
  const files = siteFiles(folder);
  makeStateFolder(folder);
  const isNew = saysHow(command);
  if (isNew && command.opts<{ work?: string }>().work === undefined)
    throw new XpcsError(
      "INVALID_ARGUMENT",
      "a site needs a folder for unfinished results: give --work FOLDER, or no option at all to start it as before",
    );
  if (systemd !== true && scrontab !== true) await freeSite(files, realClock);
  const launch = isNew ? launchOf(command, name, files) : keptLaunch(files, name);
  keepLaunch(files, launch);
  if (systemd === true) return writeUnit(launch, io);
  if (scrontab !== true) return startApart(launch, files, io);
  const entry = scrontabEntry(launch, commandLine(launch, MAIN), join(files.folder, "scrontab.out"));
  io.result({ site: launch.name, entry }, () => entry);
  io.note("add it with: scrontab -e");
}
