/** `xpcs doctor --batch`: the scheduler of a file of batch settings, with a small job. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { queueFault } from "../../src/cli/doctor-batch.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { startXpcs } from "./xpcs-process.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-doctor-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function doctor(file: object | null, ...args: string[]) {
  const path = join(folder, "batch.json");
  writeFileSync(path, JSON.stringify(file));
  const batch = file === null ? [] : ["--batch", path];
  const { code, stdout, stderr } = await startXpcs(["doctor", "--json", ...batch, ...args], {}).result;
  return {
    code,
    stderr,
    value: stdout === "" ? null : (JSON.parse(stdout) as { checks: { name: string; status: string; found: string }[] }),
  };
}

const FILE = { scheduler: "local", folder: "", job: { walltimeS: 60 } };

it("runs a small job, and leaves nothing of it", async () => {
  const jobs = join(folder, "batch jobs");
  const { value } = await doctor({ ...FILE, folder: jobs }, "--probe");
  expect(shapeFaults(documentedJson("doctor"), value)).toEqual([]);
  expect(value!.checks.slice(-2)).toMatchObject([
    { name: "batch local", status: "ok", found: expect.stringMatching(/^local \d\S* answers$/) },
    { name: "batch probe", status: "ok", found: expect.stringMatching(/^job \S+ waited \d+ s and ran$/) },
  ]);
  expect(readdirSync(jobs)).toEqual([]);
});

it("says why a job failed, and keeps what it left", async () => {
  const jobs = join(folder, "failing");
  const { code, value } = await doctor({ ...FILE, folder: jobs, job: { walltimeS: 60, lines: ["exit 9"] } }, "--probe");
  expect(code).toBe(1);
  expect(value!.checks.at(-1)).toMatchObject({ name: "batch probe", status: "fail", found: expect.stringContaining("exit code 9") });
  expect(readdirSync(jobs).length).toBe(1);
});

it.each([
  [{ scheduler: "condor", folder: "/x", job: { walltimeS: 60 } }, "scheduler: "],
  [{ folder: "/x", job: { walltimeS: 60 } }, "scheduler: "],
  [{ ...FILE, folder: "x" }, "folder: must be an absolute path"],
  [{ ...FILE, folder: "/x", job: {} }, "job.walltimeS: "],
  [{ ...FILE, folder: "/x", job: { walltimeS: 60, queue: "debug" } }, '"queue"'],
  [{ ...FILE, folder: "/x", job: { walltimeS: 60, lines: ["a\nb"] } }, "job.lines.0: must be one line"],
  [{ scheduler: "slurm", folder: "/x", job: { walltimeS: 60, queue: "a b" } }, "job.queue: is no name"],
  [{ scheduler: "slurm", folder: "/x", job: { walltimeS: 60, queue: "--wrap=id" } }, "job.queue: is no name"],
  [{ scheduler: "slurm", folder: "/x", job: { walltimeS: 60, after: ["1:2"] } }, "job.after.0: is no id"],
])("refuses %j", async (file, words) => {
  const { code, stderr } = await doctor(file);
  expect([code, JSON.parse(stderr)]).toMatchObject([2, { error: { code: "INVALID_ARGUMENT", message: expect.stringContaining(words) } }]);
});

it("probes nothing without a file", async () => {
  expect(await doctor(null, "--probe")).toMatchObject({ code: 2, stderr: expect.stringContaining("--batch") });
});

describe("the queue of a file", () => {
  const job = { nodes: 2, walltimeS: 3600, modules: [], lines: [], queue: "debug" };
  const debug = { name: "debug", open: true, walltimeMaxS: 3600, nodes: 4 };
  it.each([
    [job, [debug], null],
    [{ ...job, queue: undefined }, [debug], null],
    [job, [], null],
    [job, [{ ...debug, name: "batch" }], "there is no queue debug, there are batch"],
    [job, [{ ...debug, open: false }], "is closed"],
    [job, [{ ...debug, walltimeMaxS: 1800 }], "at most 1800 s"],
    [job, [{ ...debug, nodes: 1 }], "has 1 nodes"],
    [job, [{ ...debug, nodes: null, walltimeMaxS: null }], null],
  ])("%j of %j: %s", (asked, queues, fault) => {
    const { queue, ...rest } = asked;
    const found = queueFault(queue === undefined ? rest : { ...rest, queue }, queues);
    if (fault === null) expect(found).toBeNull();
    else expect(found).toContain(fault);
  });
});
