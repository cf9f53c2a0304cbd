/** The cache of a site: what has come once is found again by name and by digest, within its bound, and nothing of it is taken for whole that is not. */
import { createHash } from "node:crypto";
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { realClock } from "../../src/core/real-clock.js";
import { openCache } from "../../src/sites/staging/cache.js";
import { type CacheName, openNames, readNames } from "../../src/sites/staging/cache-names.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-cache-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const { signal } = new AbortController();
const sha256 = (bytes: string): string => createHash("sha256").update(bytes).digest("hex");

describe("the cache of a site", () => {
  const fetched: string[] = [];
  const open = (bytesMax = 1e6, boot = "boot 1") => openCache({ folder: join(folder, "staged"), bytesMax, clock: realClock, boot });
  const content = () => readdirSync(join(folder, "staged", "content")).sort();
  /** Stages text under a name; how it was fetched is in `fetched`. */
  const stage = (cache: ReturnType<typeof open>, name: string, text: string, known = false) =>
    cache.stage({
      ...{ source: name, bytes: text.length, sha256: known ? sha256(text) : null, to: join(folder, "job", name), signal },
      async fetch(partial) {
        fetched.push(name);
        writeFileSync(partial, text);
        return { sha256: sha256(text), identity: null };
      },
    });
  beforeEach(() => {
    fetched.length = 0;
  });

  it("brings a file once, for many attempts at a time and after a restart", async () => {
    const cache = open();
    await Promise.all(Array.from({ length: 5 }, () => stage(cache, "a", "text")));
    expect(await stage(open(), "a", "text")).toBe(true);
    expect(fetched).toEqual(["a"]);
    expect(readFileSync(join(folder, "job/a"), "utf8")).toBe("text");
  });

  it("knows a file under another name by its digest, when the source says it or when it has come", async () => {
    const cache = open();
    await stage(cache, "a", "text");
    expect(await stage(cache, "b", "text", true)).toBe(true);
    expect(await stage(cache, "c", "text")).toBe(false);
    expect(fetched).toEqual(["a", "c"]);
    expect(content()).toEqual([sha256("text")]);
  });

  it("lets the least recently used go, and what attempts have stays", async () => {
    const cache = open(10);
    await stage(cache, "a", "aaaa");
    await stage(cache, "b", "bbbb");
    await new Promise((later) => setTimeout(later, 5));
    await stage(cache, "a", "aaaa");
    await stage(cache, "c", "cccc");
    expect(content()).toEqual([sha256("aaaa"), sha256("cccc")].sort());
    expect(readFileSync(join(folder, "job/b"), "utf8")).toBe("bbbb");
    await stage(cache, "large", "more than fits");
    expect(readFileSync(join(folder, "job/large"), "utf8")).toBe("more than fits");
    expect(content()).toHaveLength(2);
  });

  it("does not use a file again that somebody has written to", async () => {
    await stage(open(), "a", "text");
    const kept = join(folder, "staged/content", sha256("text"));
    chmodSync(kept, 0o600);
    appendFileSync(kept, "!");
    expect(await stage(open(), "a", "text")).toBe(false);
    expect(readFileSync(join(folder, "job/a"), "utf8")).toBe("text");
    expect(statSync(join(folder, "job/a")).size).toBe(4);
  });

  it("digests a file before it is used after a reboot, as the power may have gone before the bytes were on the disk", async () => {
    await stage(open(), "a", "text");
    const kept = join(folder, "staged/content", sha256("text"));
    // Torn in a way that neither length nor time shows: the note is made to fit.
    chmodSync(kept, 0o600);
    writeFileSync(kept, "t\0\0t");
    const { ino, size, mtimeNs } = statSync(kept, { bigint: true });
    const names = join(folder, "staged/names.jsonl");
    writeFileSync(names, readFileSync(names, "utf8").replace(/"identity":"[^"]*"/, `"identity":"${ino}:${size}:${mtimeNs}"`));
    expect(await stage(open(1e6, "boot 2"), "a", "text")).toBe(false);
    expect(readFileSync(join(folder, "job/a"), "utf8")).toBe("text");
  });

  it("finds its names again behind a line that was cut short", async () => {
    const cache = open();
    await stage(cache, "a", "text");
    const names = join(folder, "staged/names.jsonl");
    const text = readFileSync(names, "utf8");
    appendFileSync(names, text.slice(0, text.length / 2));
    await stage(cache, "b", "more");
    const again = open();
    expect([await stage(again, "a", "text"), await stage(again, "b", "more")]).toEqual([true, true]);
    expect(fetched).toEqual(["a", "b"]);
  });

  it("keeps its bound when several come at a time", async () => {
    const cache = open(6);
    await Promise.all(["aaaa", "bbbb", "cccc"].map((text) => stage(cache, text, text)));
    expect(content().length).toBeLessThanOrEqual(1);
  });

  it("keeps room for all that is on its way at a time", async () => {
    const cache = open(10);
    await stage(cache, "a", "aaaa");
    let land: () => void = () => {};
    const landing = new Promise<void>((go) => {
      land = go;
    });
    const coming = ["b", "c"].map((name) =>
      cache.stage({
        ...{ source: name, bytes: 5, sha256: null, to: join(folder, "job", name), signal },
        async fetch(partial) {
          fetched.push(name);
          await landing;
          writeFileSync(partial, name.repeat(5));
          return { sha256: sha256(name.repeat(5)), identity: null };
        },
      }),
    );
    while (fetched.length < 3) await new Promise((later) => setTimeout(later, 1));
    // Either of them alone would have left it.
    expect(content()).toEqual([]);
    land();
    await Promise.all(coming);
    expect(content()).toEqual([sha256("bbbbb"), sha256("ccccc")].sort());
  });

  it("gives files also while it makes room for others", async () => {
    const cache = open(6);
    for (let round = 0; round < 40; round += 1)
      await Promise.all(["aaaa", "bbbb", "cccc", "aaaa"].map((text, at) => stage(cache, `${at}`, text, at === 3)));
    expect(readFileSync(join(folder, "job/3"), "utf8")).toBe("aaaa");
  });

  it("goes on with what was whole when a process was killed", async () => {
    await open().has("a", null);
    const partial = join(folder, "staged/partial", sha256("a"));
    writeFileSync(partial, "text");
    chmodSync(partial, 0o400);
    const cache = open();
    const fetch = async (there: string) => {
      expect([there, statSync(there).mode & 0o777]).toEqual([partial, 0o600]);
      return { sha256: sha256("text"), identity: null };
    };
    expect(await cache.stage({ source: "a", bytes: 4, sha256: null, to: join(folder, "job/a"), signal, fetch })).toBe(false);
    expect([content(), readFileSync(join(folder, "job/a"), "utf8")]).toEqual([[sha256("text")], "text"]);
  });

  it("opens when its folder can be made, though it could not be before", async () => {
    writeFileSync(join(folder, "staged"), "in the way");
    const cache = open();
    await expect(stage(cache, "a", "text")).rejects.toMatchObject({ code: "ENOTDIR" });
    rmSync(join(folder, "staged"));
    expect(await stage(cache, "a", "text")).toBe(false);
  });

  it("goes on when whoever was first is stopped", async () => {
    const cache = open();
    const first = cache.stage({
      ...{ source: "a", bytes: 4, sha256: null, to: join(folder, "job/first"), signal },
      fetch: async () => {
        throw new XpcsError("CANCELED", "stopped");
      },
    });
    const second = stage(cache, "a", "text");
    await expect(first).rejects.toMatchObject({ code: "CANCELED" });
    expect(await second).toBe(false);
  });
});

describe("the names of the cache", () => {
  const nameOf = (key: string, usedMs: number): CacheName => ({ key, sha256: sha256(key), identity: "1:2:3", boot: "boot 1", usedMs });

  it("are those that were used last, in a file that does not grow without bound", async () => {
    const path = join(folder, "names.jsonl");
    const live = Array.from({ length: 100 }, (_, at) => nameOf(`${at}`, 0));
    const names = await openNames(path, realClock, () => live);
    let largest = 0;
    for (let round = 1; round <= 300; round += 1) {
      for (const [at, { key }] of live.entries()) live[at] = nameOf(key, round);
      await Promise.all(live.map((name) => names.note(name)));
      largest = Math.max(largest, statSync(path).size);
    }
    expect(await readNames(path)).toEqual(live);
    expect(largest).toBeLessThan(300 * 100 * 0.5 * 150);
    appendFileSync(path, '\nnonsense\n{"key":"x"}\nnull');
    expect(await readNames(path)).toEqual(live);
  });

  it("are told to be unwritten where the disk does not take them", async () => {
    const names = await openNames(join(folder, "names.jsonl"), realClock, () => []);
    rmSync(join(folder, "names.jsonl"));
    mkdirSync(join(folder, "names.jsonl"));
    await expect(names.note(nameOf("a", 1))).rejects.toMatchObject({ code: "EISDIR" });
    rmSync(join(folder, "names.jsonl"), { recursive: true });
    await names.note(nameOf("a", 2));
    expect(await readNames(join(folder, "names.jsonl"))).toEqual([nameOf("a", 2)]);
  });
});
