/** The ZeroMQ socket where its package does not load: an error that says what to do, and only where one is wanted. */
import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  vi.doUnmock("zeromq");
  vi.resetModules();
});

describe("a machine without ZeroMQ", () => {
  it("says so when a socket is wanted, and not before", async () => {
    let loads = 0;
    vi.doMock("zeromq", () => {
      loads += 1;
      throw new Error("no native build was found");
    });
    const { openPull } = await import("../../src/wire/zmq-pull.js");
    await import("../../src/sites/stream-run.js");
    expect(loads).toBe(0);
    const options = { host: "127.0.0.1", port: 31_001, messagesMax: 1, messageBytesMax: 1_000 };
    await expect(openPull(options)).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringMatching(/^ZeroMQ does not load here/),
    });
    expect(loads).toBe(1);
  });
});
