/**
 * Who is let in, and for how long: tokens are looked up, failed log-ins are counted by address, and what is open is closed when its token
 * expires or is revoked. Used by links and by HTTP requests alike; what a holder may do inside is access-rights.ts.
 */
import type { Principal, TokenView } from "../core/access.js";
import type { Clock, Timer } from "../core/clock.js";
import { isCode, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { warningOfExpiry } from "../core/token-expiry.js";
import type { Link } from "../wire/link.js";
import { LoginLimiter } from "./login-limiter.js";
import type { Admitted, Tokens } from "./tokens.js";

/** What a link needs of the door. */
export interface Door {
  /** @throws PERMISSION_DENIED · OVERLOADED too many wrong tokens from there */
  admit(token: string, peer: string): Promise<Admitted>;
  /** Exchanges a join code. @throws PERMISSION_DENIED · OVERLOADED */
  exchange(code: string, hash: string, peer: string): Promise<TokenView>;
  /** Closes the link when its holder's token ends. */
  watch(link: Link, principal: Principal): void;
}

export class GuardedDoor implements Door {
  readonly #tokens: Tokens;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limiter: LoginLimiter;
  readonly #onRefused: () => void;
  readonly #open = new Map<Link, Principal>();
  /** Last warning given for each token, hours before its end. */
  readonly #warned = new Map<string, number>();
  #timer: Timer | null = null;

  /** @param onRefused called for each token that is refused, or not looked at */
  constructor(tokens: Tokens, { clock, logger, onRefused }: { clock: Clock; logger: Logger; onRefused: () => void }) {
    this.#onRefused = onRefused;
    this.#tokens = tokens;
    this.#clock = clock;
    this.#logger = logger;
    this.#limiter = new LoginLimiter(clock);
  }

  async #counted<T>(peer: string, look: () => Promise<T>): Promise<T> {
    const waitMs = this.#limiter.waitMs(peer);
    if (waitMs > 0) {
      this.#onRefused();
      const seconds = Math.ceil(waitMs / 1_000);
      throw new XpcsError("OVERLOADED", `too many wrong tokens from ${peer}: the next is looked at in ${seconds} s`, {
        retryAfterS: seconds,
      });
    }
    try {
      return await look();
    } catch (error) {
      if (isCode(error, "PERMISSION_DENIED")) {
        this.#onRefused();
        this.#limiter.failed(peer);
        this.#logger.warn("token-refused", { peer, reason: (error as Error).message });
      }
      throw error;
    }
  }

  admit(token: string, peer: string): Promise<Admitted> {
    return this.#counted(peer, () => this.#tokens.admit(token));
  }

  exchange(code: string, hash: string, peer: string): Promise<TokenView> {
    return this.#counted(peer, () => this.#tokens.exchange(code, hash));
  }

  /** Links that are open. */
  get size(): number {
    return this.#open.size;
  }

  watch(link: Link, principal: Principal): void {
    this.#open.set(link, principal);
    link.onClose(() => this.#open.delete(link));
  }

  /** Begins to look for tokens that changed, expired or were revoked. */
  start(): void {
    this.#timer = this.#clock.after(LIMITS.tokenCheckMs, () => {
      void this.check().then(() => {
        if (this.#timer !== null) this.start();
      });
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** One look. */
  async check(): Promise<void> {
    await this.#tokens.reload();
    for (const [link, { token, person }] of [...this.#open]) {
      const end = this.#tokens.endOf(token);
      if (end === null) continue;
      this.#logger.warn("link-closed", { token, person, reason: `its token ${end === "expired" ? "expired" : "was revoked"}` });
      link.close(new XpcsError("PERMISSION_DENIED", `token ${token} ${end === "expired" ? "expired" : "was revoked"}`));
    }
    this.#warn();
  }

  #warn(): void {
    const nowMs = this.#clock.nowMs();
    for (const { id, person, role, site, expiresAt, state, join } of this.#tokens.list()) {
      if (state !== "valid" || expiresAt === null || join) continue;
      const hours = warningOfExpiry(Date.parse(expiresAt) - nowMs);
      if (hours === null || hours >= (this.#warned.get(id) ?? Infinity)) continue;
      this.#warned.set(id, hours);
      this.#logger.warn("token-expires", {
        token: id,
        person,
        role,
        site,
        expiresAt,
        reason: `less than ${hours} h are left: make a new one`,
      });
    }
  }
}
