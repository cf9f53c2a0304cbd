/** Every transfer that moves bytes tells of them as they come, not at the end of a file, and of what is here as here. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { XpcsError } from "../../src/core/errors.js";
import { lanes } from "../../src/sites/staging/lanes.js";
import { movedIn } from "../../src/sites/transfers/rsync.js";
import { recordArrival } from "./recorded-arrival.js";
import { closeRigs, obstacleOf, openTransfer, RIGS, type Rig } from "./transfer-rigs.js";

const MB_PER_S = 8;
const SIZES = { large: 9_000_000, small: 1_000 } as const;
const NAMES = Object.keys(SIZES) as (keyof typeof SIZES)[];
/** Of the large file; a fake that moves it in no time tells of it once. */
const MOVES: Readonly<Record<string, number>> = { http: 10, s3: 10, rsync: 2 };

const backends = ["http", "s3", "rsync", "globus"].filter((name) => obstacleOf(name) === null);
afterAll(closeRigs);

describe.each(backends)("%s", (name) => {
  let work: string;
  let there: string;
  let rig: Rig;
  const signal = new AbortController().signal;

  beforeEach(async () => {
    work = mkdtempSync(join(tmpdir(), "xpcs-arriving-"));
    there = mkdtempSync(join(tmpdir(), "xpcs-there-"));
    rig = await RIGS[name]!({ there, work });
    for (const each of NAMES) await rig.far.write(join(there, each), randomBytes(SIZES[each]));
  });
  afterEach(async () => {
    await rig.close();
    for (const folder of [work, there]) rmSync(folder, { recursive: true, force: true });
  });

  const stageIn = async (attempt: string, { files, arriving } = recordArrival()) => {
    const { settings } = rig.opening;
    const transfer = openTransfer({ ...rig.opening, settings: { ...settings, mbPerS: MB_PER_S } as typeof settings });
    const dir = join(work, attempt);
    mkdirSync(dir);
    const moved: number[] = [];
    const request = {
      lease: { job: "j1", epoch: 1 },
      dir,
      report: () => {},
      signal,
      arriving,
      moved: (bytes: number) => moved.push(bytes),
    };
    const paths = await transfer.stageIn({ ...request, refs: NAMES.map((each) => ({ path: join(there, each) })) });
    expect(paths.map((path) => readFileSync(path).length)).toEqual(NAMES.map((each) => SIZES[each]));
    return { files: NAMES.map((each) => files.find(({ bytes }) => bytes === SIZES[each])!), count: files.length, moved };
  };

  it("tells each file once, its bytes as they come, and what is here already as here", { timeout: 60_000 }, async () => {
    const first = await stageIn("first");
    expect(first.count).toBe(NAMES.length);
    for (const { bytes, moves, was, whole } of first.files) {
      expect(was).toBe(0);
      expect(whole!.crossed).toBe(true);
      expect(moves.reduce((sum, move) => sum + move, 0) + whole!.lacked).toBe(bytes);
    }
    expect(first.files[0]!.moves.length).toBeGreaterThanOrEqual(MOVES[name] ?? 0);
    expect([...first.moved].sort((a, b) => b - a)).toEqual(NAMES.map((each) => SIZES[each]));
    const again = await stageIn("again");
    expect(again.files.map(({ bytes, moves, whole }) => [bytes, moves, whole])).toEqual(
      NAMES.map((each) => [SIZES[each], [], { lacked: SIZES[each], crossed: false }]),
    );
    expect(again.moved).toEqual([]);
  });

  it.runIf(name === "http")("tells what comes again after a cut as lost, and counts it once", { timeout: 60_000 }, async () => {
    const record = recordArrival();
    const staging = stageIn("cut", record);
    const came = () => record.files.find(({ bytes }) => bytes === SIZES.large)?.moves ?? [];
    // Again, where a cut fell between two parts of the file and nothing of one was lost.
    await vi.waitFor(
      () => {
        if (came().some((move) => move > 0) && came().every((move) => move >= 0)) rig.cut!();
        expect(came().some((move) => move < 0)).toBe(true);
      },
      { timeout: 20_000, interval: 100 },
    );
    const { files, moved } = await staging;
    const [large] = files;
    expect(large!.moves.some((move) => move < 0)).toBe(true);
    expect(large!.moves.reduce((sum, move) => sum + move, 0)).toBe(large!.bytes);
    expect([...moved].sort((a, b) => b - a)).toEqual(NAMES.map((each) => SIZES[each]));
  });
});

describe("what rsync tells of its progress", () => {
  it.each([
    ["\r         32,768   0%    0.00kB/s    0:00:00  ", 32_768],
    ["\r  8.749.056  29%    7,82MB/s    0:00:02  \r 17 465 344  58%    7,81MB/s    0:00:01  ", 17_465_344],
    ["\r 100%\r\r   30000000 100%   7.90MB/s    0:00:03 (xfr#1, to-chk=0/1)\n", 30_000_000],
  ])("is read: %j", (text, bytes) => {
    expect(movedIn(text)).toBe(bytes);
  });
  it.each(["", "\n", "receiving file list", "\r  12,", "100%", "\r -5 10%"])("is none: %j", (text) => {
    expect(movedIn(text)).toBeNull();
  });
});

describe("lanes", () => {
  it("let who is stopped while it waits go, and give its turn to the next", async () => {
    const lane = lanes(1);
    const ends: string[] = [];
    let finish: () => void = () => {};
    const first = lane.run(() => new Promise<void>((resolve) => (finish = resolve)));
    const stop = new AbortController();
    const run = (what: string, signal?: AbortSignal) =>
      lane.run(async () => void ends.push(what), signal).catch((error: unknown) => void ends.push(`${what}: ${(error as XpcsError).code}`));
    const waiting = [run("second", stop.signal), run("third", new AbortController().signal), run("fourth")];
    stop.abort();
    await waiting[0];
    expect(ends).toEqual(["second: CANCELED"]);
    await run("late", stop.signal);
    finish();
    await Promise.all([first, ...waiting]);
    expect(ends).toEqual(["second: CANCELED", "late: CANCELED", "third", "fourth"]);
    // It is free again.
    await run("fifth");
    expect(ends.at(-1)).toBe("fifth");
  });
});
