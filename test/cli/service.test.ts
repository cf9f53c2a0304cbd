/** The commands against a real central and a real site: what they print, do, and exit with. Processes of the built command. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { run as runExample } from "../../examples/01-submit.js";
import type { TokenView } from "../../src/core/access.js";
import type { Explanation } from "../../src/core/explanation.js";
import type { JobView, SiteView } from "../../src/core/job.js";
import { type DetectorRun, writeDetectorRun } from "../chaos/detector-run.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { datasetOf } from "../xpcs/file-contents.js";
import { DOCUMENTED_SHAPES, documentedJson, shapeFaults } from "./cli-docs.js";
import { type Result, startXpcs as startProcess, type Xpcs } from "./xpcs-process.js";

let facility: Facility;
let run: DetectorRun;
const compared = new Set<string>();

function startXpcs(args: readonly string[], env: Readonly<Record<string, string>> = {}): Xpcs {
  const home = { HOME: facility.folder, XDG_CONFIG_HOME: join(facility.folder, "config") };
  return startProcess(args, { ...home, XPCS_CENTRAL: facility.url, XPCS_TOKEN: facility.operatorToken, ...env });
}

const xpcs = (...args: string[]): Promise<Result> => startXpcs(args).result;

/** Runs a command that must succeed, and compares its JSON with the documented shape. */
async function json<T>(shape: string, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await xpcs(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const value = JSON.parse(stdout) as T;
  expectShape(shape, value);
  return value;
}

function expectShape(shape: string, value: unknown): void {
  compared.add(shape === "jobs" ? "job" : shape);
  expect(shapeFaults(shape === "jobs" ? [documentedJson("job")] : documentedJson(shape), value)).toEqual([]);
}

function expectError({ code, stdout, stderr }: Result, exitCode: number, errorCode: string): string {
  expect({ code, stdout }, stderr).toEqual({ code: exitCode, stdout: "" });
  const value = JSON.parse(stderr) as { error: { code: string; message: string } };
  expectShape("error", value);
  expect(value.error.code).toBe(errorCode);
  return value.error.message;
}

const submitArgs = (out: string, ...more: string[]): string[] => {
  const maps = ["--qmap", run.qmap, "--frame-time", String(run.frameTimeS)];
  return ["submit", run.input, ...maps, "--out", join(facility.folder, out), ...more];
};

async function noop(durationMs: number): Promise<string> {
  const { jobs } = await facility.client.submit({ jobs: [{ work: { app: "xpcs.noop", durationMs }, tags: {}, attemptsMax: 1 }] });
  return jobs[0]!;
}

beforeAll(async () => {
  facility = await startFacility();
  expectShape("central", facility.ready.central);
  await facility.startSite("here");
  expectShape("site", facility.ready.here);
  run = await writeDetectorRun(facility.folder, { frames: 500, photonsPerFrame: 200 });
});
afterAll(() => facility.end());

describe("jobs that depend on each other", () => {
  it("run in order, are changed while they wait, fail together, and are retried together", async () => {
    const work = { app: "xpcs.noop" as const, durationMs: 1 };
    const waiting = { work, tags: {}, attemptsMax: 1, site: "nowhere" };
    const { jobs } = await facility.client.submit({ jobs: [waiting, { ...waiting, parents: ["#0"] }] });
    const [first, second] = jobs as [string, string];
    expect((await json<JobView>("job", "job", second)).reason).toBe(`waits for 1 of 1 parent: ${first}`);
    expect(await json("modify", "modify", first, "--priority", "7", "--deadline", "1s")).toEqual({ modified: [first] });
    expect(await facility.client.wait(jobs)).toMatchObject([
      { state: "failed", priority: 7, reason: expect.stringContaining("its deadline") },
      { state: "failed", reason: `its parent ${first} failed` },
    ]);
    const refused = await xpcs("retry", first, second);
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining("the deadline of job")]);
    const canceled = (await facility.client.submit({ jobs: [waiting, { ...waiting, parents: ["#0"] }] })).jobs as [string, string];
    await facility.client.cancel([canceled[0]]);
    expect(await json("retry", "retry", canceled[0], "--children")).toEqual({ retried: canceled });
    await json("modify", "modify", ...canceled, "--any-site");
    expect(await facility.client.wait(canceled)).toMatchObject([{ state: "finished" }, { state: "finished" }]);
  });
});

describe("a file through central and a site", () => {
  it("is submitted, analysed, waited for and listed", async () => {
    const { jobs } = await json<{ jobs: string[] }>("submit", ...submitArgs("first", "--tag", "sample=latex", "--wait"));
    const job = await json<JobView>("job", "job", jobs[0]!);
    const path = join(facility.folder, "first", "run_0001_results.hdf");
    const bytes = readFileSync(path);
    expect(job).toMatchObject({ id: jobs[0], app: "xpcs.corr", type: "multitau", state: "finished", site: "here", epoch: 1 });
    expect(job.inputs).toEqual([run.input, run.qmap]);
    expect(job.outputs).toEqual([{ path, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") }]);
    expect(await json("logs", "logs", job.id)).toEqual({ job: job.id, epoch: 1, stream: "stdout", text: "", next: 0 });
    const listed = await json<JobView[]>("jobs", "jobs", "--state", "finished", "--tag", "sample=latex");
    expect(listed).toEqual([job]);
    expect(await json<JobView[]>("jobs", "jobs", "--tag", "sample=other")).toEqual([]);
    const sites = await json<SiteView[]>("sites", "sites");
    expect(sites).toMatchObject([{ name: "here", state: "up", slots: 2 }]);
    const explained = await json<Explanation>("explain", "explain", job.id);
    expect(explained).toMatchObject({ job: job.id, site: "here", policy: "soonest", sites: [], happened: { ms: expect.any(Number) } });
    expect((explained.happened!.ratio! * Math.max(1, explained.promised!.ms)) / Math.max(1, explained.happened!.ms)).toBeCloseTo(1, 1);
  });

  it("gives the same g2 as xpcs corr", async () => {
    const out = join(facility.folder, "alone.hdf");
    const args = [run.input, "--qmap", run.qmap, "--frame-time", String(run.frameTimeS), "--threads", "2", "--leverage", "--out", out];
    const summary = await json<{ out: string; frames: number }>("corr", "corr", ...args);
    expect(summary).toMatchObject({ out, frames: 500 });
    const g2 = await datasetOf(out, "xpcs/multitau/normalized_g2");
    expect(g2.length).toBeGreaterThan(20);
    const shown = await json<{ frames: number; bins: { q: number }[]; plots: string[] }>("view", "view", out);
    expect(shown).toMatchObject({ frames: 500, plots: [] });
    const repeats = Array.from({ length: 6 }, (_, at) => join(facility.folder, `repeat_${at}.hdf`));
    for (const repeat of repeats) copyFileSync(out, repeat);
    await json("merge", "merge", ...repeats, "--reject", "--out", join(facility.folder, "merged.hdf"));
    await json("leverage", "leverage", out, "--patch-qmap", join(facility.folder, "patched.hdf"));
    expect(await datasetOf(join(facility.folder, "first", "run_0001_results.hdf"), "xpcs/multitau/normalized_g2")).toEqual(g2);
  });

  it("makes no second job for the same key", async () => {
    const once = await json<{ jobs: string[] }>("submit", ...submitArgs("keyed", "--key", "k1", "--wait"));
    expect(await json<{ jobs: string[] }>("submit", ...submitArgs("keyed", "--key", "k1"))).toEqual(once);
    expectError(await xpcs(...submitArgs("keyed", "--key", "k1", "--average", "2", "--json")), 4, "KEY_CONFLICT");
  });

  it("does not replace a result unless told to", async () => {
    await json("submit", ...submitArgs("twice", "--wait"));
    expect(expectError(await xpcs(...submitArgs("twice", "--json")), 2, "ALREADY_EXISTS")).toContain("--overwrite");
    await json("submit", ...submitArgs("twice", "--overwrite", "--wait"));
  });

  it("that cannot be analysed fails with the reason, and --wait exits 1", async () => {
    const input = join(facility.folder, "broken.bin");
    // Cut within an event: only reading it can tell.
    writeFileSync(input, readFileSync(run.input).subarray(0, -3));
    const args = [
      "submit",
      input,
      "--qmap",
      run.qmap,
      "--frame-time",
      "1e-5",
      "--out",
      join(facility.folder, "broken"),
      "--wait",
      "--json",
    ];
    const { code, stdout } = await xpcs(...args);
    expect(code).toBe(1);
    const [id] = (JSON.parse(stdout) as { jobs: string[] }).jobs;
    const job = await facility.client.job(id!);
    expect(job).toMatchObject({ state: "failed", outputs: [] });
    expect(job.reason).toContain("broken.bin");
    expect(job.attempts).toHaveLength(1);
    expect(existsSync(join(facility.folder, "broken", "broken_results.hdf"))).toBe(false);
  });

  it("goes through the example", async () => {
    const lines: string[] = [];
    const out = join(facility.folder, "example_results.hdf");
    const wish = { central: facility.url, token: facility.operatorToken, input: run.input, qmap: run.qmap, out };
    const job = await runExample(wish, (line) => lines.push(line));
    expect(job.outputs[0]?.path).toBe(out);
    expect(lines.at(-1)).toContain("sha256");
    // The key makes a second run harmless.
    expect((await runExample(wish, () => {})).id).toBe(job.id);
  });
});

describe("bad input exits 2 before anything is submitted", () => {
  it.each([
    ["a missing input", ["submit", "none.bin", "--qmap", "none.hdf"], "NOT_FOUND"],
    ["no maps", ["submit", "a.bin"], "INVALID_ARGUMENT"],
    ["no input", ["submit", "--qmap", "q.hdf"], "INVALID_ARGUMENT"],
    ["a bad number", ["submit", "a.bin", "--begin", "zero"], "INVALID_ARGUMENT"],
    ["an unknown job", ["job", "nope"], "NOT_FOUND"],
    ["an unknown job to wait for", ["watch", "nope"], "NOT_FOUND"],
    ["an unknown option", ["jobs", "--colour"], "INVALID_ARGUMENT"],
    ["an address that is none", ["jobs", "--central", "here"], "INVALID_ARGUMENT"],
  ])("%s", async (_what, args, errorCode) => {
    expectError(await xpcs(...args, "--json"), 2, errorCode);
  });

  it("two inputs with one result", async () => {
    const folders = ["x", "y"].map((name) => join(facility.folder, name));
    for (const folder of folders) {
      mkdirSync(folder);
      writeFileSync(join(folder, "same.bin"), "x");
    }
    const inputs = folders.map((folder) => join(folder, "same.bin"));
    const result = await xpcs("submit", ...inputs, "--qmap", run.qmap, "--frame-time", "1", "--out", facility.folder, "--json");
    expect(expectError(result, 2, "INVALID_ARGUMENT")).toContain("same_results.hdf");
  });
});

describe("central that is not there or says no", () => {
  it("exits 3 when nobody answers", async () => {
    expectError(await xpcs("jobs", "--central", "ws://127.0.0.1:1", "--json"), 3, "UNAVAILABLE");
  });

  it("exits 4 for a wrong token, and for a site that shows an operator's", async () => {
    expectError(await xpcs("jobs", "--token", "wrong", "--json"), 4, "PERMISSION_DENIED");
    const { code, stderr } = await xpcs("site", "--work", join(facility.folder, "w"), "--name", "thief", "--json");
    expect(code).toBe(4);
    expect(stderr.trim().split("\n").at(-1)).toContain("PERMISSION_DENIED");
  });

  it("takes address and token from the settings file, the environment, and the options, the last first", async () => {
    const none = { XPCS_CENTRAL: "", XPCS_TOKEN: "" };
    expectError(await startXpcs(["jobs", "--json"], none).result, 2, "INVALID_ARGUMENT");
    const config = join(facility.folder, "config", "xpcs");
    mkdirSync(config, { recursive: true });
    writeFileSync(join(config, "client.json"), JSON.stringify({ central: facility.url, token: facility.operatorToken }));
    expect((await startXpcs(["jobs", "--json"], none).result).code).toBe(0);
    expect((await startXpcs(["jobs", "--json"], { XPCS_CENTRAL: "ws://127.0.0.1:1" }).result).code).toBe(3);
    expect((await startXpcs(["jobs", "--central", facility.url, "--json"], { XPCS_CENTRAL: "ws://127.0.0.1:1" }).result).code).toBe(0);
    writeFileSync(join(config, "client.json"), "{ no json");
    expectError(await startXpcs(["jobs", "--json"], none).result, 2, "INVALID_ARGUMENT");
  });
});

describe("watch and cancel", () => {
  it("a running job is canceled, and its watcher sees it and exits 1", async () => {
    const id = await noop(60_000);
    const watcher = startXpcs(["watch", id, "--json"]);
    await vi.waitFor(() => expect(watcher.printed()).toContain('"state":"running"'), { timeout: 10_000 });
    expect(await json("cancel", "cancel", id)).toEqual({ canceled: [id], alreadyFinal: [] });
    const { code, stdout } = await watcher.result;
    expect(code).toBe(1);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as JobView);
    expect(lines.at(-1)).toMatchObject({ id, state: "canceled" });
  });

  it("watch without ids follows everything until it is interrupted", async () => {
    const watcher = startXpcs(["watch", "--json"]);
    // A change may come before the watcher listens: make some until it has seen one.
    await vi.waitFor(
      async () => {
        await noop(10);
        expect(watcher.printed()).toContain("xpcs.noop");
      },
      { timeout: 10_000, interval: 200 },
    );
    watcher.kill("SIGINT");
    const { code, stdout } = await watcher.result;
    expect(code).toBe(130);
    expect(JSON.parse(stdout.split("\n")[0]!)).toMatchObject({ app: "xpcs.noop" });
  });
});

describe("wait", () => {
  it("lists jobs once all have ended, and exits 1 unless all finished", async () => {
    const [slow, quick] = [await noop(1_500), await noop(1)];
    const waited = await json<JobView[]>("jobs", "wait", slow, quick, "--timeout", "45min");
    expect(waited.map(({ id, state }) => [id, state])).toEqual([slow, quick].map((id) => [id, "finished"]));
    const doomed = await noop(60_000);
    const waiting = startXpcs(["wait", doomed, quick]);
    await facility.client.cancel([doomed]);
    const { code, stdout, stderr } = await waiting.result;
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(stdout).toMatch(new RegExp(`${doomed}.*canceled.*\n${quick}.*finished`));
    expectError(await xpcs("wait", "never-was", "--json"), 2, "NOT_FOUND");
  });

  it("gives up after a time with the states so far and exit code 3, and with 130 after Ctrl-C", async () => {
    const [slow, quick] = [await noop(60_000), await noop(1)];
    await facility.client.wait([quick]);
    const late = await xpcs("wait", slow, quick, "--timeout", "1s", "--json");
    expect(late.code).toBe(3);
    expect(JSON.parse(late.stdout)).toMatchObject([{ id: slow }, { id: quick, state: "finished" }]);
    expect(JSON.parse(late.stderr).error).toEqual({ code: "DEADLINE_EXCEEDED", message: `after 1 s 1 of 2 jobs have not ended: ${slow}` });
    const waiting = startXpcs(["wait", slow, "--timeout", "never"]);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    waiting.kill("SIGINT");
    expect((await waiting.result).code).toBe(130);
    expect((await facility.client.job(slow)).state).not.toBe("canceled");
    await facility.client.cancel([slow]);
  });
});

describe("tokens", () => {
  it("are made, listed and revoked, and a joined site needs no more than its code", async () => {
    const mine = ["--person", "J. Smith", "--experiment", "2026-3/smith", "--expires", "7d"];
    const made = await json<TokenView & { token: string }>("token", "token", "create", "--role", "operator", ...mine);
    expect(made).toMatchObject({ person: "J. Smith", experiment: "2026-3/smith", state: "valid", joinCode: null });
    const asSmith = (...args: string[]) => startXpcs([...args, "--json"], { XPCS_TOKEN: made.token }).result;
    expect(await asSmith("jobs")).toMatchObject({ code: 0, stdout: "[]\n" });
    expectError(await asSmith("token", "list"), 4, "PERMISSION_DENIED");
    const list = JSON.parse((await xpcs("token", "list", "--json")).stdout) as TokenView[];
    expect(list[0]).toEqual({ ...made, token: undefined, joinCode: undefined, joinLine: undefined });
    expect(JSON.parse((await xpcs("token", "revoke", made.id, "--json")).stdout)).toMatchObject({ id: made.id, state: "revoked" });
    expect(expectError(await asSmith("jobs"), 4, "PERMISSION_DENIED")).toContain("J. Smith was revoked");
    const forever = await json<TokenView>("token", "token", "create", "--role", "visitor", "--expires", "never");
    expect(forever).toMatchObject({ state: "valid", expiresAt: null });
    const ended = JSON.parse((await xpcs("token", "revoke", forever.id, "--with-descendants", "--json")).stdout);
    expect(ended).toMatchObject({ state: "revoked", descendants: [] });
    expectError(await xpcs("token", "list", "--with-descendants", "--json"), 2, "INVALID_ARGUMENT");
    expectError(await xpcs("token", "create", "--json"), 2, "INVALID_ARGUMENT");
    expectError(await xpcs("token", "create", "--role", "visitor", "--expires", "soon", "--json"), 2, "INVALID_ARGUMENT");
    expectError(await xpcs("token", "revoke", "--json"), 2, "INVALID_ARGUMENT");
    expectError(await xpcs("token", "revoke", "t0", "--json"), 2, "NOT_FOUND");
  });

  it("of a joined site come from one paste, and are kept for the next start", async () => {
    const line = (await xpcs("token", "create", "--role", "site", "--site", "joined", "--join")).stdout.trim();
    expect(line).toMatch(/^xpcs join xpcs-join-[\w-]+$/);
    const words = line.split(" ").slice(1);
    const work = ["--work", join(facility.folder, "joined")];
    // Whatever the person's own settings are: the site has its own.
    const site = startXpcs([...words, ...work, "--json"], { XPCS_TOKEN: "of somebody else" });
    await vi.waitFor(() => expect(site.printed()).toContain('"site":"joined"'), { timeout: 10_000 });
    site.kill("SIGTERM");
    expect((await site.result).code).toBe(0);
    const settings = join(facility.folder, "config", "xpcs", "sites", "joined.json");
    expect(statSync(settings).mode & 0o777).toBe(0o600);
    const again = startXpcs(["site", "--name", "joined", ...work, "--json"], { XPCS_TOKEN: "", XPCS_CENTRAL: "" });
    await vi.waitFor(() => expect(again.printed()).toContain('"site":"joined"'), { timeout: 10_000 });
    again.kill("SIGTERM");
    expect((await again.result).code).toBe(0);
    rmSync(settings);
    expect(expectError(await xpcs(...words, ...work, "--json"), 4, "PERMISSION_DENIED")).toContain("was used");
    expectError(await xpcs("join", words[1]!.slice(0, -9), "--json"), 2, "INVALID_ARGUMENT");
  });

  it("can be made in central's data folder, without one, while central runs", async () => {
    const data = ["--data", join(facility.folder, "central")];
    const { token } = JSON.parse((await xpcs("token", "create", "--role", "visitor", ...data, "--json")).stdout) as { token: string };
    const file = join(facility.folder, "token");
    writeFileSync(file, `${token}\n`);
    const look = await startXpcs(["sites", "--token-file", file, "--json"], { XPCS_TOKEN: "" }).result;
    expect(look).toMatchObject({ code: 0 });
    expectError(await xpcs("token", "list", "--data", join(facility.folder, "nothing"), "--json"), 2, "NOT_FOUND");
  });
});

describe("a site that is told to stop", () => {
  it("gives its job back, leaves, and exits 0", async () => {
    const started = await facility.startSite("leaver", 1, ["--grace", "0"]);
    const { jobs } = await facility.client.submit({
      jobs: [{ work: { app: "xpcs.noop", durationMs: 60_000 }, tags: {}, attemptsMax: 1, site: "leaver" }],
    });
    await vi.waitFor(async () => expect((await facility.client.job(jobs[0]!)).state).toBe("running"), { timeout: 5_000 });
    expect(await started.stop("SIGTERM")).toBe(0);
    const job = await facility.client.job(jobs[0]!);
    expect(job).toMatchObject({ state: "ready", attempts: [{ outcome: "returned" }] });
    expect((await facility.client.sites()).find(({ name }) => name === "leaver")?.state).toBe("gone");
    await facility.client.cancel(jobs);
  });
});

it("every documented JSON shape was compared with a real one", () => {
  // A ledger is compared where its central has stopped, a watched folder where it is filled, a scheduler where a job is probed, a bundle where it is used, a site's state where it is started.
  const elsewhere = {
    ledger: "ledger.test.ts",
    watched: "submit-watch.test.ts",
    experiment: "experiment.test.ts",
    doctor: "doctor-batch.test.ts",
    bundle: "../bundle/bare-machine.test.ts",
    site_status: "site-service.test.ts",
    downtimes: "site-downtime.test.ts",
    live: "stream.test.ts",
    replay: "replay.test.ts",
  };
  for (const [shape, file] of Object.entries(elsewhere)) {
    expect(readFileSync(new URL(file, import.meta.url), "utf8")).toMatch(new RegExp(`shapeFaults\\(.*documentedJson\\("${shape}"\\)`));
  }
  expect([...compared, ...Object.keys(elsewhere)].sort()).toEqual([...DOCUMENTED_SHAPES].sort());
});
