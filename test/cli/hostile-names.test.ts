/** File names that mean something to a shell, a terminal or a path, and files that are no files: results have exactly the names asked for, or none. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { JobSpec, JobView } from "../../src/core/job.js";
import { corrJobs, type DetectorRun, writeDetectorRun } from "../chaos/detector-run.js";
import { type Facility, startFacility } from "../chaos/processes.js";

let facility: Facility;
let run: DetectorRun;
let results: string;

beforeAll(async () => {
  facility = await startFacility();
  run = await writeDetectorRun(facility.folder, { frames: 200, photonsPerFrame: 50 });
  const apps = {
    copy: {
      argv: ["/bin/sh", "-c", 'cat "$1" > "$2"', "copy", "{in}", "{out}"],
      parameters: { in: { type: "input" }, out: { type: "output" } },
    },
  };
  const settings = join(facility.folder, "apps.json");
  writeFileSync(settings, JSON.stringify(apps));
  await facility.startSite("a", 2, ["--apps", settings]);
});
afterAll(() => facility.end());

/** A folder of its own for the results. */
function freshResults(name: string): void {
  results = join(facility.folder, name);
  mkdirSync(results);
}

function copyJob(input: string, output: string, overwrite = false): JobSpec {
  const work = { app: "copy", parameters: {}, inputs: { in: { path: input } }, outputs: { out: { path: output } }, overwrite };
  return { work, tags: {}, attemptsMax: 1 };
}

async function ends(jobs: readonly JobSpec[]): Promise<JobView[]> {
  const { jobs: ids } = await facility.client.submit({ jobs });
  return facility.client.wait(ids, { signal: AbortSignal.timeout(60_000) });
}

const NAMES = [
  "with space.h5",
  "quote'\".h5",
  "$(touch pwned).h5",
  "`touch pwned`.h5",
  "; touch pwned;.h5",
  "-rf",
  "back\\slash.h5",
  "übergrößen 漢字 🙂.h5",
  "..h5",
  "...",
  "*?[a]{b}.h5",
  "%s%n #0 {in} {{out}}.h5",
  `${"long".repeat(45)}.h5`,
];

describe("a name that means something to a shell, a terminal or a template", () => {
  it("is the name of what a command reads and makes", async () => {
    freshResults("commands");
    const inputs = join(facility.folder, "inputs");
    mkdirSync(inputs);
    for (const name of NAMES) writeFileSync(join(inputs, name), `of ${name}`);
    const jobs = await ends(NAMES.map((name) => copyJob(join(inputs, name), join(results, name))));
    for (const [at, job] of jobs.entries()) expect(job.state, `${NAMES[at]}: ${job.reason}`).toBe("finished");
    // Beside them only for as long as the site tidies up.
    await vi.waitFor(() => expect(readdirSync(results).sort()).toEqual([...NAMES].sort()));
    for (const name of NAMES) expect(readFileSync(join(results, name), "utf8")).toBe(`of ${name}`);
    expect(execFileSync("find", [facility.folder, "-name", "pwned"], { encoding: "utf8" })).toBe("");
  });

  it("is the name of a result of the correlator", async () => {
    freshResults("correlations");
    const paths = NAMES.map((name) => join(results, name));
    const jobs = await ends(corrJobs(run, paths));
    for (const [at, job] of jobs.entries()) expect(job.state, `${NAMES[at]}: ${job.reason}`).toBe("finished");
    // Beside them only for as long as the site tidies up.
    await vi.waitFor(() => expect(readdirSync(results).sort()).toEqual([...NAMES].sort()));
  });
});

describe("a path that is none", () => {
  it.each([
    ["a line break", "/data/a\nb.h5"],
    ["an escape sequence", "/data/\u001b[2J.h5"],
    ["a zero", "/data/a\u0000.h5"],
    ["no root", "data/a.h5"],
    ["nothing", ""],
    ["too many characters", `/${"x/".repeat(3_000)}`],
  ])("with %s is refused at submission", async (_, path) => {
    await expect(facility.client.submit({ jobs: [copyJob("/dev/null", path)] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(facility.client.submit({ jobs: corrJobs(run, [path]) })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("with a name that leaves no room for the unfinished file fails, and says why", async () => {
    freshResults("long");
    const [job] = await ends([copyJob(run.qmap, join(results, "x".repeat(250)))]);
    expect(job).toMatchObject({ state: "failed", reason: expect.stringMatching(/too long/i) });
    expect(readdirSync(results)).toEqual([]);
  });
});

describe("a result's name that is taken", () => {
  it("by a link never reaches what the link names", async () => {
    freshResults("links");
    const victim = join(facility.folder, "victim");
    writeFileSync(victim, "precious");
    symlinkSync(victim, join(results, "kept"));
    symlinkSync(victim, join(results, "replaced"));
    symlinkSync(join(facility.folder, "nowhere"), join(results, "dangling"));
    const jobs = await ends([
      copyJob(run.qmap, join(results, "kept")),
      copyJob(run.qmap, join(results, "replaced"), true),
      copyJob(run.qmap, join(results, "dangling")),
    ]);
    expect(jobs.map(({ state }) => state)).toEqual(["failed", "finished", "failed"]);
    expect(jobs[0]!.attempts.at(-1)?.code).toBe("ALREADY_EXISTS");
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(existsSync(join(facility.folder, "nowhere"))).toBe(false);
    // Beside them only for as long as the site tidies up.
    await vi.waitFor(() => expect(readdirSync(results).sort()).toEqual(["dangling", "kept", "replaced"]));
  });

  it("by a folder fails, also with overwrite", async () => {
    freshResults("folders");
    mkdirSync(join(results, "taken"));
    const jobs = await ends([copyJob(run.qmap, join(results, "taken")), copyJob(run.qmap, join(results, "taken"), true)]);
    expect(jobs.map(({ state }) => state)).toEqual(["failed", "failed"]);
    expect(readdirSync(results)).toEqual(["taken"]);
    expect(readdirSync(join(results, "taken"))).toEqual([]);
  });
});

describe("an input that is no file", () => {
  it("fails, or stops when it is canceled; the site works on", async () => {
    freshResults("odd");
    const fifo = join(facility.folder, "fifo.bin");
    execFileSync("mkfifo", [fifo]);
    const odd = (path: string, at: number): JobSpec => corrJobs({ ...run, input: path }, [join(results, `odd${at}.h5`)])[0]!;
    const { jobs } = await facility.client.submit({
      jobs: [fifo, "/dev/zero", facility.folder, "/proc/self/mem"].map((path, at) => ({ ...odd(path, at), attemptsMax: 1 })),
    });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await facility.client.cancel(jobs);
    const ended = await facility.client.wait(jobs, { signal: AbortSignal.timeout(30_000) });
    for (const job of ended) expect(["failed", "canceled"], `${job.inputs[0]}: ${job.reason}`).toContain(job.state);
    expect(readdirSync(results)).toEqual([]);
    expect((await ends([copyJob(run.qmap, join(results, "after"))]))[0]!.state).toBe("finished");
  });
});
