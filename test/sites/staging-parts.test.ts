/** What the transfers are made of: ranges that go on after a kill, patience, bandwidth. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { realClock } from "../../src/core/real-clock.js";
import { lanes } from "../../src/sites/staging/lanes.js";
import { createPatience, type PatienceOptions } from "../../src/sites/staging/patience.js";
import { fetchRanges, type RangeRequest } from "../../src/sites/staging/ranges.js";
import { createRateLimit } from "../../src/sites/staging/rate-limit.js";
import { together } from "../../src/sites/staging/together.js";
import { virtualClock } from "../actors/virtual-clock.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-staging-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const { signal } = new AbortController();
const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const patience = (options: Partial<PatienceOptions> = {}) =>
  createPatience({ clock: realClock, rng: () => 0, giveUpMs: 1_000, report: () => {}, signal, ...options });

describe("ranges", () => {
  const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, at) => at % 251));
  const asked: number[] = [];
  const request = (more: Partial<RangeRequest> = {}): RangeRequest => ({
    ...{ bytes: bytes.length, version: "v1", partial: join(folder, "part"), chunkBytes: 1_000, parallel: 3, patience: patience(), signal },
    async read({ offset, length }, take) {
      asked.push(offset / 1_000);
      for (let at = offset; at < offset + length; at += 300) await take(bytes.subarray(at, Math.min(at + 300, offset + length)));
    },
    ...more,
  });
  /** A source that breaks for good after so many ranges. */
  const breaking = (after: number): Partial<RangeRequest> => {
    let left = after;
    const whole = request().read;
    return {
      parallel: 1,
      async read(range, take, stop) {
        if (left === 0) throw new XpcsError("IO_FAILED", "broken");
        left -= 1;
        await whole(range, take, stop);
      },
    };
  };
  beforeEach(() => {
    asked.length = 0;
  });

  it("make the whole, and ask for none again that were finished before", async () => {
    await expect(fetchRanges(request(breaking(4)))).rejects.toMatchObject({ message: "broken" });
    expect(asked).toEqual([0, 1, 2, 3]);
    expect((await fetchRanges(request())).sha256).toBe(sha256(bytes));
    expect(asked.slice(4).sort()).toEqual([4, 5, 6, 7, 8, 9]);
  });

  it.each([
    ["another version of the source", () => ({ version: "v2" })],
    ["a file that has gone", () => rmSync(join(folder, "part"))],
    ["a note that is cut in its first line", () => truncateSync(join(folder, "part.parts"), 10)],
  ])("begin anew for %s", async (_, happens) => {
    await expect(fetchRanges(request(breaking(4)))).rejects.toThrow();
    asked.length = 0;
    const more = happens() ?? {};
    expect((await fetchRanges(request(more))).sha256).toBe(sha256(bytes));
    expect([...asked].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("take a line that was cut short by a kill for nothing", async () => {
    await expect(fetchRanges(request(breaking(4)))).rejects.toThrow();
    const journal = join(folder, "part.parts");
    const [noted, collected] = [readFileSync(journal), readFileSync(join(folder, "part"))];
    for (const cut of [1, 5, 8]) {
      writeFileSync(join(folder, "part"), collected);
      writeFileSync(journal, noted.subarray(0, noted.length - cut));
      asked.length = 0;
      expect((await fetchRanges(request())).sha256).toBe(sha256(bytes));
      expect(asked).toContain(3);
      expect(asked).not.toContain(0);
    }
  });

  it("tell why they broke, not that the others were stopped for it", async () => {
    const breaks = request({
      async read({ offset }, _take, stop) {
        if (offset === 1_000) throw new XpcsError("IO_FAILED", "broken");
        if (!stop.aborted) await new Promise((stopped) => stop.addEventListener("abort", stopped));
        throw new XpcsError("CANCELED", "the transfer was stopped");
      },
    });
    await expect(fetchRanges(breaks)).rejects.toMatchObject({ code: "IO_FAILED", message: "broken" });
  });

  it("try a range again that came short, and take none that is too long", async () => {
    let tries = 0;
    const short = request({
      // The thread that writes starts with the first file.
      ...{ chunkBytes: 20_000, patience: patience({ giveUpMs: 20_000 }) },
      async read(_, take) {
        tries += 1;
        await take(tries === 1 ? bytes.subarray(0, 5_000) : bytes);
      },
    });
    expect((await fetchRanges(short)).sha256).toBe(sha256(bytes));
    const long = request({ patience: patience({ giveUpMs: 0 }), read: async (_, take) => take(Buffer.concat([bytes, bytes])) });
    await expect(fetchRanges(long)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("of nothing make an empty file", async () => {
    expect((await fetchRanges(request({ bytes: 0, read: async () => {} }))).sha256).toBe(sha256(""));
    expect(existsSync(join(folder, "part"))).toBe(true);
  });
});

describe("patience", () => {
  it("tells the reason at once, goes on, and ends after a time without progress", async () => {
    const clock = virtualClock();
    const told: (string | null)[] = [];
    const few = patience({ clock, giveUpMs: 5_000, report: (reason) => told.push(reason) });
    let tries = 0;
    const working = few.again(async () => {
      tries += 1;
      if (tries < 3) throw new XpcsError("UNAVAILABLE", "the link is down");
      return "done";
    });
    await clock.advance(2_000);
    expect(await working).toBe("done");
    expect(told).toEqual([...Array.from({ length: 2 }, () => expect.stringContaining("the link is down")), null]);
    const failing = few
      .again(async () => {
        throw new XpcsError("UNAVAILABLE", "the link is down");
      })
      .catch((error: unknown) => error);
    await clock.advance(20_000);
    expect(await failing).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/^no byte moved for 5 s: the link is down/),
    });
  });

  it("does not wait for what cannot pass, nor after a stop", async () => {
    const never = async (): Promise<never> => {
      throw new XpcsError("REFUSED", "no");
    };
    await expect(patience().again(never)).rejects.toMatchObject({ code: "REFUSED" });
    await expect(patience({ signal: AbortSignal.abort() }).again(never)).rejects.toMatchObject({ code: "CANCELED" });
  });
});

describe("bandwidth", () => {
  it("is kept by all who share it", async () => {
    const clock = virtualClock();
    const limit = createRateLimit(1, clock);
    let moved = 0;
    const pump = async () => {
      for (let piece = 0; piece < 50; piece += 1) {
        await limit.take(50_000, signal);
        moved += 50_000;
      }
    };
    const pumping = Promise.all([pump(), pump()]);
    await clock.advance(2_000);
    expect(moved).toBeGreaterThan(1.8e6);
    expect(moved).toBeLessThan(2.4e6);
    await clock.advance(10_000);
    await pumping;
  });

  it("of lanes lets so many run at a time, in order", async () => {
    const order: number[] = [];
    let running = 0;
    let most = 0;
    const two = lanes(2);
    await Promise.all(
      Array.from({ length: 6 }, (_, at) =>
        two.run(async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise((later) => setTimeout(later, 2));
          order.push(at);
          running -= 1;
        }),
      ),
    );
    expect([most, order]).toEqual([2, [0, 1, 2, 3, 4, 5]]);
  });
});

describe("parts of one transfer", () => {
  const waits = async (stop: AbortSignal): Promise<number> => {
    if (!stop.aborted) await new Promise((stopped) => stop.addEventListener("abort", stopped));
    throw new XpcsError("CANCELED", "the transfer was stopped");
  };

  it("give what each gave, in order", async () => {
    const later = (ms: number) => async () => new Promise<number>((done) => setTimeout(done, ms, ms));
    expect(await together(signal, [later(6), later(1), later(3)])).toEqual([6, 1, 3]);
    expect(await together(signal, [])).toEqual([]);
  });

  it("are stopped by the first failure, which is what is told; none begins after it", async () => {
    const begun: number[] = [];
    const part = (at: number) => async (stop: AbortSignal) => {
      begun.push(at);
      if (at === 1) throw new XpcsError("IO_FAILED", "broken");
      return waits(stop);
    };
    await expect(together(signal, [0, 1, 2, 3].map(part), lanes(2))).rejects.toMatchObject({ message: "broken" });
    expect(begun).toEqual([0, 1]);
  });

  it("are stopped from outside", async () => {
    const stop = new AbortController();
    const all = together(stop.signal, [waits, waits]);
    stop.abort();
    await expect(all).rejects.toMatchObject({ code: "CANCELED" });
  });
});
