/**
 * Who asks the HTTP API of a facility: a token that a person keeps in a file, or one that is got for a client with a key (OAuth 2 client credentials,
 * private_key_jwt of RFC 7523), and got anew before it ends. Files are read whenever they are needed, so that a new one needs no restart.
 */
import { createPrivateKey, type JsonWebKey, type KeyObject, webcrypto } from "node:crypto";
import * as oauth from "oauth4webapi";
import { z } from "zod";
import type { Clock } from "../core/clock.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { readSecretFile } from "../files/secret-file.js";
import { createHttpClient } from "../wire/http-client.js";
import { isLoopback } from "../wire/loopback.js";
import type { Credential } from "./schedulers/define.js";

const WHAT = "the credential of the API";
/** A token is got anew so long before it ends, or at half of its life. */
const MARGIN_S = 60;
/** Where it is not said how long a token lives. */
const LIFE_S = 300;
const TOKEN_TIMEOUT_MS = 30_000;

/** A token in a file, as whoever renews it has put it there. */
export function tokenFile(path: string): Credential {
  return {
    async token() {
      const token = (await readSecretFile(path, WHAT)).trim();
      if (!/^[\x21-\x7e]+$/.test(token)) throw new XpcsError("INVALID_ARGUMENT", `${path} holds no token: one word of letters and signs`);
      return token;
    },
    refused: () => {},
  };
}

const KEY_FILE = z.object({ client_id: z.string().min(1), secret: z.record(z.string(), z.unknown()) });

interface ClientKey {
  readonly id: string;
  readonly key: KeyObject;
}

/** `{"client_id", "secret": JWK}`, or a PEM key with the client's id in the first line. @throws INVALID_ARGUMENT */
export function parseClientKey(text: string, path: string): ClientKey {
  try {
    if (text.trimStart().startsWith("{")) {
      const { client_id: id, secret } = KEY_FILE.parse(JSON.parse(text));
      return { id, key: createPrivateKey({ key: secret as JsonWebKey, format: "jwk" }) };
    }
    const [id = "", ...pem] = text.trimStart().split("\n");
    if (!/^[\w.-]+\s*$/.test(id)) throw new Error("its first line is no client's id");
    return { id: id.trim(), key: createPrivateKey(pem.join("\n")) };
  } catch {
    // The reason may show parts of the key.
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `${path} holds no client with a key: JSON with client_id and secret, or the id in a line before a PEM key`,
    );
  }
}

const IMPORT = { rsa: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, ec: { name: "ECDSA", namedCurve: "P-256" } } as const;

async function signingKey({ key }: ClientKey, path: string): Promise<oauth.CryptoKey> {
  const kind = key.asymmetricKeyType === "ec" ? "ec" : "rsa";
  try {
    return await webcrypto.subtle.importKey("pkcs8", key.export({ type: "pkcs8", format: "der" }), IMPORT[kind], false, ["sign"]);
  } catch {
    throw new XpcsError("INVALID_ARGUMENT", `the key of ${path} is of a kind that cannot sign: RSA, or an elliptic curve P-256`);
  }
}

/** Asks like fetch, through our own client: by its rules of trust and proxies. */
function askWith(clock: Clock): NonNullable<oauth.ClientCredentialsGrantRequestOptions[typeof oauth.customFetch]> {
  return async (address, { method, headers, body }) => {
    const url = new URL(address);
    const client = createHttpClient({ url, speaks: "other", proxy: "environment" });
    const stop = new AbortController();
    const timer = clock.after(TOKEN_TIMEOUT_MS, () => stop.abort());
    try {
      const answer = await client.ask({
        ...{ method: method as "POST", path: `${url.pathname}${url.search}`, headers, signal: stop.signal },
        body: Buffer.from(String(body)),
      });
      const { status, headers: got } = answer;
      return new Response(await answer.text(), { status, headers: { "content-type": got["content-type"] ?? "" } });
    } finally {
      timer.cancel();
      client.close();
    }
  };
}

/** Tokens for a client whose key is in a file. */
export function clientCredentials(path: string, tokenUrl: string, clock: Clock): Credential {
  // The audience of the client's assertion is the address of the token endpoint (RFC 7523, section 3).
  const server: oauth.AuthorizationServer = { issuer: tokenUrl, token_endpoint: tokenUrl };
  const options = { [oauth.customFetch]: askWith(clock), [oauth.allowInsecureRequests]: isLoopback(new URL(tokenUrl).hostname) };
  let kept: { readonly token: string; readonly freshUntilMs: number } | null = null;
  let underWay: Promise<string> | null = null;

  async function fetchToken(): Promise<string> {
    const client = parseClientKey(await readSecretFile(path, WHAT), path);
    const auth = oauth.PrivateKeyJwt(await signingKey(client, path));
    const id = { client_id: client.id };
    try {
      const response = await oauth.clientCredentialsGrantRequest(server, id, auth, {}, options);
      const { access_token: token, expires_in: lifeS = LIFE_S } = await oauth.processClientCredentialsResponse(server, id, response);
      kept = { token, freshUntilMs: clock.monotonicMs() + Math.max(lifeS / 2, lifeS - MARGIN_S) * 1000 };
      return token;
    } catch (error) {
      const { code, message } = toXpcsError(error);
      const reason = error instanceof oauth.ResponseBodyError ? `${error.error}: ${error.error_description ?? "no reason given"}` : message;
      const words = `${new URL(tokenUrl).origin} gave no access token for client ${client.id}: ${reason}`;
      throw new XpcsError("UNAVAILABLE", code === "UNAVAILABLE" ? words : `${words}; a new key in ${path} is used without a restart`);
    }
  }

  return {
    async token() {
      if (kept !== null && clock.monotonicMs() < kept.freshUntilMs) return kept.token;
      underWay ??= fetchToken().finally(() => {
        underWay = null;
      });
      return underWay;
    },
    refused(token) {
      if (kept?.token === token) kept = null;
    },
  };
}
