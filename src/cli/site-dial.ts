/**
 * How a site dials central: with the token that its settings hold at that moment, so that a new token needs no restart. Warns 12 h and 2 h before
 * the token ends, unless a new one is there already; then it is used at once. A site that has worked is not stopped by a token that ended: it
 * goes on computing, and tries again with whatever token it is given.
 */
import type { Clock } from "../core/clock.js";
import { isCode, toXpcsError, XpcsError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { WORK_SOURCE_METHODS, type WorkSource } from "../core/protocols.js";
import { beforeExpiry, timeLeft } from "../core/token-expiry.js";
import { VERSION } from "../core/version.js";
import { type Connection, openSession, type Session } from "../wire/connect.js";
import type { CentralSettings } from "./client-settings.js";
import { openLink, type Reach } from "./site-reach.js";

export interface SiteDialOptions {
  /** The settings as they are now. */
  readonly settings: () => CentralSettings;
  readonly reach: Reach;
  readonly clock: Clock;
  readonly logger: Logger;
}

function warnBeforeExpiry(session: Session<WorkSource>, used: string, { settings, clock, logger }: SiteDialOptions): void {
  const warning = beforeExpiry(clock, session.welcome.expiresInMs, (leftMs) => {
    if (settings().token !== used) {
      logger.info("token-renewed", { reason: "the settings hold a new token: connecting with it" });
      return session.close();
    }
    logger.warn("token-expires", {
      person: session.welcome.person,
      reason: `in ${timeLeft(leftMs)}: put a new one where this one is, and it is used without a restart`,
    });
  });
  void session.closed.then(() => warning.cancel());
}

/** One dial after the other, as src/wire/reconnecting.ts asks for them. */
export function siteDial(options: SiteDialOptions): () => Promise<Connection<WorkSource>> {
  const { settings, reach, clock } = options;
  let worked = false;
  return async () => {
    const now = settings();
    const { token } = now;
    try {
      const link = await openLink(reach, now, clock);
      const session = await openSession<WorkSource>(link, WORK_SOURCE_METHODS, { clock, token, version: VERSION, party: "site" });
      worked = true;
      warnBeforeExpiry(session, token, options);
      return session;
    } catch (error) {
      if (!worked || !isCode(error, "PERMISSION_DENIED")) throw error;
      throw new XpcsError("UNAVAILABLE", `${toXpcsError(error).message}; a new token in the settings is used without a restart`);
    }
  };
}
