/**
 * The file of a central's tokens, DIR/tokens.json: hashes and what each token may do, never a token. Written whole or not at all, synced,
 * under a lock, because central and `xpcs token --data` on the same machine may both write. What tokens mean is tokens.ts.
 */
import { createHash } from "node:crypto";
import { chmod, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ROLES } from "../core/access.js";
import { type Clock, sleep } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { Logger } from "../core/log.js";

const TOKEN = z.strictObject({
  id: z.string(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  role: z.enum(ROLES),
  person: z.string(),
  experiment: z.string().nullable(),
  site: z.string().nullable(),
  createdAtMs: z.number(),
  createdBy: z.string(),
  /** The token, or the join code, that was shown to make it; null: made in the data folder, or before this was noted. */
  madeWith: z.string().nullable().default(null),
  expiresAtMs: z.number().nullable(),
  /** The end before its time, and who did it. */
  ended: z.strictObject({ how: z.enum(["revoked", "used"]), atMs: z.number(), by: z.string() }).nullable(),
  /** A join code: seconds that the site's token will be valid, null for ever. */
  join: z.strictObject({ siteValidS: z.number().nullable() }).nullable(),
});
const FILE = z.strictObject({ version: z.literal(2), tokens: z.array(TOKEN) });
/** What versions before tokens had names wrote: two tokens in clear text. */
const FILE_1 = z.strictObject({ operatorToken: z.string().min(16), siteToken: z.string().min(16) });

export type StoredToken = z.infer<typeof TOKEN>;

/** Longest that one writer may take; a lock that is older was left by a process that died. */
const LOCK_STALE_MS = 10_000;
const LOCK_RETRY_MS = 20;

/** The hash under which a token is kept: its 192 random bits need no salt and no slow hash. */
export function tokenHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** The public name of the token with that hash. */
export function tokenId(hash: string): string {
  return `t${hash.slice(0, 11)}`;
}

/** A token that nobody has ended. */
export function storedToken(
  fields: Pick<StoredToken, "hash" | "role" | "person" | "createdAtMs" | "createdBy"> & Partial<StoredToken>,
): StoredToken {
  return { experiment: null, site: null, madeWith: null, expiresAtMs: null, ended: null, join: null, ...fields, id: tokenId(fields.hash) };
}

function parseFile(text: string, path: string, nowMs: number): StoredToken[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = null;
  }
  const old = FILE_1.safeParse(content);
  if (old.success) {
    const made = { createdAtMs: nowMs, createdBy: "central" } as const;
    const { operatorToken, siteToken } = old.data;
    return [
      storedToken({ ...made, hash: tokenHash(operatorToken), role: "operator", person: "operator" }),
      storedToken({ ...made, hash: tokenHash(siteToken), role: "site", person: "site" }),
    ];
  }
  const parsed = FILE.safeParse(content);
  if (parsed.success) return parsed.data.tokens;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "" : ` (${issue.path.join(".")}: ${issue.message})`;
  throw new XpcsError("CORRUPT_DATA", `${path} is not a tokens file${where}: restore it, or remove it and start central to get new tokens`);
}

/** Takes the file from everybody but its owner, and says so: who could write it may have let himself in. */
async function keepPrivate(path: string, logger: Logger): Promise<void> {
  const mode = (await stat(path)).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  await chmod(path, mode & 0o700);
  const reason = "others could read or write it: look at xpcs token list, and revoke what should not be there";
  logger.warn("tokens-were-open", { path, mode: mode.toString(8).padStart(4, "0"), reason });
}

async function syncedWrite(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function ioFailed(what: string, error: unknown): XpcsError {
  return error instanceof XpcsError ? error : new XpcsError("IO_FAILED", `${what}: ${(error as Error).message}`);
}

export class TokenFile {
  readonly path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #seen = "";
  /** What was last read or written. */
  #tokens: readonly StoredToken[] = [];

  constructor(dir: string, clock: Clock, logger: Logger) {
    this.path = join(dir, "tokens.json");
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Changes whenever the file does; "" when there is none. */
  async #identity(): Promise<string> {
    try {
      const { ino, size, mtimeNs } = await stat(this.path, { bigint: true });
      return `${ino} ${size} ${mtimeNs}`;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
      throw ioFailed(`cannot look at ${this.path}`, error);
    }
  }

  get tokens(): readonly StoredToken[] {
    return this.#tokens;
  }

  /**
   * Reads the file if it is another one than at the last read, and tells whether it was. A file that is gone changes nothing.
   *
   * @throws CORRUPT_DATA · IO_FAILED
   */
  async reload(): Promise<boolean> {
    const identity = await this.#identity();
    if (identity === this.#seen || identity === "") return false;
    let text: string;
    try {
      await keepPrivate(this.path, this.#logger);
      text = await readFile(this.path, "utf8");
    } catch (error) {
      throw ioFailed(`cannot read ${this.path}`, error);
    }
    this.#tokens = parseFile(text, this.path, this.#clock.nowMs());
    this.#seen = identity;
    return true;
  }

  async #lock(): Promise<() => Promise<void>> {
    const path = `${this.path}.lock`;
    for (;;) {
      try {
        await (await open(path, "wx", 0o600)).close();
        return () => rm(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw ioFailed(`cannot write ${path}`, error);
      }
      const age = await stat(path).then(
        ({ mtimeMs }) => this.#clock.nowMs() - mtimeMs,
        () => 0,
      );
      if (age > LOCK_STALE_MS) await rm(path, { force: true });
      else await sleep(this.#clock, LOCK_RETRY_MS);
    }
  }

  /**
   * Changes the file: `change` sees what is in it now, and answers with the same list when there is nothing to write.
   *
   * @throws CORRUPT_DATA · IO_FAILED · what `change` throws
   */
  async update(change: (tokens: readonly StoredToken[]) => readonly StoredToken[]): Promise<void> {
    const unlock = await this.#lock();
    try {
      await this.reload();
      const next = change(this.#tokens);
      if (next === this.#tokens) return;
      const text = `${JSON.stringify({ version: 2, tokens: next }, null, 1)}\n`;
      await syncedWrite(this.path, text).catch((error: unknown) => {
        throw ioFailed(`cannot write ${this.path}`, error);
      });
      this.#seen = await this.#identity();
      this.#tokens = next;
    } finally {
      await unlock();
    }
  }
}
