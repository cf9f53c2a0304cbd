/** The twelve hostile frames, and their like, against the listener of a real central in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Packr } from "msgpackr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLIENT_API_METHODS, type ClientApi } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { FRAME_VERSION } from "../../src/wire/codec.js";
import { openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const packr = new Packr({ moreTypes: true, useRecords: false });
const pack = (value: unknown) => new Uint8Array([FRAME_VERSION, ...packr.pack(value)]);
const raw = (value: unknown) => ({ type: "RAW", value });

let dir: string;
let child: ChildProcess;
let ready: { url: string; operatorToken: string };
let errors = "";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "xpcs-hostile-"));
  child = spawn(process.execPath, [main, "central", "--data", dir, "--listen", "127.0.0.1:0", "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stderr!.on("data", (bytes: Buffer) => {
    errors += bytes.toString();
  });
  ready = await new Promise((resolve, reject) => {
    child.stdout!.once("data", (line: Buffer) => resolve(JSON.parse(line.toString()) as typeof ready));
    child.once("exit", (code) => reject(new Error(`central ended with ${code}: ${errors}`)));
  });
});
afterAll(async () => {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await gone;
  await rm(dir, { recursive: true, force: true });
});

/** A socket that sends bytes of our choosing, and collects what comes back. */
class Attacker {
  readonly socket = new WebSocket(ready.url);
  readonly answers: { id: string; type: string; value: { code?: string; message?: string } }[] = [];
  closeCode: number | null = null;
  #wake: () => void = () => {};

  static async open(authenticated: boolean): Promise<Attacker> {
    const attacker = new Attacker();
    attacker.socket.on("message", (bytes: Buffer) => {
      attacker.answers.push(packr.unpack(bytes.subarray(1)) as Attacker["answers"][number]);
      attacker.#wake();
    });
    attacker.socket.on("close", (code: number) => {
      attacker.closeCode = code;
      attacker.#wake();
    });
    attacker.socket.on("error", () => {});
    await new Promise((resolve) => attacker.socket.once("open", resolve));
    if (authenticated) {
      const request = { token: ready.operatorToken, version: VERSION, party: "client" };
      attacker.send(pack({ id: "auth", type: "APPLY", path: ["authenticate"], argumentList: [raw(request)] }));
      await attacker.answer("auth");
    }
    return attacker;
  }

  send(bytes: Uint8Array): void {
    this.socket.send(bytes);
  }

  /** The answer with that id, or null when the link closed. */
  async answer(id: string): Promise<Attacker["answers"][number] | null> {
    for (;;) {
      const found = this.answers.find((answer) => answer.id === id);
      if (found !== undefined) return found;
      if (this.closeCode !== null) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const probe = (id: string) => pack({ id, type: "APPLY", path: ["sites"], argumentList: [raw({})] });

/** A call by an honest client on a link of its own. */
async function goodCall(): Promise<void> {
  const link = await openWebSocket(ready.url, { clock: realClock });
  const options = { clock: realClock, token: ready.operatorToken, version: VERSION, party: "client" } as const;
  const client = await openSession<ClientApi>(link, CLIENT_API_METHODS, options);
  const { jobs } = await client.remote.submit({
    key: "good",
    jobs: [{ work: { app: "xpcs.noop", durationMs: 1 }, tags: {}, attemptsMax: 1 }],
  });
  const view = await client.remote.job({ id: jobs[0]! });
  // Pollution of Object.prototype in central would show up in the plain objects that it builds.
  expect(Object.keys(view.tags)).toEqual([]);
  expect(view).not.toHaveProperty("polluted");
  expect(view.state).toBe("ready");
  client.close();
}

function deep(levels: number): Uint8Array {
  const bytes = new Uint8Array(levels + 2).fill(0x91);
  bytes[0] = FRAME_VERSION;
  bytes[levels + 1] = 0xc0;
  return bytes;
}

const frames: [name: string, bytes: Uint8Array][] = [
  ["SET along __proto__", pack({ id: "x", type: "SET", path: ["__proto__", "__proto__", "polluted"], value: raw("yes") })],
  ["GET of constructor", pack({ id: "x", type: "GET", path: ["constructor"] })],
  ["CONSTRUCT", pack({ id: "x", type: "CONSTRUCT", path: ["constructor", "constructor"], argumentList: [raw("return process")] })],
  ["ENDPOINT", pack({ id: "x", type: "ENDPOINT" })],
  ["RELEASE", pack({ id: "x", type: "RELEASE" })],
  ["APPLY with a path of two", pack({ id: "x", type: "APPLY", path: ["sites", "call"], argumentList: [raw({})] })],
  ["APPLY of an undeclared name", pack({ id: "x", type: "APPLY", path: ["shutdown"], argumentList: [raw({})] })],
  ["APPLY of an inherited name", pack({ id: "x", type: "APPLY", path: ["toString"], argumentList: [] })],
  [
    "an argument with an unknown handler",
    pack({ id: "x", type: "APPLY", path: ["sites"], argumentList: [{ type: "HANDLER", name: "nonsense", value: {} }] }),
  ],
  ["two arguments", pack({ id: "x", type: "APPLY", path: ["sites"], argumentList: [raw({}), raw({})] })],
  ["truncated msgpack", pack({ id: "x", type: "APPLY", path: ["sites"], argumentList: [raw({})] }).slice(0, 20)],
  ["a frame over the limit", new Uint8Array(2 * 1024 * 1024).fill(FRAME_VERSION)],
  ["a frame nested 1000 deep", deep(1_000)],
  // And their like.
  ["a frame nested a million deep", deep(1_000_000)],
  ["an array that claims 4 thousand million elements", new Uint8Array([FRAME_VERSION, 0xdd, 255, 255, 255, 255])],
  [
    "an argument with the throw handler",
    pack({ id: "x", type: "APPLY", path: ["sites"], argumentList: [{ type: "HANDLER", name: "throw", value: {} }] }),
  ],
  ["no id", pack({ type: "APPLY", path: ["sites"], argumentList: [raw({})] })],
  ["an id of a megabyte", pack({ id: "x".repeat(900_000), type: "APPLY", path: ["sites"], argumentList: [raw({})] })],
  ["a path that is no list", pack({ id: "x", type: "APPLY", path: { length: 1, 0: "sites" }, argumentList: [raw({})] })],
  ["arguments that are no list", pack({ id: "x", type: "APPLY", path: ["sites"], argumentList: { length: 1 } })],
  ["a reply where a call belongs", pack({ id: "x", type: "RAW", value: 1 })],
  ["null", pack(null)],
  ["another frame version", new Uint8Array([7, 0xc0])],
  ["an empty frame", new Uint8Array(0)],
  [
    "__proto__ inside the argument",
    pack({ id: "x", type: "APPLY", path: ["sites"], argumentList: [raw(JSON.parse('{"__proto__":{"polluted":1}}'))] }),
  ],
];

/** Sends the frame, and demands that it is refused: by an error, by a closed link, or by nothing at all. */
async function refused(attacker: Attacker, bytes: Uint8Array): Promise<void> {
  attacker.send(bytes);
  // The link keeps order, so whatever the frame leads to has happened when the next call is answered or the link is closed.
  attacker.send(probe("after"));
  await attacker.answer("after");
  for (const { id, type, value } of attacker.answers) {
    if (id === "auth" || id === "after") continue;
    expect(type).toBe("HANDLER");
    expect(["REFUSED", "INVALID_ARGUMENT"]).toContain(value.code);
    expect(JSON.stringify(value)).not.toMatch(/stack|node_modules/);
  }
  attacker.socket.terminate();
}

describe("a hostile frame", () => {
  it.each(frames)("from an authenticated link is refused and changes nothing: %s", async (_name, bytes) => {
    const attacker = await Attacker.open(true);
    await refused(attacker, bytes);
    await goodCall();
    expect(child.exitCode).toBeNull();
  });

  it.each(frames)("from a link without a token is refused and changes nothing: %s", async (_name, bytes) => {
    const attacker = await Attacker.open(false);
    await refused(attacker, bytes);
    expect(attacker.answers.filter(({ type }) => type === "RAW")).toEqual([]);
    await goodCall();
  });

  it("leaves the link open when it is only a call that is not allowed", async () => {
    const attacker = await Attacker.open(true);
    attacker.send(frames[0]![1]);
    attacker.send(probe("after"));
    expect(await attacker.answer("after")).toMatchObject({ type: "RAW" });
    attacker.socket.terminate();
  });

  it("of the declared methods needs a token first", async () => {
    const attacker = await Attacker.open(false);
    for (const method of Object.keys(CLIENT_API_METHODS)) {
      attacker.send(pack({ id: method, type: "APPLY", path: [method], argumentList: [raw({})] }));
      expect((await attacker.answer(method))?.value.code).toBe("REFUSED");
    }
    attacker.socket.terminate();
  });

  it("with a wrong token, three times, closes the link", async () => {
    const attacker = await Attacker.open(false);
    for (const id of ["1", "2", "3"]) {
      const request = { token: "wrong", version: VERSION, party: "client" };
      attacker.send(pack({ id, type: "APPLY", path: ["authenticate"], argumentList: [raw(request)] }));
      expect((await attacker.answer(id))?.value.code).toBe("PERMISSION_DENIED");
    }
    expect(await attacker.answer("never")).toBeNull();
  });

  it("of text instead of bytes closes the link", async () => {
    const attacker = await Attacker.open(false);
    attacker.socket.send("hello");
    expect(await attacker.answer("never")).toBeNull();
    expect(attacker.closeCode).toBe(1003);
    await goodCall();
  });
});

it("after all of them central is the process that it was, and never reported a defect", () => {
  expect(child.exitCode).toBeNull();
  expect(errors).not.toMatch(/"level":"error"|INTERNAL|UnhandledPromise/);
});
