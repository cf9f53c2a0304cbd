/** A link before it is authenticated: two methods, a deadline, and then the interface of the token's holder on the same link. */
import type { Party, Principal } from "../core/access.js";
import type { Clock } from "../core/clock.js";
import { isCode, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { CLIENT_API_METHODS, type ClientApi, GATE_METHODS, type Gate, WORK_SOURCE_METHODS, type WorkSource } from "../core/protocols.js";
import { VERSION, versionConflict } from "../core/version.js";
import { type Exposed, expose } from "../wire/expose.js";
import type { Link } from "../wire/link.js";
import type { Central } from "./central.js";
import type { Door } from "./door.js";
import { GATE_REQUESTS, parseRequest } from "./requests.js";
import { SiteSession } from "./site-session.js";
import type { Admitted } from "./tokens.js";

/** Refused tokens on one link before it is closed. */
const FAILURES_MAX = 3;

export interface GateOptions {
  readonly central: Central;
  readonly door: Door;
  /** The client's interface, as far as the holder of a token may use it. */
  readonly clientApi: (principal: Principal) => ClientApi;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Address of the peer, for the log. */
  readonly peer: string;
}

function enter({ principal, expiresAtMs }: Admitted, link: Link, exposed: Exposed, { central, clientApi }: GateOptions): void {
  if (principal.role !== "site") {
    exposed.become(clientApi(principal), CLIENT_API_METHODS);
    return;
  }
  const session = new SiteSession(central, principal, expiresAtMs);
  link.onClose(() => session.closed());
  exposed.become<WorkSource>(session, WORK_SOURCE_METHODS);
}

function checkVersion(party: Party, version: string): void {
  const conflict = versionConflict({ name: "central", version: VERSION }, { name: party, version });
  if (conflict !== null) throw new XpcsError("VERSION_MISMATCH", conflict);
}

/** @throws PERMISSION_DENIED the token is of another kind */
function checkParty(party: Party, { role, person }: Principal): void {
  if ((party === "site") === (role === "site")) return;
  const wants = party === "site" ? "a site's token" : "an operator's or a visitor's token";
  throw new XpcsError("PERMISSION_DENIED", `this is the token of ${role === "site" ? "a site" : `${person} (${role})`}: it needs ${wants}`);
}

/** Guards a fresh link until its peer has shown a token. */
export function guardLink(link: Link, options: GateOptions): void {
  const { central, door, clock, logger, peer } = options;
  let failures = 0;
  central.newcomers.admit(link);
  const late = () => link.close(new XpcsError("PERMISSION_DENIED", `no token within ${LIMITS.authenticateMs} ms`));
  const timer = clock.after(LIMITS.authenticateMs, late);
  link.onClose(() => timer.cancel());
  const counted = async <T>(look: () => Promise<T>): Promise<T> => {
    try {
      return await look();
    } catch (error) {
      if (isCode(error, "PERMISSION_DENIED")) failures += 1;
      // The answer goes out first; then the link closes.
      if (failures >= FAILURES_MAX) clock.after(0, () => link.close(new XpcsError("PERMISSION_DENIED", "too many wrong tokens")));
      throw error;
    }
  };

  const gate: Gate = {
    async authenticate(request) {
      const { token, version, party } = parseRequest(GATE_REQUESTS.authenticate, "authenticate", request);
      checkVersion(party, version);
      const admitted = await counted(async () => {
        const holder = await door.admit(token, peer);
        checkParty(party, holder.principal);
        return holder;
      });
      const { principal, expiresAtMs } = admitted;
      timer.cancel();
      central.newcomers.release(link);
      const { person, role, experiment, site } = principal;
      logger.info("link-authenticated", { peer, person, role, token: principal.token });
      door.watch(link, principal);
      enter(admitted, link, exposed, options);
      return { version: VERSION, person, role, experiment, site, expiresInMs: expiresAtMs === null ? null : expiresAtMs - clock.nowMs() };
    },
    async exchangeCode(request) {
      const { code, hash, version } = parseRequest(GATE_REQUESTS.exchangeCode, "exchangeCode", request);
      checkVersion("site", version);
      return { token: await counted(() => door.exchange(code, hash, peer)) };
    },
  };
  const exposed = expose(gate, GATE_METHODS, link, { logger });
}
