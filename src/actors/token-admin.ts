/** The part of the client's interface that makes and ends tokens. Who may call it is access-rights.ts's. */
import type { Principal } from "../core/access.js";
import type { ClientApi } from "../core/protocols.js";
import { CLIENT_REQUESTS, parseRequest } from "./requests.js";
import type { Tokens } from "./tokens.js";

/**
 * Makes and ends tokens in the name of `principal`.
 * @param installer what a new site can fetch from this central; null: nothing
 */
export function tokenAdmin(
  tokens: Tokens,
  { person, token }: Principal,
  installer: string | null,
): Pick<ClientApi, "addToken" | "tokens" | "revokeToken"> {
  return {
    async addToken(request) {
      const view = await tokens.add(parseRequest(CLIENT_REQUESTS.addToken, "addToken", request), person, token);
      return { token: view, ...(view.join && installer !== null ? { installer } : {}) };
    },
    async tokens(request) {
      parseRequest(CLIENT_REQUESTS.tokens, "tokens", request);
      await tokens.reload();
      return { tokens: tokens.list() };
    },
    async revokeToken(request) {
      const { id, descendants = false } = parseRequest(CLIENT_REQUESTS.revokeToken, "revokeToken", request);
      return tokens.revoke(id, person, descendants);
    },
  };
}
