/** A site and the end of its token: warned, renewed without a restart, and never stopped by it. */
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { tokenHash } from "../../src/actors/token-file.js";
import { makeToken } from "../../src/actors/tokens.js";
import type { CentralSettings } from "../../src/cli/client-settings.js";
import { siteDial } from "../../src/cli/site-dial.js";
import type { Clock } from "../../src/core/clock.js";
import type { LogFields } from "../../src/core/log.js";
import type { ClientApi } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import type { Connection } from "../../src/wire/connect.js";
import { reconnecting } from "../../src/wire/reconnecting.js";
import { openClient, type TestCentral, withCentral } from "../actors/support.js";
import { virtualClock } from "../actors/virtual-clock.js";

let central: TestCentral;
let boss: Connection<ClientApi>;
let settings: CentralSettings;
let log: { event: string; fields: LogFields }[];
const note = (event: string, fields: LogFields = {}) => void log.push({ event, fields });
const logger = { info: note, warn: note, error: note };

beforeEach(() => {
  log = [];
});
withCentral(async (made) => {
  central = made;
  boss = await openClient(central);
});
afterEach(() => boss.close());

/** A new token in the settings. */
async function renew(validS: number): Promise<string> {
  const token = makeToken("site", randomBytes);
  const made = await boss.remote.addToken({ hash: tokenHash(token), role: "site", person: "alice", validS });
  settings = { central: central.url, token, insecure: false };
  return made.token.id;
}

const events = () => log.map(({ event }) => event);

describe("the token of a site", () => {
  it("is warned of 12 h and 2 h before its end, and a new one in the settings is used at once instead of the second warning", async () => {
    await renew(20 * 3_600);
    const time = virtualClock(0);
    // The link's own timers are real; those of the warning are the test's.
    const clock: Clock = {
      ...realClock,
      monotonicMs: time.monotonicMs,
      after: (ms, run) => (ms > 60_000 ? time : realClock).after(ms, run),
    };
    const dial = siteDial({ settings: () => settings, reach: { by: "dialling" }, clock, logger });
    const first = await dial();
    await time.advance(8 * 3_600_000 + 60_000);
    expect(log).toMatchObject([
      { event: "token-expires", fields: { person: "alice", reason: expect.stringMatching(/^in (12 h 0|11 h 59) min: put a new one/) } },
    ]);
    await renew(40 * 3_600);
    await time.advance(10 * 3_600_000);
    expect(events()).toEqual(["token-expires", "token-renewed"]);
    expect((await first.closed).code).toBe("UNAVAILABLE");
    const second = await dial();
    expect(log).toHaveLength(2);
    second.close();
  });

  it("ends the site when it never worked, but not a site that worked, which goes on with the next token", async () => {
    settings = { central: central.url, token: "forged", insecure: false };
    const dial = siteDial({ settings: () => settings, reach: { by: "dialling" }, clock: realClock, logger });
    await expect(dial()).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const id = await renew(3_600);
    let ended = false;
    const link = reconnecting({ dial, clock: realClock, logger, rng: () => 0 });
    void link.ended.then(() => {
      ended = true;
    });
    await vi.waitFor(() => expect(link.up).toBe(true));
    await boss.remote.revokeToken({ id });
    await vi.waitFor(
      () =>
        expect(log.some(({ event, fields }) => event === "link-down" && /was revoked.*without a restart/.test(String(fields.reason)))).toBe(
          true,
        ),
      { timeout: 5_000 },
    );
    expect(ended).toBe(false);
    await renew(3_600);
    await vi.waitFor(() => expect(link.up).toBe(true), { timeout: 5_000 });
    link.close();
  });
});
