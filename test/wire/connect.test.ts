/** Calls, errors, deadlines and bounds: one suite over every kind of link. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/core/clock.js";
import { XpcsError } from "../../src/core/errors.js";
import { silentLogger } from "../../src/core/log.js";
import type { MethodTable } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { childLink } from "../../src/wire/child-link.js";
import { type Connection, connect } from "../../src/wire/connect.js";
import { expose } from "../../src/wire/expose.js";
import type { Link } from "../../src/wire/link.js";
import { memoryLinkPair } from "../../src/wire/memory-link.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { listenWebSocket } from "../../src/wire/websocket-server.js";

interface Probe {
  echo(request: unknown): Promise<unknown>;
  fail(request: { code: string }): Promise<never>;
  crash(request: Record<string, never>): Promise<never>;
  never(request: { waitMs?: number }): Promise<never>;
}
const PROBE_METHODS: MethodTable<Probe> = { echo: true, fail: true, crash: true, never: true };

const probe: Probe = {
  echo: async (request) => request,
  fail: async () => {
    throw new XpcsError("NOT_FOUND", "no such job", { id: "j1", attempts: 2 });
  },
  crash: async () => {
    throw new TypeError("a defect");
  },
  never: () => new Promise(() => {}),
};

interface Opened {
  link: Link;
  /** Ends the peer without a goodbye. */
  killPeer(): void;
  stop(): Promise<void>;
}

const childMain = fileURLToPath(new URL("./child-main.mjs", import.meta.url));

/** The same suite over each transport: a new link is one row. */
const transports: Record<string, () => Promise<Opened>> = {
  memory: async () => {
    const [near, far] = memoryLinkPair();
    expose(probe, PROBE_METHODS, far, { logger: silentLogger });
    return { link: near, killPeer: () => far.close(), stop: async () => near.close() };
  },
  websocket: async () => {
    const far: Link[] = [];
    const listener = await listenWebSocket({
      host: "127.0.0.1",
      port: 0,
      clock: realClock,
      onLink: (link) => {
        far.push(link);
        expose(probe, PROBE_METHODS, link, { logger: silentLogger });
      },
    });
    const link = await openWebSocket(listener.url, { clock: realClock });
    return {
      link,
      killPeer: () => void listener.close(),
      stop: async () => {
        link.close();
        await listener.close();
      },
    };
  },
  child: async () => {
    const child = fork(childMain, { serialization: "advanced" });
    const link = childLink(child);
    return {
      link,
      killPeer: () => child.kill("SIGKILL"),
      stop: async () => {
        child.kill("SIGKILL");
      },
    };
  },
};

async function open(transport: string): Promise<Connection<Probe> & { opened: Opened }> {
  const opened = await transports[transport]!();
  return { ...connect<Probe>(opened.link, PROBE_METHODS, { clock: realClock }), opened };
}

describe.each(Object.keys(transports))("calls over a %s link", (transport) => {
  it("carry plain data and typed arrays both ways", async () => {
    const { remote, opened } = await open(transport);
    const request = { text: "µ", list: [1, null, true], values: new Float32Array([1.5, 2.25]), big: 2 ** 40 };
    expect(await remote.echo(request)).toEqual(request);
    expect(await remote.echo(undefined)).toBeUndefined();
    await opened.stop();
  });

  it("reject with code, message and details, without a stack", async () => {
    const { remote, opened } = await open(transport);
    const error = await remote.fail({ code: "x" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "NOT_FOUND", message: "no such job", details: { id: "j1", attempts: 2 } });
    expect(await remote.crash({}).catch((thrown: unknown) => thrown)).toMatchObject({ code: "INTERNAL", message: "a defect" });
    expect((error as Error).stack).not.toContain("child-main");
    await opened.stop();
  });

  it("reject with UNAVAILABLE when the peer dies, pending and later ones", async () => {
    const { remote, closed, opened } = await open(transport);
    await remote.echo(1);
    const pending = remote.never({});
    opened.killPeer();
    await expect(pending).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect((await closed).code).toBe("UNAVAILABLE");
    await expect(remote.echo(1)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await opened.stop();
  });

  it("are OVERLOADED beyond the calls in flight, and the others still answer", async () => {
    const { remote, opened } = await open(transport);
    const calls = Array.from({ length: 100 }, (_, index) => remote.echo(index));
    const settled = await Promise.allSettled(calls);
    const refused = settled.filter((call) => call.status === "rejected");
    expect(refused).toHaveLength(36);
    for (const call of refused) expect(call.reason).toMatchObject({ code: "OVERLOADED" });
    expect(await remote.echo("again")).toBe("again");
    await opened.stop();
  });

  it("reject an over-long message before it is sent, and an over-long answer, and go on", async () => {
    const { remote, opened } = await open(transport);
    await expect(remote.echo("x".repeat(1024 * 1024))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await remote.echo("fine")).toBe("fine");
    await opened.stop();
  });
});

/** Timers that run when told. */
function manualClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  const timers = new Set<{ at: number; run: () => void }>();
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    after(delayMs, run) {
      const timer = { at: now + delayMs, run };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    advance(ms) {
      now += ms;
      for (const timer of [...timers].filter(({ at }) => at <= now)) {
        timers.delete(timer);
        timer.run();
      }
    },
  };
}

describe("deadlines", () => {
  it("end a call that is not answered, later for a long poll, never for an unlimited method", async () => {
    const clock = manualClock();
    const [near, far] = memoryLinkPair();
    expose(probe, PROBE_METHODS, far, { logger: silentLogger });
    const { remote } = connect<Probe>(near, PROBE_METHODS, { clock, callDeadlineMs: 100, unlimited: ["echo"] });
    const outcomes: string[] = [];
    const watch = (name: string, call: Promise<unknown>) => call.catch((error: XpcsError) => outcomes.push(`${name} ${error.code}`));
    const plain = watch("plain", remote.never({}));
    const poll = watch("poll", remote.never({ waitMs: 1_000 }));
    clock.advance(99);
    await Promise.resolve();
    expect(outcomes).toEqual([]);
    clock.advance(1);
    await plain;
    expect(outcomes).toEqual(["plain DEADLINE_EXCEEDED"]);
    clock.advance(1_000);
    await poll;
    expect(outcomes).toEqual(["plain DEADLINE_EXCEEDED", "poll DEADLINE_EXCEEDED"]);
    expect(await remote.echo(1)).toBe(1);
  });
});

describe("a websocket listener", () => {
  it("refuses plain websockets off loopback unless told", async () => {
    const options = { host: "0.0.0.0", port: 0, clock: realClock, onLink: () => {} };
    await expect(listenWebSocket(options)).rejects.toMatchObject({ code: "REFUSED" });
    const listener = await listenWebSocket({ ...options, insecure: true });
    await listener.close();
  });

  it("names a port that is taken, and a client names a port where nobody listens", async () => {
    const first = await listenWebSocket({ host: "127.0.0.1", port: 0, clock: realClock, onLink: () => {} });
    await expect(listenWebSocket({ host: "127.0.0.1", port: first.port, clock: realClock, onLink: () => {} })).rejects.toMatchObject({
      code: "REFUSED",
    });
    await first.close();
    await expect(openWebSocket(first.url, { clock: realClock })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(openWebSocket("http://127.0.0.1:1", { clock: realClock })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
