/** The self-test of a site: `xpcs doctor --self-test` against a real central and a real batch job, and what becomes of its numbers. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { selfTestChecks } from "../../src/cli/doctor-self-test.js";
import { readSelfTest, writeSelfTest } from "../../src/cli/self-test-file.js";
import type { SelfTest, SiteView } from "../../src/core/job.js";
import { measureCorrelator } from "../../src/sites/correlator-rate.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { startXpcs } from "./xpcs-process.js";

let facility: Facility;
const file = (name: string): string => join(facility.folder, name);
const home = () => ({ HOME: facility.folder, XDG_CONFIG_HOME: file("config") });

beforeAll(async () => {
  facility = await startFacility();
});
afterAll(() => facility.end());

interface Check {
  readonly name: string;
  readonly status: string;
  readonly found: string;
}

async function selfTest(...words: string[]): Promise<{ code: number | null; checks: Check[]; stderr: string }> {
  const { code, stdout, stderr } = await startXpcs(["doctor", "--json", "--self-test", ...words], home()).result;
  const { checks = [] } = stdout === "" ? {} : (JSON.parse(stdout) as { checks: Check[] });
  return { code, stderr, checks: checks.filter(({ name }) => name.startsWith("self-test")) };
}

const central = () => ["--central", facility.url, "--token", facility.ready.central!.siteToken!];
const numbersIn = (folder: string) => JSON.parse(readFileSync(join(folder, "self-test.json"), "utf8")) as SelfTest;
const site = async (name: string): Promise<SiteView | undefined> => (await facility.client.sites()).find((each) => each.name === name);

describe("on this machine", () => {
  it("measures correlator and link, keeps the numbers, and leaves nothing else", async () => {
    const { checks } = await selfTest("--work", file("work"), "--name", "here", ...central());
    expect(checks).toEqual([
      { name: "self-test correlator", status: "ok", found: expect.stringMatching(/^\S+ million events\/s a core$/), advice: null },
      { name: "self-test link", status: "ok", found: expect.stringMatching(/^\S+ MB\/s from central, \S+ MB\/s back$/), advice: null },
      { name: "self-test", status: "ok", found: expect.stringContaining(file("work/self-test.json")), advice: null },
    ]);
    const { eventsPerCoreS, inBytesPerS, outBytesPerS, queueWaitS } = numbersIn(file("work"));
    for (const rate of [eventsPerCoreS, inBytesPerS, outBytesPerS]) expect(rate).toBeGreaterThan(1e4);
    expect(queueWaitS).toBeUndefined();
    expect(readdirSync(file("work")).sort()).toEqual(["self-test.json"]);
  }, 180_000);

  it("is told to central by a site of that work folder; the link only where files cross it", async () => {
    const { inBytesPerS: _in, outBytesPerS: _out, ...local } = numbersIn(file("work"));
    await facility.startSite("near", 1);
    expect((await site("near"))?.selfTest).toEqual(local);
    writeFileSync(file("far.json"), JSON.stringify({ locations: [{ folder: "/data", by: "http" }] }));
    await facility.startSite("far", 1, ["--settings", file("far.json"), "--measured", file("work/self-test.json")]);
    expect((await site("far"))?.selfTest).toEqual(numbersIn(file("work")));
    // A job of known size is sent by them, before anything has run.
    const { jobs } = await facility.client.submit({
      jobs: [
        {
          work: {
            app: "xpcs.corr",
            input: { path: "/none.bin" },
            qmap: { path: "/none.hdf" },
            out: { path: "/none/o.hdf" },
            overwrite: false,
            options: {},
          },
          tags: {},
          attemptsMax: 1,
          inputBytes: 800,
        },
      ],
    });
    await vi.waitFor(async () => expect((await facility.client.job(jobs[0]!)).why).toContain("by its self-test"), { timeout: 20_000 });
  }, 180_000);

  it("tells central nothing where nothing was measured, and refuses a damaged file with its line", async () => {
    mkdirSync(file("work2"));
    await facility.startSite("untested", 1, ["--work", file("work2")]);
    expect((await site("untested"))?.selfTest).toBeNull();
    writeFileSync(file("work2/self-test.json"), '{\n  "at": "2026-11-26T12:00:00Z",\n  "eventsPerCoreS": -3\n}');
    const damaged = await startXpcs(["site", ...central(), "--work", file("work2"), "--name", "damaged"], home()).result;
    expect([damaged.code, damaged.stderr]).toEqual([2, expect.stringContaining("line 3: eventsPerCoreS")]);
    const missing = await startXpcs(["site", ...central(), "--work", file("work2"), "--measured", file("none.json")], home()).result;
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("none.json")]);
  }, 180_000);

  it("measures without central what needs none, and says what is missing", async () => {
    const { checks } = await selfTest("--work", file("alone"));
    expect(checks).toMatchObject([
      { name: "self-test correlator", status: "ok" },
      { name: "self-test link", status: "warn", found: expect.stringContaining("where central is was not said") },
      { name: "self-test", status: "ok" },
    ]);
    expect(Object.keys(numbersIn(file("alone"))).sort()).toEqual(["at", "eventsPerCoreS"]);
    const unreachable = await selfTest("--work", file("alone"), "--central", "ws://127.0.0.1:9", "--token", "xpcs_site_x");
    expect(unreachable.code).toBe(1);
    expect(unreachable.checks[1]).toMatchObject({ name: "self-test link", status: "fail", found: expect.stringContaining("127.0.0.1:9") });
    const wrong = await selfTest("--work", file("alone"), "--central", facility.url, "--token", facility.operatorToken);
    expect(wrong.checks[1]).toMatchObject({ status: "fail", found: expect.stringContaining("token of a site") });
    expect(readdirSync(file("alone"))).toEqual(["self-test.json"]);
  }, 180_000);

  it("needs a place for its numbers", async () => {
    expect(await selfTest()).toMatchObject({ code: 2, stderr: expect.stringContaining("--batch FILE or in --work DIR") });
  });
});

describe("in a batch job", () => {
  const batch = (more: object = {}) => {
    mkdirSync(file("batch"), { recursive: true });
    writeFileSync(
      file("batch.json"),
      JSON.stringify({
        scheduler: "local",
        folder: file("batch"),
        job: { walltimeS: 600, ...more },
        pilots: { min: 1, max: 1, idleS: 1, everyS: 1 },
      }),
    );
    return file("batch.json");
  };

  it("also measures the wait, and hides the token", async () => {
    const { checks, code } = await selfTest("--batch", batch(), ...central());
    expect(checks).toMatchObject([
      { name: "self-test job", status: "ok", found: expect.stringMatching(/waited \d+ s and ran/) },
      { name: "self-test correlator", status: "ok" },
      { name: "self-test link", status: "ok" },
      { name: "self-test", status: "ok" },
    ]);
    expect([0, 1]).toContain(code);
    expect(Object.keys(numbersIn(file("batch"))).sort()).toEqual(["at", "eventsPerCoreS", "inBytesPerS", "outBytesPerS", "queueWaitS"]);
    expect(readdirSync(file("batch"))).toEqual(["self-test.json"]);
    expect(statSync(file("batch/self-test.json")).mode & 0o777).toBe(0o600);
  }, 180_000);

  it("is told to central by the pilots", async () => {
    await facility.startSite("farm", 1, ["--batch", batch()]);
    await vi.waitFor(
      async () => {
        const pilots = (await facility.client.sites()).filter(({ name }) => name.startsWith("farm-"));
        expect(pilots.map(({ selfTest: told }) => told?.queueWaitS ?? null)).toContainEqual(expect.any(Number));
      },
      { timeout: 20_000 },
    );
  }, 180_000);

  it("says why the job failed, and keeps no numbers", async () => {
    const folder = file("failing");
    mkdirSync(folder);
    writeFileSync(file("failing.json"), JSON.stringify({ scheduler: "local", folder, job: { walltimeS: 60, lines: ["exit 9"] } }));
    const { checks } = await selfTest("--batch", file("failing.json"), ...central());
    expect(checks).toMatchObject([{ name: "self-test job", status: "fail", found: expect.stringContaining("exit code 9") }]);
    expect(existsSync(join(folder, "self-test.json"))).toBe(false);
    expect(existsSync(join(folder, "self-test.token"))).toBe(false);
  }, 120_000);
});

describe("the numbers", () => {
  it("are read back as they were written", async () => {
    const numbers: SelfTest = { at: "2026-11-26T12:00:00.000Z", eventsPerCoreS: 36e6, queueWaitS: 0 };
    await writeSelfTest(file("n.json"), numbers);
    expect(readSelfTest(file("n.json"), "/none")).toEqual(numbers);
    expect(readSelfTest(undefined, "/none")).toBeNull();
  });

  it("as checks say what is missing and why", () => {
    expect(selfTestChecks({ numbers: {}, faults: { correlator: "no core", link: "no way" } }, true)).toMatchObject([
      { status: "fail", found: "no core" },
      { status: "fail", found: "no way" },
    ]);
    expect(selfTestChecks({ numbers: { eventsPerCoreS: 35_900_000 }, faults: {} }, false)).toMatchObject([
      { status: "ok", found: "35.9 million events/s a core" },
      { status: "warn" },
    ]);
  });

  it("of the correlator are events over the median time of a round", () => {
    // A clock by which the rounds take 300, 100 and 700 ms.
    const times = [0, 300, 300, 400, 400, 1_100];
    let at = 0;
    const clock = { monotonicMs: () => times[Math.min(at++, times.length - 1)]! };
    expect(measureCorrelator(clock)).toBeCloseTo((1000 * 4_000 * 655) / 300, 3);
  });
});
