/** What a websocket link does beyond carrying messages: one write per tick, bounds on what waits, and telling why it closes. */
import { describe, expect, it, vi } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { LIMITS } from "../../src/core/limits.js";
import type { MethodTable } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { connect } from "../../src/wire/connect.js";
import type { Link } from "../../src/wire/link.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { listenWebSocket } from "../../src/wire/websocket-server.js";

async function pair(): Promise<{ near: Link; far: Link; stop: () => Promise<void> }> {
  let far: Link | null = null;
  const listener = await listenWebSocket({
    host: "127.0.0.1",
    port: 0,
    clock: realClock,
    onLink: (link) => {
      far = link;
    },
  });
  const near = await openWebSocket(listener.url, { clock: realClock });
  await vi.waitFor(() => expect(far).not.toBeNull());
  return { near, far: far!, stop: () => listener.close() };
}

const closing = (link: Link) => new Promise<XpcsError>((resolve) => link.onClose(resolve));

describe("a websocket link", () => {
  it("holds the messages of one tick back, then writes them together and in order", async () => {
    const { near, far, stop } = await pair();
    const received: number[] = [];
    far.onBytes((bytes) => received.push(bytes[0]!));
    for (let n = 0; n < 200; n += 1) near.send(new Uint8Array(100).fill(n));
    expect(near.buffered).toBeGreaterThan(200 * 100);
    await vi.waitFor(() => expect(received).toHaveLength(200));
    expect(received).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(near.buffered).toBe(0);
    near.close();
    await stop();
  });

  it("tells the peer why it closes, in at most the bytes that a close frame has", async () => {
    const { near, far, stop } = await pair();
    const told = closing(near);
    far.close(new XpcsError("PERMISSION_DENIED", `the token was revoked ${"µ".repeat(200)}`));
    expect((await told).message).toMatch(/the token was revoked µ+\)$/);
    expect((await told).code).toBe("UNAVAILABLE");
    await stop();
  });

  it("refuses calls while too many bytes wait for a peer that does not read", async () => {
    interface Probe {
      echo(request: unknown): Promise<unknown>;
    }
    const methods: MethodTable<Probe> = { echo: true };
    const stuck: Link = {
      send: () => {},
      onBytes: () => {},
      onClose: () => {},
      close: () => {},
      buffered: LIMITS.bufferedBytesMax + 1,
    };
    const { remote } = connect<Probe>(stuck, methods, { clock: realClock });
    await expect(remote.echo(1)).rejects.toMatchObject({ code: "OVERLOADED", message: expect.stringContaining("does not read") });
  });
});
