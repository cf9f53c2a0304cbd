/** The reconnecting link: what it repeats, what it does not, and when it gives up. Links here are plain objects. */
import { describe, expect, it, vi } from "vitest";
import { type ErrorCode, XpcsError } from "../../src/core/errors.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import type { Connection } from "../../src/wire/connect.js";
import { reconnecting } from "../../src/wire/reconnecting.js";

interface Echo {
  echo(request: { text: string }): Promise<string>;
}

/** A connection that is closed by the test. */
function fakeConnection(): Connection<Echo> & { lose(): void } {
  let lose = (): void => {};
  const closed = new Promise<XpcsError>((resolve) => {
    lose = () => resolve(new XpcsError("UNAVAILABLE", "the cable was pulled"));
  });
  return { remote: { echo: async ({ text }) => text }, closed, close: () => lose(), lose: () => lose() };
}

function open(dial: () => Promise<Connection<Echo>>, greet?: (remote: Echo) => Promise<void>) {
  return reconnecting<Echo>({ dial, clock: realClock, logger: silentLogger, rng: () => 0, ...(greet ? { greet } : {}) });
}

const echo = (remote: Echo): Promise<string> => remote.echo({ text: "hello" });

describe("a reconnecting link", () => {
  it("dials again until somebody answers, and then makes the call", async () => {
    let dials = 0;
    const link = open(async () => {
      dials += 1;
      if (dials < 3) throw new XpcsError("UNAVAILABLE", "nobody is there");
      return fakeConnection();
    });
    expect(await link.call(echo)).toBe("hello");
    expect(dials).toBe(3);
    link.close();
  });

  it("dials again when the link is lost, and greets on each new one before any call", async () => {
    const connections = [fakeConnection(), fakeConnection()];
    const story: string[] = [];
    const link = open(
      async () => connections[story.filter((line) => line === "greet").length]!,
      async () => void story.push("greet"),
    );
    await link.call(async () => void story.push("call"));
    connections[0]!.lose();
    await vi.waitFor(() => expect(story).toEqual(["greet", "call", "greet"]));
    await link.call(async () => void story.push("call"));
    expect(story).toEqual(["greet", "call", "greet", "call"]);
    link.close();
  });

  it.each<ErrorCode>(["UNAVAILABLE", "DEADLINE_EXCEEDED", "OVERLOADED"])("repeats a call that ends with %s", async (code) => {
    const link = open(async () => fakeConnection());
    let calls = 0;
    const answer = await link.call(async () => {
      calls += 1;
      if (calls < 3) throw new XpcsError(code, "again");
      return calls;
    });
    expect(answer).toBe(3);
    link.close();
  });

  it.each<ErrorCode>(["STALE_LEASE", "NOT_FOUND", "INTERNAL", "KEY_CONFLICT"])("does not repeat a call that ends with %s", async (code) => {
    const link = open(async () => fakeConnection());
    const run = vi.fn(async () => {
      throw new XpcsError(code, "no");
    });
    await expect(link.call(run)).rejects.toMatchObject({ code });
    expect(run).toHaveBeenCalledTimes(1);
    link.close();
  });

  it("gives up when patience ends, with the last reason", async () => {
    const link = open(async () => {
      throw new XpcsError("UNAVAILABLE", "nobody is there");
    });
    await expect(link.call(echo, { patienceMs: 150 })).rejects.toMatchObject({ code: "UNAVAILABLE", message: "nobody is there" });
    link.close();
  });

  it("ends for good when dialling again is pointless", async () => {
    const dial = vi.fn(async () => {
      throw new XpcsError("PERMISSION_DENIED", "unknown token");
    });
    const link = open(dial);
    await expect(link.call(echo)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(await link.ended).toMatchObject({ code: "PERMISSION_DENIED" });
    expect(dial).toHaveBeenCalledTimes(1);
  });

  it("lets go of a call whose signal is aborted, waiting or under way", async () => {
    const waiting = open(() => new Promise(() => {}));
    const controller = new AbortController();
    const never = open(async () => fakeConnection());
    const calls = [
      waiting.call(echo, { signal: controller.signal }),
      never.call(() => new Promise(() => {}), { signal: controller.signal }),
    ];
    setTimeout(() => controller.abort(), 20);
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: "CANCELED" });
    waiting.close();
    never.close();
  });

  it("fails calls after it was closed", async () => {
    const link = open(async () => fakeConnection());
    await link.call(echo);
    link.close();
    await expect(link.call(echo)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(link.up).toBe(false);
  });
});
