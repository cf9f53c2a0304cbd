/** Small files of one transfer in few requests: what is done stays done, what broke is asked for again, and all end together. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { realClock } from "../../src/core/real-clock.js";
import { type Bundle, type BundledFile, type BundleOptions, openBundle } from "../../src/sites/staging/bundle.js";
import { createPatience } from "../../src/sites/staging/patience.js";
import { openPipes } from "../../src/sites/staging/range-staging.js";
import { fileHead } from "../../src/wire/file-frames.js";

let folder: string;
let stop: AbortController;
/** Names of the files of each request. */
const asked: string[][] = [];
const told: (string | null)[] = [];
const contentOf = (name: string): Buffer => Buffer.from(name.repeat(100));
const fileOf = (name: string): BundledFile => ({ path: `/data/${name}`, version: "v", bytes: contentOf(name).length });

type Send = BundleOptions["read"];
const sendAll: Send = async (files, take) => {
  for (const { path } of files) {
    const bytes = contentOf(path.slice("/data/".length));
    await take(Buffer.concat([fileHead(bytes.length), bytes.subarray(0, 30)]));
    await take(bytes.subarray(30));
  }
};
function open(send: Send = sendAll, more: Partial<BundleOptions> = {}): Bundle {
  const pipes = openPipes({ connections: 2 }, realClock);
  const patience = createPatience({
    ...{ clock: realClock, rng: Math.random, giveUpMs: 5_000, signal: stop.signal },
    report: (reason) => void told.push(reason),
  });
  const read: Send = (files, take, signal) => {
    asked.push(files.map(({ path }) => path.slice("/data/".length)));
    return send(files, take, signal);
  };
  return openBundle({ pipes, patience, signal: stop.signal, read, ...more });
}
const fetch = (bundle: Bundle, name: string, signal = stop.signal) =>
  bundle.fetch(fileOf(name), join(folder, name), signal).then((arrived) => arrived.sha256);
const sha256 = (name: string): string => createHash("sha256").update(contentOf(name)).digest("hex");
const names = Array.from({ length: 20 }, (_, at) => `f${at}`);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-bundle-"));
  stop = new AbortController();
  asked.length = 0;
  told.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("small files", () => {
  it("come whole, each with its digest, in few requests, over what was left of them", async () => {
    writeFileSync(join(folder, "f3"), Buffer.alloc(10_000));
    const bundle = open();
    expect(await Promise.all(names.map((name) => fetch(bundle, name)))).toEqual(names.map(sha256));
    for (const name of names) expect(readFileSync(join(folder, name))).toEqual(contentOf(name));
    expect(asked.flat()).toEqual(names);
    expect(asked.length).toBeLessThan(5);
  });

  it("of a request are no more than a chunk has bytes", async () => {
    const pipes = { ...openPipes({ connections: 1 }, realClock), chunkBytes: 1_000 };
    const bundle = open(sendAll, { pipes });
    await Promise.all(names.map((name) => fetch(bundle, name)));
    for (const request of asked) expect(request.reduce((sum, name) => sum + contentOf(name).length, 0)).toBeLessThanOrEqual(1_000);
  });

  it("that have come are not asked for again when a request breaks", async () => {
    let times = 0;
    const bundle = open(async (files, take, signal) => {
      times += 1;
      if (times > 1) return sendAll(files, take, signal);
      await sendAll(files.slice(0, 5), take, signal);
      // And a part of the next one.
      await take(Buffer.concat([fileHead(files[5]!.bytes), Buffer.from("f5")]));
      throw new XpcsError("UNAVAILABLE", "cut off");
    });
    expect(await Promise.all(names.map((name) => fetch(bundle, name)))).toEqual(names.map(sha256));
    expect(asked.flat().filter((name) => name === "f4")).toHaveLength(1);
    expect(asked.flat().filter((name) => name === "f5")).toHaveLength(2);
    expect(told).toEqual([expect.stringContaining("cut off"), null]);
  });

  it("that cannot be sent are named; those before them are done", async () => {
    const bundle = open(async (files, take, signal) => {
      const bad = files.findIndex(({ path }) => path === "/data/f2");
      if (bad < 0) return sendAll(files, take, signal);
      await sendAll(files.slice(0, bad), take, signal);
      await take(Buffer.from('{"error":{"code":"IO_FAILED","message":"/data/f2 has changed"}}\n'));
    });
    const ends = await Promise.allSettled(["f0", "f1", "f2"].map((name) => fetch(bundle, name)));
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect((ends[2] as PromiseRejectedResult).reason).toMatchObject({ code: "IO_FAILED", message: "/data/f2 has changed" });
  });

  it("are all given up when one is", async () => {
    const one = new AbortController();
    const bundle = open(
      (_files, _take, signal) =>
        new Promise((_, fail) => signal.addEventListener("abort", () => fail(new XpcsError("CANCELED", "the transfer was stopped")))),
    );
    const all = names.map((name) => fetch(bundle, name, name === "f7" ? one.signal : stop.signal));
    setTimeout(() => one.abort(), 5);
    for (const end of await Promise.allSettled(all)) expect(end).toMatchObject({ status: "rejected", reason: { code: "CANCELED" } });
  });

  it("keep to the bandwidth", async () => {
    let bytes = 0;
    const limit = {
      async take(more: number) {
        bytes += more;
      },
    };
    const bundle = open(sendAll, { pipes: { ...openPipes({ connections: 2 }, realClock), limit } });
    await Promise.all(names.map((name) => fetch(bundle, name)));
    expect(bytes).toBeGreaterThanOrEqual(names.reduce((sum, name) => sum + contentOf(name).length, 0));
  });
});
