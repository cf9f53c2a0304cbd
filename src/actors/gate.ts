/** A link before it is authenticated: one method, a deadline, and then the interface of the token's role on the same link. */
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { CLIENT_API_METHODS, GATE_METHODS, type Gate, type Role, WORK_SOURCE_METHODS, type WorkSource } from "../core/protocols.js";
import { VERSION, versionConflict } from "../core/version.js";
import { type Exposed, expose } from "../wire/expose.js";
import type { Link } from "../wire/link.js";
import type { Central } from "./central.js";
import { clientSession } from "./client-session.js";
import { GATE_REQUESTS, parseRequest } from "./requests.js";
import { SiteSession } from "./site-session.js";

/** Wrong tokens on one link before it is closed. */
const FAILURES_MAX = 3;

export interface GateOptions {
  readonly central: Central;
  readonly roleOf: (token: string) => Role | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Address of the peer, for the log. */
  readonly peer: string;
}

function enter(role: Role, link: Link, exposed: Exposed, central: Central): void {
  if (role === "operator") {
    exposed.become(clientSession(central), CLIENT_API_METHODS);
    return;
  }
  const session = new SiteSession(central);
  link.onClose(() => session.closed());
  exposed.become<WorkSource>(session, WORK_SOURCE_METHODS);
}

/** Guards a fresh link until its peer has shown a token. */
export function guardLink(link: Link, { central, roleOf, clock, logger, peer }: GateOptions): void {
  let failures = 0;
  central.newcomers.admit(link);
  const late = () => link.close(new XpcsError("PERMISSION_DENIED", `no token within ${LIMITS.authenticateMs} ms`));
  const timer = clock.after(LIMITS.authenticateMs, late);
  link.onClose(() => timer.cancel());

  const gate: Gate = {
    async authenticate(request) {
      const { token, version, role } = parseRequest(GATE_REQUESTS.authenticate, "authenticate", request);
      const conflict = versionConflict({ name: "central", version: VERSION }, { name: role === "site" ? "site" : "client", version });
      if (conflict !== null) throw new XpcsError("VERSION_MISMATCH", conflict);
      const granted = roleOf(token);
      if (granted !== role) {
        failures += 1;
        logger.warn("token-refused", { peer, role, failures });
        // The answer goes out first; then the link closes.
        if (failures >= FAILURES_MAX) clock.after(0, () => link.close(new XpcsError("PERMISSION_DENIED", "too many wrong tokens")));
        const wants = role === "site" ? "a site token" : "an operator token";
        throw new XpcsError("PERMISSION_DENIED", `central does not accept this token: ${wants} is in tokens.json of central's data folder`);
      }
      timer.cancel();
      central.newcomers.release(link);
      logger.info("link-authenticated", { peer, role });
      enter(role, link, exposed, central);
      return { role, version: VERSION };
    },
  };
  const exposed = expose(gate, GATE_METHODS, link, { logger });
}
