/** The part of the client's interface that is about the ledger as a whole. Who may call it is access-rights.ts's. */
import type { ClientApi } from "../core/protocols.js";
import type { Backups } from "./backups.js";
import type { Central } from "./central.js";
import { CLIENT_REQUESTS, parseRequest } from "./requests.js";

/** Copies of the ledger of `central`. */
export function ledgerAdmin(central: Central, backups: Backups): Pick<ClientApi, "backup"> {
  return {
    async backup(request) {
      const { id, part } = parseRequest(CLIENT_REQUESTS.backup, "backup", request);
      // Between two commits: what a caller has been told of is in it.
      return id === null ? backups.begin(await central.turn(() => central.moment())) : backups.part(id, part);
    },
  };
}
