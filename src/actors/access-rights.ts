/**
 * What each role may call of the client's interface. Which jobs it may see and touch is client-session.ts's; that a link of a site has only the
 * site's interface is gate.ts's.
 */
import type { Principal } from "../core/access.js";
import { XpcsError } from "../core/errors.js";
import type { ClientApi } from "../core/protocols.js";

/** look: operators and visitors · act: operators · administer: operators of all experiments. */
type Right = "look" | "act" | "administer";

/** Exhaustive by its type: a new method has no right by default. */
const RIGHTS: Readonly<Record<keyof ClientApi, Right>> = {
  submit: "act",
  jobs: "look",
  job: "look",
  explain: "look",
  sites: "look",
  cancel: "act",
  modify: "act",
  retry: "act",
  changes: "look",
  live: "look",
  logs: "look",
  addToken: "administer",
  tokens: "administer",
  revokeToken: "administer",
  backup: "administer",
  archiveExperiment: "act",
  removeExperiment: "administer",
  downtimes: "look",
  addDowntime: "administer",
  removeDowntime: "administer",
  setProbation: "administer",
};

function mayCall({ role, experiment }: Principal, right: Right): boolean {
  if (role === "site") return false;
  if (right === "look") return true;
  return role === "operator" && (right === "act" || experiment === null);
}

const NEEDS: Readonly<Record<Right, string>> = {
  look: "a visitor's or an operator's token",
  act: "an operator's token",
  administer: "the token of an operator of all experiments",
};

type Method = (request: unknown) => Promise<unknown>;

/** `api` as far as `principal` may use it; the rest answers PERMISSION_DENIED. */
export function withinRights(api: ClientApi, principal: Principal): ClientApi {
  const methods = Object.entries(RIGHTS).map(([name, right]) => {
    const method = api[name as keyof ClientApi] as Method;
    const refused: Method = async () => {
      const { person, role, experiment } = principal;
      const whose = `${person}'s token (${role}${experiment === null ? "" : ` of ${experiment}`})`;
      throw new XpcsError("PERMISSION_DENIED", `${name}: ${whose} does not allow this; it needs ${NEEDS[right]}`);
    };
    return [name, mayCall(principal, right) ? method : refused] as const;
  });
  return Object.fromEntries(methods) as unknown as ClientApi;
}
