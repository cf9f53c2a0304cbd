/**
 * `xpcs join CODE`: makes this machine a site with one paste. Makes a token of its own, has central take it in exchange for the code, keeps it in
 * the site's settings, and goes on as `xpcs site`.
 */
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { tokenHash } from "../actors/token-file.js";
import { makeToken } from "../actors/tokens.js";
import { XpcsError } from "../core/errors.js";
import { GATE_METHODS, type Gate } from "../core/protocols.js";
import { realClock } from "../core/real-clock.js";
import { VERSION } from "../core/version.js";
import { connect } from "../wire/connect.js";
import { openWebSocket } from "../wire/websocket-client.js";
import { readSettings, type Settings, siteSettingsPath } from "./client-settings.js";
import { withExample } from "./help.js";
import { decodeJoinCode, type JoinCode } from "./join-code.js";
import type { CliIo } from "./output.js";
import { addSiteOptions, runSiteCommand, type SiteRunOptions } from "./site.js";

function writeSettings(path: string, settings: Settings): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.tmp`, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
  chmodSync(`${path}.tmp`, 0o600);
  renameSync(`${path}.tmp`, path);
}

/**
 * The token is on disk before central hears of it: whatever stops this, the same code can be used again on this machine.
 * @throws PERMISSION_DENIED the code is unknown, expired or used elsewhere, or central is not the one that the code names · UNAVAILABLE
 */
async function exchange({ url, site, code, pin, insecure }: JoinCode): Promise<void> {
  const path = siteSettingsPath(site);
  const joinedWith = createHash("sha256").update(code).digest("hex").slice(0, 16);
  if (readSettings(path).joinedWith === joinedWith) return;
  const pending = `${path}.joining`;
  const trust = pin === undefined ? {} : { pin };
  const link = await openWebSocket(url, { clock: realClock, trust, insecure: insecure === true, proxy: "environment" });
  const gate = connect<Gate>(link, GATE_METHODS, { clock: realClock });
  try {
    const before = readSettings(pending);
    const token = before.joinedWith === joinedWith && before.token !== undefined ? before.token : makeToken("site", randomBytes);
    writeSettings(pending, { central: url, token, ...trust, ...(insecure ? { insecure } : {}), joinedWith });
    await gate.remote.exchangeCode({ code, hash: tokenHash(token), version: VERSION });
    renameSync(pending, path);
  } finally {
    gate.close();
  }
}

function defaultWork(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "xpcs");
}

/** From the environment other users of this machine do not see it; what this process starts shall not either. */
function takeCode(text: string | undefined): JoinCode {
  const given = text ?? process.env.XPCS_JOIN_CODE;
  delete process.env.XPCS_JOIN_CODE;
  if (given === undefined)
    throw new XpcsError("INVALID_ARGUMENT", "which code? Give what xpcs token create --join printed, or set XPCS_JOIN_CODE");
  return decodeJoinCode(given);
}

/** Adds the command to the program. */
export function registerJoin(program: Command, io: CliIo): void {
  const command = program
    .command("join")
    .argument("[code]", "what xpcs token create --join printed; it can be used once (default: XPCS_JOIN_CODE)")
    .description("Make this machine a site, and work. Later `xpcs site --name NAME` is enough: the token is kept in ~/.config/xpcs/sites.")
    .option("--work <folder>", "folder for unfinished results (default: ~/.local/state/xpcs)");
  addSiteOptions(command).action(async (text: string | undefined, options: SiteRunOptions) => {
    const code = takeCode(text);
    await exchange(code);
    io.note(`site ${code.site} has its token; from now on: xpcs site --name ${code.site} --work ${options.work ?? defaultWork()}`);
    await runSiteCommand({ ...options, work: options.work ?? defaultWork(), name: code.site }, io);
  });
  withExample(command, "xpcs join xpcs-join-eyJ1cmwiOi... --slots 4");
}
