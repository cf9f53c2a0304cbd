/** The handshake: which versions work together, and what a peer of the next version may add. */
import { describe, expect, it } from "vitest";
import { CLIENT_API_METHODS, type ClientApi, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { openClient, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
withCentral((made) => {
  central = made;
});

/** This version, with the minor number changed. */
function minorOff(by: number): string {
  const [major, minor] = VERSION.split(".").map(Number) as [number, number];
  return `${major}.${minor + by}.0`;
}

async function operator(version: string) {
  const link = await openWebSocket(central.url, { clock: realClock });
  return openSession<ClientApi>(link, CLIENT_API_METHODS, {
    clock: realClock,
    token: central.operatorToken,
    version,
    party: "client",
  });
}

async function site(version: string) {
  const link = await openWebSocket(central.url, { clock: realClock });
  return openSession<WorkSource>(link, WORK_SOURCE_METHODS, { clock: realClock, token: central.siteToken, version, party: "site" });
}

describe("a peer of the next minor version", () => {
  it("works, also when it tells central more than this version knows", async () => {
    const client = await operator(minorOff(1));
    expect((await client.remote.jobs({})).jobs).toEqual([]);
    const newer = await site(minorOff(1));
    const join = { site: "newer", instance: "1", host: "h", slots: 1, apps: ["xpcs.noop"], held: [], gpus: 4 };
    expect((await newer.remote.join(join)).leaseMs).toBeGreaterThan(0);
    client.close();
    newer.close();
  });

  it("is refused an order that this version would not carry out", async () => {
    const client = await operator(minorOff(1));
    await expect(client.remote.jobs({ colour: "green" } as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    client.close();
  });
});

describe("a peer further apart", () => {
  it.each([
    ["two minor versions", minorOff(2), "upgrade the central"],
    ["a major version", "9.0.0", "upgrade the central"],
    ["no version at all", "latest", "gives no version"],
  ])("is refused, by %s, and the sentence says who must upgrade", async (_name, version, sentence) => {
    await expect(operator(version)).rejects.toMatchObject({
      code: "VERSION_MISMATCH",
      message: expect.stringContaining(sentence),
    });
    await expect(site(version)).rejects.toMatchObject({ code: "VERSION_MISMATCH" });
    const client = await openClient(central);
    expect((await client.remote.jobs({})).jobs).toEqual([]);
    client.close();
  });
});
