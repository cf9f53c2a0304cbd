/** `xpcs token create|list|revoke`: tokens of persons and sites, through central, or on central's own machine in its data folder (--data). */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Argument, type Command, Option } from "commander";
import { tokenHash } from "../actors/token-file.js";
import { makeToken, Tokens } from "../actors/tokens.js";
import { ROLES, type Role, type TokenId, type TokenView } from "../core/access.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { silentLogger } from "../core/log.js";
import { realClock } from "../core/real-clock.js";
import type { XpcsClient } from "../index.js";
import { joinLine } from "./bundle/installer.js";
import { addCentralOptions, type CentralOptions, centralSettings, experimentOption, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { shortTime } from "./job-text.js";
import { encodeJoinCode } from "./join-code.js";
import { durationOption } from "./option-values.js";
import { type CliIo, type Column, formatTable } from "./output.js";
import { userName } from "./user-name.js";

const ACTIONS = ["create", "list", "revoke"] as const;

interface TokenOptions extends CentralOptions {
  readonly data?: string;
  readonly role?: Role;
  readonly person?: string;
  readonly experiment?: string;
  readonly site?: string;
  /** Seconds; Infinity: never. */
  readonly expires?: number;
  readonly join?: true;
  readonly url?: string;
  readonly withDescendants?: true;
}

/** The part of a client that this command needs; also offered by a data folder. */
type TokenAdmin = Pick<XpcsClient, "createToken" | "tokens" | "revokeToken">;

async function onFolder(data: string): Promise<TokenAdmin> {
  const dir = resolve(data);
  if (!existsSync(join(dir, "tokens.json")))
    throw new XpcsError("NOT_FOUND", `no central has been started on ${dir} (--data): there is no tokens.json`);
  const { tokens } = await Tokens.open(dir, { clock: realClock, logger: silentLogger, randomBytes });
  const by = userName();
  return {
    async createToken(request) {
      const token = makeToken(request.join ? "join" : request.role, randomBytes);
      return { token, view: await tokens.add({ ...request, hash: tokenHash(token) }, by, null), installer: null };
    },
    tokens: async () => tokens.list(),
    revokeToken: (id, { descendants = false } = {}) => tokens.revoke(id, by, descendants),
  };
}

function withAdmin<T>(options: TokenOptions, work: (admin: TokenAdmin) => Promise<T>): Promise<T> {
  return options.data === undefined ? withClient(options, work) : onFolder(options.data).then(work);
}

/** Days that a token is valid unless the person says otherwise. */
const VALID_DAYS: Readonly<Record<Role, number>> = { operator: 30, visitor: 30, site: 365 };

/** Where a site will dial, and whom it will trust: as this command does, unless told. */
function joinTarget(options: TokenOptions): { url: string; pin?: string; insecure?: true } {
  if (options.data !== undefined && options.url === undefined)
    throw new XpcsError("INVALID_ARGUMENT", "with --data a join code needs --url, the address at which the site reaches central");
  const { central, pin, insecure } =
    options.data === undefined ? centralSettings(options) : { central: "", pin: options.pin, insecure: options.insecure === true };
  return { url: options.url ?? central, ...(pin === undefined ? {} : { pin }), ...(insecure ? { insecure } : {}) };
}

async function create(options: TokenOptions, io: CliIo): Promise<void> {
  const { role, person = userName(), experiment, site, join: isJoin = false } = options;
  if (role === undefined) throw new XpcsError("INVALID_ARGUMENT", `what may the holder do? Give --role ${ROLES.join(", ")}`);
  const { expires = 86_400 * VALID_DAYS[role] } = options;
  const validS = expires === Infinity ? null : expires;
  if (validS !== null && validS > LIMITS.tokenValidMaxS)
    throw new XpcsError("INVALID_ARGUMENT", "--expires is beyond ten years: say never");
  const target = isJoin ? joinTarget(options) : null;
  await withAdmin(options, async (admin) => {
    const { token, view, installer } = await admin.createToken({
      ...{ role, person, validS },
      ...(experiment === undefined ? {} : { experiment }),
      ...(site === undefined ? {} : { site }),
      ...(isJoin ? { join: true } : {}),
    });
    if (target === null) {
      io.result({ token, joinCode: null, joinLine: null, ...view }, () => token);
      io.note(`shown this once. ${describe(view)}`);
    } else {
      const joinCode = encodeJoinCode({ ...target, site: view.site!, code: token });
      const line = installer === null ? null : joinLine({ ...target, installer, joinCode });
      io.result({ token: null, joinCode, joinLine: line, ...view }, () => line ?? `xpcs join ${joinCode}`);
      io.note(
        `paste this line on the machine that shall be site ${view.site}; it can be used once, until ${shortTime(view.expiresAt)} UTC.`,
      );
      if (line !== null) io.note(`It brings xpcs with it. Where xpcs is already: xpcs join ${joinCode}`);
    }
  });
}

function describe({ id, role, person, experiment, site, expiresAt }: TokenView): string {
  const scope = [experiment === null ? "" : ` of experiment ${experiment}`, site === null ? "" : ` for site ${site}`].join("");
  return `${id}: ${role}${scope}, ${person}, ${expiresAt === null ? "never expires" : `until ${shortTime(expiresAt)} UTC`}`;
}

const ending = ({ id, person, state }: TokenView) => `${id} of ${person} is ${state}`;

const COLUMNS: readonly Column[] = ["TOKEN", "PERSON", "ROLE", "EXPERIMENT", "SITE", "STATE", "EXPIRES UTC", "MADE BY", "MADE WITH"].map(
  (title) => ({
    title,
  }),
);

function tokenTable(tokens: readonly TokenView[]): string {
  return formatTable(
    COLUMNS,
    tokens.map(({ id, person, role, experiment, site, join: isJoin, state, expiresAt, createdBy, madeWith }) => [
      id,
      person,
      isJoin ? "join code" : role,
      experiment ?? (role === "site" ? "-" : "all"),
      site ?? (role === "site" ? "any" : "-"),
      state,
      expiresAt === null ? "never" : shortTime(expiresAt),
      createdBy,
      madeWith ?? "-",
    ]),
  );
}

async function run(action: (typeof ACTIONS)[number], id: TokenId | undefined, options: TokenOptions, io: CliIo): Promise<void> {
  if ((action === "revoke") !== (id !== undefined))
    throw new XpcsError(
      "INVALID_ARGUMENT",
      action === "revoke" ? "which token? xpcs token list shows their names" : `${action} takes no name of a token`,
    );
  if (options.withDescendants === true && action !== "revoke")
    throw new XpcsError("INVALID_ARGUMENT", `${action} takes no --with-descendants: it belongs to revoke`);
  if (action === "create") return create(options, io);
  await withAdmin(options, async (admin) => {
    if (action === "list") {
      const tokens = await admin.tokens();
      io.result(tokens, () => tokenTable(tokens));
    } else {
      const { token, descendants } = await admin.revokeToken(id!, { descendants: options.withDescendants === true });
      io.result({ ...token, descendants }, () => [token, ...(options.withDescendants ? descendants : [])].map(ending).join("\n"));
      const left = descendants.filter(({ state }) => state === "valid").map((made) => made.id);
      if (left.length > 0) io.note(`made with it, and still good: ${left.join(" ")}; --with-descendants ends them too`);
    }
  });
}

/** Adds the command to the program. */
export function registerToken(program: Command, io: CliIo): void {
  const command = program
    .command("token")
    .addArgument(new Argument("<action>", "what to do").choices(ACTIONS))
    .argument("[token]", "with revoke: the token's name, as list shows it")
    .description("Make, list and revoke tokens. Central keeps hashes: a token is shown once, when it is made.")
    .addOption(new Option("--role <role>", "create: what its holder may do").choices(ROLES))
    .option("--person <name>", "create: whose it is, as the ledger will say (default: you)")
    .option("--experiment <cycle/name>", "create: for the jobs of this experiment alone (default: all)", experimentOption)
    .option("--site <name>", "create: for this site alone (default: any)")
    .option("--expires <time>", "create: 12h, 30d or never (default: 30d, for a site 365d)", durationOption)
    .option("--join", "create: a join code for a site, in place of a token; it can be used once, within a day")
    .option("--url <url>", "create --join: where the site will reach central (default: as you do)")
    .option("--with-descendants", "revoke: also what was made with it, directly or by way of others")
    .option("--data <folder>", "work on central's data folder on this machine, without a token");
  addCentralOptions(command).action((action: (typeof ACTIONS)[number], id: string | undefined, options: TokenOptions) =>
    run(action, id, options, io),
  );
  withExample(
    command,
    "xpcs token create --role operator --person 'J. Smith' --experiment 2026-3/smith --expires 7d",
    "xpcs token create --role site --site polaris --join",
    "xpcs token list",
    "xpcs token revoke t1f0c9a2b3d4",
    "xpcs token revoke t1f0c9a2b3d4 --with-descendants",
  );
}
