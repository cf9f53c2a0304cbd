/** Links through a shared folder: real files, real processes that are killed, and what a broken or hostile file does. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { LIMITS } from "../../src/core/limits.js";
import { silentLogger } from "../../src/core/log.js";
import type { MethodTable } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { connect } from "../../src/wire/connect.js";
import { expose } from "../../src/wire/expose.js";
import type { Link } from "../../src/wire/link.js";
import { openMailbox, takeMailbox } from "../../src/wire/mailbox.js";
import { joinLinks, serveMailboxes } from "../../src/wire/mailbox-server.js";
import { memoryLinkPair } from "../../src/wire/memory-link.js";

interface Echo {
  echo(request: unknown): Promise<unknown>;
}
const METHODS: MethodTable<Echo> = { echo: true };
const echo: Echo = { echo: async (request) => request };

let folder: string;
let stop: AbortController;
let serving: Promise<void>;
let links: Link[];
const faults: string[] = [];

const answering = (link: Link): void => void expose(echo, METHODS, link, { logger: silentLogger });

function serve(onLink = answering, clock = realClock): void {
  stop = new AbortController();
  const noting = (link: Link): void => {
    links.push(link);
    onLink(link);
  };
  serving = serveMailboxes(
    { folders: () => [folder, "/no/such/folder"], clock, onLink: noting, onFault: (why) => faults.push(why) },
    stop.signal,
  );
}
async function endServer(): Promise<void> {
  stop.abort();
  await serving;
}
const ended = (link: Link): Promise<XpcsError> => new Promise((resolve) => link.onClose(resolve));
const caller = (link: Link) => connect<Echo>(link, METHODS, { clock: realClock }).remote;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-mail-"));
  links = [];
  faults.length = 0;
  serve();
});
afterEach(async () => {
  await endServer();
  expect(faults).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
});

it("carries calls both ways, many at a time, large and in order, and leaves nothing", async () => {
  const link = await openMailbox(folder, "a", realClock);
  const remote = caller(link);
  const texts = Array.from({ length: 60 }, (_, at) => `${at}`.padEnd(at % 2 === 0 ? 10 : 200_000, "y"));
  expect(await Promise.all(texts.map((text) => remote.echo({ text })))).toEqual(texts.map((text) => ({ text })));
  expect(link.buffered).toBe(0);
  link.close();
  expect(await ended(links[0]!)).toMatchObject({
    code: "UNAVAILABLE",
    message: expect.stringContaining("the other end has closed the link"),
  });
  await vi.waitFor(() => expect(readdirSync(folder)).toEqual([]), { timeout: 8_000 });
}, 20_000);

it("tells the other end why it was closed, after what was sent before", async () => {
  const heard: string[] = [];
  await endServer();
  serve((link) => {
    link.send(Buffer.from("first"));
    link.close(new XpcsError("PERMISSION_DENIED", "not you"));
  });
  const link = await openMailbox(folder, "a", realClock);
  link.onBytes((bytes) => heard.push(Buffer.from(bytes).toString()));
  expect(await ended(link)).toMatchObject({ message: expect.stringContaining("not you") });
  expect(heard).toEqual(["first"]);
});

it("joins two links, so that calls go through and an end on one side ends both", async () => {
  await endServer();
  const [here, there] = memoryLinkPair();
  expose(echo, METHODS, there, { logger: silentLogger });
  serve((link) => joinLinks(link, here));
  const link = await openMailbox(folder, "a", realClock);
  expect(await caller(link).echo("through")).toBe("through");
  const over = ended(link);
  there.close(new XpcsError("UNAVAILABLE", "central is going"));
  await over;
});

it("notices that the end that dialled was killed, whatever it was writing", async () => {
  await endServer();
  // Five times as fast: silence is noticed after 3 s.
  const { nowMs, monotonicMs, after } = realClock;
  serve(answering, { nowMs, monotonicMs: () => 5 * monotonicMs(), after: (delayMs, run) => after(delayMs / 5, run) });
  const killAtWork = async (name: string): Promise<void> => {
    const child = spawn(process.execPath, [fileURLToPath(new URL("./mailbox-child.mjs", import.meta.url)), folder, name], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await new Promise((resolve) => setTimeout(resolve, 50 * Math.random()));
    child.kill("SIGKILL");
  };
  await Promise.all(["a", "b", "c"].map(killAtWork));
  // Half a batch under the name that a writer uses: nobody reads it.
  writeFileSync(join(folder, "a", "up", "99.new"), "half");
  expect(links).toHaveLength(3);
  const reasons = await Promise.all(links.map(ended));
  expect(reasons.map(({ message }) => message)).toEqual(reasons.map(() => expect.stringContaining("nothing was heard")));
  await vi.waitFor(() => expect(readdirSync(folder)).toEqual([]), { timeout: 10_000 });
}, 60_000);

it("notices at once that the end that serves was killed and started anew, and dials again", async () => {
  const program = `
    import { realClock } from ${JSON.stringify(new URL("../../dist/core/real-clock.js", import.meta.url).href)};
    import { expose } from ${JSON.stringify(new URL("../../dist/wire/expose.js", import.meta.url).href)};
    import { serveMailboxes } from ${JSON.stringify(new URL("../../dist/wire/mailbox-server.js", import.meta.url).href)};
    const logger = { info() {}, warn() {}, error() {} };
    const onLink = (link) => void expose({ echo: async (request) => request }, { echo: true }, link, { logger });
    await serveMailboxes({ folders: () => [process.argv[1]], clock: realClock, onLink, onFault: console.error }, new AbortController().signal);`;
  await endServer();
  const start = () => spawn(process.execPath, ["--input-type=module", "-e", program, folder], { stdio: "inherit" });
  let child = start();
  const link = await openMailbox(folder, "a", realClock);
  const remote = caller(link);
  expect(await remote.echo(1)).toBe(1);
  child.kill("SIGKILL");
  const lost = remote.echo(2);
  child = start();
  await expect(lost).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(await caller(await openMailbox(folder, "b", realClock)).echo(3)).toBe(3);
  child.kill("SIGKILL");
  serve();
}, 30_000);

it("goes when its folder goes, as it does with the batch job", async () => {
  const link = await openMailbox(folder, "a", realClock);
  await caller(link).echo(1);
  rmSync(join(folder, "a"), { recursive: true });
  expect(await ended(link)).toMatchObject({ message: expect.stringContaining("given it up") });
  await expect(openMailbox(join(folder, "gone"), "b", realClock)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

it("is not left for a later server when nobody took it", async () => {
  await endServer();
  const link = await openMailbox(folder, "a", realClock);
  link.send(Buffer.from("waits"));
  link.close();
  await vi.waitFor(() => expect(readdirSync(folder)).toEqual([]));
  serve();
});

it("is taken once", async () => {
  await endServer();
  await openMailbox(folder, "a", realClock);
  const first = await takeMailbox({ box: join(folder, "a"), clock: realClock });
  expect(first).not.toBeNull();
  expect(await takeMailbox({ box: join(folder, "a"), clock: realClock })).toBeNull();
  expect(await takeMailbox({ box: join(folder, "none"), clock: realClock })).toBeNull();
  first!.close();
  serve();
});

const length = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

it.each([
  ["a length that is cut short", Buffer.from([1, 0])],
  ["a message that is cut short", Buffer.concat([length(10), Buffer.from("abc")])],
  ["a message that is too large", length(LIMITS.frameBytesMax + 1)],
  ["a batch that is too large", Buffer.alloc(5 * LIMITS.frameBytesMax)],
])("ends with %s, and other links go on", async (_what, bytes) => {
  const good = await openMailbox(folder, "good", realClock);
  mkdirSync(join(folder, ".bad", "down"), { recursive: true });
  mkdirSync(join(folder, ".bad", "up"));
  writeFileSync(join(folder, ".bad", "up", "1"), bytes);
  renameSync(join(folder, ".bad"), join(folder, "bad"));
  await vi.waitFor(() => expect(links).toHaveLength(2), { timeout: 5_000 });
  const reasons = await Promise.race(links.map(ended));
  expect(reasons.message).toMatch(/cut short|too large/);
  expect(await caller(good).echo("still")).toBe("still");
  good.close();
});

it("waits for a reader that is slow, and writes no more than so many batches", async () => {
  await endServer();
  const link = await openMailbox(folder, "a", realClock);
  for (let count = 0; count < 100; count += 1) {
    link.send(Buffer.alloc(1_000, count));
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await vi.waitFor(() => expect(readdirSync(join(folder, "a", "up")).length).toBe(16));
  expect(link.buffered).toBeGreaterThan(0);
  const heard: number[] = [];
  serve((other) => other.onBytes((bytes) => heard.push(bytes[0]!)));
  await vi.waitFor(() => expect(heard).toEqual(Array.from({ length: 100 }, (_, at) => at)), { timeout: 10_000 });
  expect(existsSync(join(folder, "a", "up", "1"))).toBe(false);
  link.close();
});
