/**
 * The tokens of a central: made once, kept in DIR/tokens.json for the owner's eyes, compared in constant time. One per role for now;
 * tokens per person and experiment come as more entries behind `roleOf`.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { chmod, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { XpcsError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import type { Role } from "../core/protocols.js";

export interface Tokens {
  readonly operatorToken: string;
  readonly siteToken: string;
}

const TOKENS = z.strictObject({ operatorToken: z.string().min(16), siteToken: z.string().min(16) });

function parseTokens(text: string, path: string): Tokens {
  try {
    return TOKENS.parse(JSON.parse(text));
  } catch {
    throw new XpcsError("CORRUPT_DATA", `${path} is not a tokens file: restore it, or remove it to get new tokens`);
  }
}

/** Takes the file from everybody but its owner, and says so: who could read it may have its tokens. */
async function keepPrivate(path: string, logger: Logger): Promise<void> {
  const mode = (await stat(path)).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  await chmod(path, mode & 0o700);
  const reason = "others could read or write it, and may know the tokens: to get new ones, stop central and remove the file";
  logger.warn("tokens-were-open", { path, mode: mode.toString(8).padStart(4, "0"), reason });
}

/**
 * The tokens in `dir`; makes them at the first start, mode 0600, and takes other rights from a file that has them.
 *
 * @throws CORRUPT_DATA the file is damaged; IO_FAILED
 */
export async function loadTokens(dir: string, randomBytes: (size: number) => Uint8Array, logger: Logger): Promise<Tokens> {
  const path = join(dir, "tokens.json");
  try {
    const tokens = parseTokens(await readFile(path, "utf8"), path);
    await keepPrivate(path, logger);
    return tokens;
  } catch (error) {
    if (error instanceof XpcsError) throw error;
    if ((error as { code?: string }).code !== "ENOENT")
      throw new XpcsError("IO_FAILED", `cannot read ${path}: ${(error as Error).message}`);
  }
  const make = (role: string) => `xpcs_${role}_${Buffer.from(randomBytes(24)).toString("base64url")}`;
  const tokens = { operatorToken: make("op"), siteToken: make("site") };
  try {
    // Whole or not at all: a crash must not leave half a file that stops the next start.
    await writeFile(`${path}.tmp`, `${JSON.stringify(tokens, null, 2)}\n`, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  } catch (error) {
    throw new XpcsError("IO_FAILED", `cannot write ${path}: ${(error as Error).message}`);
  }
  return tokens;
}

const sha256 = (text: string) => createHash("sha256").update(text).digest();

/** The role that `token` has, or null. Takes the same time whatever is wrong with it. */
export function roleOf(tokens: Tokens, token: string): Role | null {
  const given = sha256(token);
  const isOperator = timingSafeEqual(given, sha256(tokens.operatorToken));
  const isSite = timingSafeEqual(given, sha256(tokens.siteToken));
  if (isOperator) return "operator";
  return isSite ? "site" : null;
}
