/** What the commands refuse at once, in words that help, and without leaving anything behind. Processes of the built command. */
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { JobView } from "../../src/core/job.js";
import { denseSample } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { type DetectorRun, writeDetectorRun } from "../chaos/detector-run.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { stageCase } from "../xpcs/reference-case.js";
import { type Result, startXpcs, type Xpcs } from "./xpcs-process.js";

let facility: Facility;
let run: DetectorRun;
const at = (name: string): string => join(facility.folder, name);

function start(...args: string[]): Xpcs {
  const home = { HOME: facility.folder, XDG_CONFIG_HOME: at("config") };
  return startXpcs(args, { ...home, XPCS_CENTRAL: facility.url, XPCS_TOKEN: facility.operatorToken });
}
const xpcs = (...args: string[]): Promise<Result> => start(...args, "--json").result;

/** The message of a command that must fail so. */
async function refusal(exitCode: number, errorCode: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await xpcs(...args);
  const last = JSON.parse(stderr.trim().split("\n").at(-1)!) as { error: { code: string; message: string } };
  expect({ code, stdout, errorCode: last.error.code }, stderr).toEqual({ code: exitCode, stdout: "", errorCode });
  return last.error.message;
}

beforeAll(async () => {
  facility = await startFacility();
  run = await writeDetectorRun(facility.folder, { frames: 100, photonsPerFrame: 50 });
});
afterAll(() => facility.end());

describe("submit refuses what xpcs corr refuses", () => {
  beforeAll(async () => {
    writeFileSync(at("text.hdf"), "no HDF5 file\n");
    writeFileSync(at("text.bin"), "no detector file\n");
    await writeQmap(at("small-qmap.hdf"), denseSample(1));
  });
  const time = ["--frame-time", "2e-5"];

  it.each<[string, string, string, () => readonly string[], RegExp]>([
    ["no frame time", "INVALID_ARGUMENT", "run_0001.bin", () => ["--qmap", run.qmap], /--frame-time/],
    ["a text as q-map", "CORRUPT_DATA", "run_0001.bin", () => ["--qmap", at("text.hdf"), ...time], /text\.hdf/],
    ["a q-map of another detector", "INVALID_ARGUMENT", "run_0001.bin", () => ["--qmap", at("small-qmap.hdf"), ...time], /512 x 1024/],
    ["an option of another format", "INVALID_ARGUMENT", "run_0001.bin", () => ["--qmap", run.qmap, ...time, "--unsigned"], /--unsigned/],
    ["a text as input", "UNSUPPORTED", "text.bin", () => ["--qmap", run.qmap, ...time], /text\.bin/],
    ["a job file that is none", "CORRUPT_DATA", "run_0001.bin", () => ["--job", at("text.hdf")], /text\.hdf/],
    ["more threads than any machine has", "INVALID_ARGUMENT", "run_0001.bin", () => ["--qmap", run.qmap, "--threads", "1025"], /1024/],
  ])("%s", async (_what, code, input, options, message) => {
    for (const key of [[], ["--key", `key ${message}`]]) {
      expect(await refusal(2, code, "submit", at(input), ...options(), ...key, "--out", at("refused"))).toMatch(message);
    }
    const corr = await refusal(2, code, "corr", at(input), ...options(), "--out", at("refused.hdf"));
    expect(corr).toMatch(message);
    expect((await facility.client.jobs()).jobs).toEqual([]);
    expect(existsSync(at("refused"))).toBe(false);
  });
});

describe("the folder of the results", () => {
  const submit = (out: string): string[] => ["submit", run.input, "--qmap", run.qmap, "--frame-time", "2e-5", "--out", out];

  it("that is a file, is below one, or cannot be made, is exit 2 with what to do", async () => {
    for (const out of [run.qmap, join(run.qmap, "below"), "/proc/xpcs-nowhere"]) {
      const message = await refusal(2, "INVALID_ARGUMENT", ...submit(out));
      expect(message).toContain("--out");
      expect(message).toContain(out);
      expect(message).toMatch(/name (a folder|another one)/);
    }
    expect((await facility.client.jobs()).jobs).toEqual([]);
  });

  it("is not made when central cannot be reached", async () => {
    await refusal(3, "UNAVAILABLE", ...submit(at("unreached")), "--central", "ws://127.0.0.1:1");
    expect(existsSync(at("unreached"))).toBe(false);
  });
});

describe("a folder that cannot be used", () => {
  it("as --data, --work or the demo's --out is exit 2, at once", async () => {
    const token = ["--token", "some-token"];
    for (const folder of ["/proc/xpcs-nowhere", run.qmap]) {
      expect(await refusal(2, "INVALID_ARGUMENT", "central", "--data", folder, "--listen", "127.0.0.1:0")).toContain(folder);
      expect(await refusal(2, "INVALID_ARGUMENT", "site", "--work", folder, "--name", "n", ...token)).toContain("--work");
      expect(await refusal(2, "INVALID_ARGUMENT", "demo", "--out", folder)).toContain("--out");
    }
  });
});

describe("an address that central may not have", () => {
  let other: Server;
  beforeAll(async () => {
    other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => void other.close());

  it("leaves no data folder, and the refusal names the option that allows it", async () => {
    const listen = (address: string) => ["central", "--data", at("unused"), "--listen", address];
    expect(await refusal(4, "REFUSED", ...listen("0.0.0.0:0"))).toContain("--insecure");
    const { port } = other.address() as { port: number };
    expect(await refusal(4, "REFUSED", ...listen(`127.0.0.1:${port}`))).toContain("in use");
    expect(existsSync(at("unused"))).toBe(false);
  });
});

it("tokens in clear text, as version 0.1 began with, are made private and kept as hashes, with a warning", async () => {
  const data = at("open-tokens");
  const path = join(data, "tokens.json");
  mkdirSync(data);
  const tokens = { operatorToken: "operator-token-1234", siteToken: "site-token-12345678" };
  writeFileSync(path, JSON.stringify(tokens));
  chmodSync(path, 0o644);
  const central = start("central", "--data", data, "--listen", "127.0.0.1:0", "--json");
  await vi.waitFor(() => expect(central.printed()).toContain("\n"), { timeout: 10_000 });
  central.kill("SIGTERM");
  await central.result;
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const kept = readFileSync(path, "utf8");
  for (const token of Object.values(tokens)) expect(kept).not.toContain(token);
  expect(central.told()).toContain('"event":"tokens-were-open"');
  expect(JSON.parse(central.printed())).toMatchObject({ operatorToken: null, siteToken: null });
});

describe("with a site", () => {
  beforeAll(() => facility.startSite("here"));

  it("a job file's record names the raw file, which only the job file names", async () => {
    const staged = stageCase("mt-short");
    try {
      const { code, stdout, stderr } = await xpcs("submit", "--job", staged.job, "--out", at("legacy"), "--wait");
      expect(code, stderr).toBe(0);
      const { jobs } = JSON.parse(stdout) as { jobs: string[] };
      const job: JobView = await facility.client.job(jobs[0]!);
      expect(job).toMatchObject({ state: "finished", inputs: [staged.input, staged.job] });
      expect(job.outputs[0]?.path).toBe(join(at("legacy"), "meta_results.hdf"));
    } finally {
      staged.remove();
    }
  });

  it("Ctrl-C of submit --wait says that the job goes on, and it does", async () => {
    const occupied = await facility.client.submit({
      jobs: [0, 1].map(() => ({ work: { app: "xpcs.noop" as const, durationMs: 60_000 }, tags: {}, attemptsMax: 1 })),
    });
    const args = ["submit", run.input, "--qmap", run.qmap, "--frame-time", "2e-5", "--out", at("interrupted"), "--wait"];
    const waiting = start(...args);
    await vi.waitFor(() => expect(waiting.told()).toContain("ready"), { timeout: 10_000 });
    waiting.kill("SIGINT");
    const { code, stdout, stderr } = await waiting.result;
    const id = stdout.trim();
    expect(code).toBe(130);
    expect(stderr).toContain(`the job goes on: xpcs watch ${id} follows`);
    expect((await facility.client.job(id)).state).toBe("ready");
    await facility.client.cancel(occupied.jobs);
    expect(await facility.client.wait([id])).toMatchObject([{ state: "finished" }]);
  });

  it("a second one of its name says so on the console while it tries", async () => {
    const { siteToken } = facility.ready.central as { siteToken: string };
    const second = start("site", "--token", siteToken, "--work", at("w2"), "--name", "here");
    await vi.waitFor(() => expect(second.told()).toMatch(/xpcs: a site named here is connected already.*trying for 18 s/), {
      timeout: 10_000,
    });
    second.kill("SIGTERM");
    expect((await second.result).code).toBe(0);
    expect(second.told()).toContain("site-stopped");
    expect(second.told()).not.toContain("site-left");
  });
});
