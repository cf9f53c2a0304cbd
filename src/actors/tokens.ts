/**
 * The tokens of a central: who a token belongs to, making and ending them. Reads the file again when it has changed, so that a token made or
 * revoked on the disk counts without a restart. Knows no links; that is door.ts.
 */
import type { Principal, Revoked, TokenId, TokenRequest, TokenView } from "../core/access.js";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { type StoredToken, storedToken, TokenFile, tokenHash, tokenId } from "./token-file.js";

/** The beginning of each kind of token: a token that turned up in a log or a repository can be recognised for what it is. */
const PREFIX = { operator: "xpcs_op_", visitor: "xpcs_vis_", site: "xpcs_site_", join: "xpcs_join_" } as const;

/** A new token: 192 random bits. */
export function makeToken(kind: keyof typeof PREFIX, randomBytes: (size: number) => Uint8Array): string {
  return PREFIX[kind] + Buffer.from(randomBytes(24)).toString("base64url");
}

export interface Admitted {
  readonly principal: Principal;
  readonly expiresAtMs: number | null;
}

const iso = (ms: number) => new Date(ms).toISOString();

function stateOf(token: StoredToken, nowMs: number): TokenView["state"] {
  if (token.ended !== null) return token.ended.how;
  return token.expiresAtMs !== null && token.expiresAtMs <= nowMs ? "expired" : "valid";
}

function viewOf(token: StoredToken, nowMs: number): TokenView {
  const { id, person, role, experiment, site, createdBy, madeWith } = token;
  const expiresAt = token.expiresAtMs === null ? null : iso(token.expiresAtMs);
  const base = { id, person, role, experiment, site, join: token.join !== null };
  return { ...base, state: stateOf(token, nowMs), createdAt: iso(token.createdAtMs), createdBy, madeWith, expiresAt };
}

/** What a request may not combine. */
function checkRequest({ role, experiment, site, join }: TokenRequest): void {
  if (role === "site" && experiment !== undefined)
    throw new XpcsError("INVALID_ARGUMENT", "a site works for all experiments: leave the experiment out");
  if (role !== "site" && site !== undefined)
    throw new XpcsError("INVALID_ARGUMENT", "only a site token is for one site: leave the site out");
  if (join && (role !== "site" || site === undefined)) throw new XpcsError("INVALID_ARGUMENT", "a join code is for one site: name it");
}

export class Tokens {
  readonly #file: TokenFile;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #byHash = new Map<string, StoredToken>();
  #byId = new Map<TokenId, StoredToken>();

  private constructor(file: TokenFile, clock: Clock, logger: Logger) {
    this.#file = file;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * The tokens in `dir`. At the first start there are none: then an operator's and a site's are made, and given in clear text this once.
   *
   * @throws CORRUPT_DATA the file is damaged · IO_FAILED
   */
  static async open(
    dir: string,
    { clock, logger, randomBytes }: { clock: Clock; logger: Logger; randomBytes: (size: number) => Uint8Array },
  ): Promise<{ tokens: Tokens; first: { operatorToken: string; siteToken: string } | null }> {
    const tokens = new Tokens(new TokenFile(dir, clock, logger), clock, logger);
    let first: { operatorToken: string; siteToken: string } | null = null;
    await tokens.#update((stored) => {
      // Written even when nothing is new: a file of an older version holds tokens in clear text.
      if (stored.length > 0) return [...stored];
      first = { operatorToken: makeToken("operator", randomBytes), siteToken: makeToken("site", randomBytes) };
      const made = { createdAtMs: clock.nowMs(), createdBy: "central" };
      return [
        storedToken({ ...made, hash: tokenHash(first.operatorToken), role: "operator", person: "operator" }),
        storedToken({ ...made, hash: tokenHash(first.siteToken), role: "site", person: "site" }),
      ];
    });
    return { tokens, first };
  }

  #index(): void {
    this.#byHash = new Map(this.#file.tokens.map((token) => [token.hash, token]));
    this.#byId = new Map(this.#file.tokens.map((token) => [token.id, token]));
  }

  async #update(change: (tokens: readonly StoredToken[]) => readonly StoredToken[]): Promise<void> {
    await this.#file.update(change);
    this.#index();
  }

  /** Reads the file again if it has changed. A damaged one is reported, and the tokens stay as they were. */
  async reload(): Promise<void> {
    try {
      if (!(await this.#file.reload())) return;
      this.#index();
      this.#logger.info("tokens-reloaded", { tokens: this.#byHash.size });
    } catch (error) {
      this.#logger.error("tokens-not-reloaded", { reason: (error as Error).message });
    }
  }

  /**
   * Who the token belongs to.
   *
   * @throws PERMISSION_DENIED unknown, expired, revoked, or a join code
   */
  async admit(token: string): Promise<Admitted> {
    const hash = tokenHash(token);
    if (!this.#byHash.has(hash)) await this.reload();
    const stored = this.#byHash.get(hash);
    if (stored === undefined)
      throw new XpcsError("PERMISSION_DENIED", "central does not know this token: ask an operator for one (xpcs token create)");
    const state = stateOf(stored, this.#clock.nowMs());
    if (stored.join !== null) throw new XpcsError("PERMISSION_DENIED", "this is a join code, not a token: use it with xpcs join");
    if (state !== "valid") {
      const when = state === "expired" ? iso(stored.expiresAtMs!) : iso(stored.ended!.atMs);
      throw new XpcsError(
        "PERMISSION_DENIED",
        `token ${stored.id} of ${stored.person} ${state === "expired" ? "expired" : "was revoked"} at ${when}: ask an operator for a new one`,
      );
    }
    const { id, person, role, experiment, site } = stored;
    return { principal: { token: id, person, role, experiment, site }, expiresAtMs: stored.expiresAtMs };
  }

  /** Why the token counts no more, or null while it does. */
  endOf(id: TokenId): "expired" | "revoked" | null {
    const token = this.#byId.get(id);
    const state = token === undefined ? "revoked" : stateOf(token, this.#clock.nowMs());
    if (state === "valid") return null;
    return state === "expired" ? "expired" : "revoked";
  }

  /** All tokens, newest first. */
  list(): TokenView[] {
    const nowMs = this.#clock.nowMs();
    return [...this.#byHash.values()].map((token) => viewOf(token, nowMs)).reverse();
  }

  #view(id: TokenId): TokenView {
    return viewOf(this.#byId.get(id)!, this.#clock.nowMs());
  }

  /**
   * Adds a token. Idempotent by its hash.
   *
   * @param by the person who makes it
   * @param madeWith the token that was shown for it; null: none, but the right to write the data folder
   * @throws INVALID_ARGUMENT what cannot go together · KEY_CONFLICT the hash is another token's · OVERLOADED too many tokens · PERMISSION_DENIED
   *   `madeWith` has ended meanwhile
   */
  async add(request: TokenRequest, by: string, madeWith: TokenId | null): Promise<TokenView> {
    checkRequest(request);
    const { hash, role, person, experiment = null, site = null, validS, join = false } = request;
    const nowMs = this.#clock.nowMs();
    const lifeS = join ? LIMITS.joinCodeS : validS;
    const token = storedToken({
      ...{ hash, role, person, experiment, site, createdAtMs: nowMs, createdBy: by, madeWith },
      expiresAtMs: lifeS === null ? null : nowMs + 1_000 * lifeS,
      join: join ? { siteValidS: validS } : null,
    });
    await this.#update((stored) => {
      // Revoking a token with what was made with it leaves no time to make more.
      const maker = stored.find((other) => other.id === madeWith);
      if (madeWith !== null && (maker === undefined || stateOf(maker, nowMs) !== "valid"))
        throw new XpcsError("PERMISSION_DENIED", `token ${madeWith} has ended: it makes no other`);
      const same = stored.find((other) => other.id === token.id);
      if (same === undefined) return appended(stored, token, nowMs);
      if (same.hash === hash && same.role === role && same.person === person && same.experiment === experiment && same.site === site)
        return stored;
      throw new XpcsError("KEY_CONFLICT", `there is a token ${token.id} already: make another one`);
    });
    this.#logger.info("token-created", { token: token.id, role, person, experiment, site, join, by, madeWith });
    return this.#view(token.id);
  }

  /**
   * Ends a token now, and if asked what was made with it, all in one write. Idempotent.
   *
   * @throws NOT_FOUND
   */
  async revoke(id: TokenId, by: string, withDescendants: boolean): Promise<Revoked> {
    let made: readonly StoredToken[] = [];
    let revoked: readonly TokenId[] = [];
    await this.#update((stored) => {
      if (!stored.some((other) => other.id === id)) throw new XpcsError("NOT_FOUND", `there is no token ${id}: xpcs token list shows them`);
      made = descendantsOf(id, stored);
      const ids = new Set([id, ...(withDescendants ? made.map((token) => token.id) : [])]);
      const open = stored.filter((token) => ids.has(token.id) && token.ended === null);
      revoked = open.map((token) => token.id);
      if (open.length === 0) return stored;
      const ended = { how: "revoked", atMs: this.#clock.nowMs(), by } as const;
      return stored.map((token) => (open.includes(token) ? { ...token, ended } : token));
    });
    for (const token of revoked) this.#logger.info("token-revoked", { token, by });
    return { token: this.#view(id), descendants: made.map((token) => this.#view(token.id)).reverse() };
  }

  /**
   * Exchanges a join code for the token of its site. Idempotent by the token's hash.
   *
   * @param hash of the token that the site has made for itself
   * @throws PERMISSION_DENIED the code is unknown, expired, or was used for another token
   */
  async exchange(code: string, hash: string): Promise<TokenView> {
    const codeHash = tokenHash(code);
    const nowMs = this.#clock.nowMs();
    let used = "";
    await this.#update((stored) => {
      const join = stored.find((other) => other.hash === codeHash);
      const made = stored.find((other) => other.hash === hash);
      if (join?.join == null) throw new XpcsError("PERMISSION_DENIED", "central does not know this join code: ask for a new one");
      if (join.ended?.how === "used" && made?.createdBy === join.id) return stored;
      const state = stateOf(join, nowMs);
      if (state !== "valid" || made !== undefined) {
        throw new XpcsError(
          "PERMISSION_DENIED",
          `this join code ${state === "used" || state === "valid" ? "was used" : state === "revoked" ? "was revoked" : "has expired"}: ask for a new one`,
        );
      }
      used = join.id;
      const { role, person, site } = join;
      const expiresAtMs = join.join.siteValidS === null ? null : nowMs + 1_000 * join.join.siteValidS;
      const token = storedToken({ hash, role, person, site, createdAtMs: nowMs, createdBy: join.id, madeWith: join.id, expiresAtMs });
      const ended = { how: "used", atMs: nowMs, by: token.id } as const;
      return appended(
        stored.map((other) => (other === join ? { ...join, ended } : other)),
        token,
        nowMs,
      );
    });
    const view = this.#view(tokenId(hash));
    if (used !== "") this.#logger.info("join-code-used", { code: used, token: view.id, site: view.site, person: view.person });
    return view;
  }
}

/** What was made with a token, also by way of others. A token stands behind the one that it was made with. */
function descendantsOf(id: TokenId, stored: readonly StoredToken[]): StoredToken[] {
  const family = new Set([id]);
  return stored.filter(({ id: own, madeWith }) => {
    const belongs = madeWith !== null && family.has(madeWith);
    if (belongs) family.add(own);
    return belongs;
  });
}

/** With the token, and without those that ended long ago and with which nothing was made that is kept. */
function appended(stored: readonly StoredToken[], token: StoredToken, nowMs: number): StoredToken[] {
  const keptAfterMs = nowMs - 1_000 * LIMITS.endedTokensKeptS;
  const makers = new Set([token.madeWith]);
  const kept = stored
    .toReversed()
    .filter(({ id, madeWith, ended, expiresAtMs }) => {
      const isKept = makers.has(id) || Math.min(ended?.atMs ?? Infinity, expiresAtMs ?? Infinity) > keptAfterMs;
      if (isKept) makers.add(madeWith);
      return isKept;
    })
    .reverse();
  if (kept.length >= LIMITS.tokensMax) throw new XpcsError("OVERLOADED", `there are ${kept.length} tokens: revoke some that nobody needs`);
  return [...kept, token];
}
