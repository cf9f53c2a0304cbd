/** Forged, expired and revoked tokens at each of central's three doors: the client's link, the site's link and HTTP. None opens, and none is told why it is near. */
import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeToken } from "../../src/actors/tokens.js";
import type { Role } from "../../src/core/access.js";
import { CLIENT_API_METHODS, type ClientApi, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { openClient, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
let boss: Connection<ClientApi>;
/** Added to the wall clock that central sees. */
let laterMs = 0;

beforeEach(() => {
  laterMs = 0;
});
withCentral(
  async (made) => {
    central = made;
    boss = await openClient(central);
  },
  { clock: { ...realClock, nowMs: () => Date.now() + laterMs } },
);
afterEach(() => boss.close());

type Door = (token: string) => Promise<string>;

async function openLink(party: "client" | "site", token: string): Promise<string> {
  const link = await openWebSocket(central.url, { clock: realClock });
  const methods = (party === "client" ? CLIENT_API_METHODS : WORK_SOURCE_METHODS) as never;
  const options = { clock: realClock, version: VERSION, token, party };
  try {
    const connection = await openSession<ClientApi & WorkSource>(link, methods, options);
    connection.close();
    return "open";
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`;
  }
}

const DOORS: Record<string, { role: Role; open: Door }> = {
  "a client's link": { role: "operator", open: (token) => openLink("client", token) },
  "a site's link": { role: "site", open: (token) => openLink("site", token) },
  HTTP: {
    role: "operator",
    async open(token) {
      const answer = await fetch(`${central.url.replace("ws", "http")}/v1/jobs`, { headers: { authorization: `Bearer ${token}` } });
      return answer.status === 200 ? "open" : `${answer.status} ${await answer.text()}`;
    },
  },
};

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function newToken(role: Role, validS: number): Promise<{ token: string; id: string }> {
  const token = makeToken(role, randomBytes);
  return { token, id: (await boss.remote.addToken({ hash: sha256(token), role, person: "alice", validS })).token.id };
}

/** Nothing like it may open; what only differs in what no header can carry is left out. At most nine: more failures close the door itself. */
function forgeries(token: string): string[] {
  const at = token.length - 5;
  const other = token[at] === "A" ? "B" : "A";
  return [
    token.slice(0, -1),
    `${token}A`,
    token.slice(0, at) + other + token.slice(at + 1),
    token.toUpperCase(),
    token.replace(/^xpcs_[a-z]+_/, ""),
    token.replace(/^xpcs_[a-z]+_/, "xpcs_vis_"),
    sha256(token),
    "",
    "A".repeat(256),
  ];
}

describe.each(Object.entries(DOORS))("%s", (_, { role, open }) => {
  it("opens to a token that counts, and to nothing near it", async () => {
    const { token } = await newToken(role, 3_600);
    expect(await open(token)).toBe("open");
    for (const forged of forgeries(token)) {
      const answer = await open(forged);
      expect(answer, forged).toMatch(/^(PERMISSION_DENIED|401) /);
      expect(answer).not.toContain(token);
      expect(answer).not.toMatch(/alice|expired|revoked/);
    }
    expect(await open(token)).toBe("open");
  });

  it("does not open when the token has expired, or was revoked, and says which", async () => {
    const [short, ended, long] = [await newToken(role, 60), await newToken(role, 3_600), await newToken(role, 7_200)];
    await boss.remote.revokeToken({ id: ended.id });
    expect(await open(ended.token)).toMatch(/^(PERMISSION_DENIED|401) .*revoked/);
    expect(await open(short.token)).toBe("open");
    laterMs = 61_000;
    expect(await open(short.token)).toMatch(/^(PERMISSION_DENIED|401) .*expired/);
    expect(await open(long.token)).toBe("open");
  });

  it("does not open to a token of the other kind, nor to a join code", async () => {
    const other = await newToken(role === "site" ? "operator" : "site", 3_600);
    expect(await open(other.token)).toMatch(/^(PERMISSION_DENIED|401|403) /);
    const code = makeToken("join", randomBytes);
    await boss.remote.addToken({ hash: sha256(code), role: "site", person: "alice", site: "polaris", validS: 3_600, join: true });
    expect(await open(code)).toMatch(/^(PERMISSION_DENIED|401) /);
  });
});
