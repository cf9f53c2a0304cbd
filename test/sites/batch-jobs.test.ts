/** Batch jobs over a fake scheduler that says what a test wants: what counts as an end, and what does not. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { type BatchJobs, createBatchJobs } from "../../src/sites/batch-jobs.js";
import type { BatchRef, Ending, Machine, Scheduler, Sighting } from "../../src/sites/schedulers/define.js";
import { local } from "../../src/sites/schedulers/local.js";
import { type VirtualClock, virtualClock } from "../actors/virtual-clock.js";

const STRIKE_MS = 10_000;
const LATE_MS = 20_000;
const settings = { nodes: 1, walltimeS: 60, modules: [], lines: [] };
let root: string;
let clock: VirtualClock;
/** What the fake scheduler answers; an error is thrown. */
let says: { submit: string | Error; find: string[] | Error; status: Sighting[] | Error; account: Map<string, Ending> | Error };
let jobs: BatchJobs;

function orThrow<T>(answer: T | Error): T {
  if (answer instanceof Error) throw answer;
  return answer;
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "xpcs-batch-jobs-"));
  clock = virtualClock();
  says = { submit: "7", find: [], status: [], account: new Map() };
  const fake: Scheduler = {
    ...local,
    name: "fake",
    submit: async () => orThrow(says.submit),
    find: async () => orThrow(says.find),
    status: async () => orThrow(says.status),
    account: async () => orThrow(says.account),
    cancel: async () => {},
  };
  jobs = createBatchJobs({ scheduler: fake, machine: {} as Machine, folder: root, clock, strikeMs: STRIKE_MS, lateMs: LATE_MS });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const request = { tag: "a", argv: ["true"] as const, settings };
const away = new XpcsError("UNAVAILABLE", "away");
const submitted = async (): Promise<BatchRef> => (await jobs.submit(request)).ref;
const look = async (ref: BatchRef) => (await jobs.poll([ref]))[0]!;

it("a look that fails, or comes too soon, does not count; three that count are the end", async () => {
  const ref = await submitted();
  expect(await look(ref)).toMatchObject({ phase: "unknown", sentence: expect.stringContaining("look 1 of 3") });
  await clock.advance(STRIKE_MS - 1);
  expect(await look(ref)).toMatchObject({ sentence: expect.stringContaining("look 1 of 3") });
  await clock.advance(1);
  says.status = away;
  await expect(look(ref)).rejects.toBe(away);
  says.status = [];
  expect(await look(ref)).toMatchObject({ sentence: expect.stringContaining("look 2 of 3") });
  await clock.advance(STRIKE_MS);
  expect(await look(ref)).toMatchObject({ phase: "ended", ending: { outcome: "gone" } });
});

it("a job that is listed again begins anew", async () => {
  const ref = await submitted();
  await look(ref);
  await clock.advance(STRIKE_MS);
  await look(ref);
  says.status = [{ id: "7", phase: "running", words: "R", sentence: "it runs", ending: null }];
  expect(await look(ref)).toMatchObject({ phase: "running" });
  says.status = [];
  await clock.advance(STRIKE_MS);
  expect(await look(ref)).toMatchObject({ sentence: expect.stringContaining("look 1 of 3") });
});

it("while accounting is away nothing is concluded from its silence; where there is none, it is", async () => {
  const ref = await submitted();
  writeFileSync(join(root, "a", "exit-code"), "143\n");
  says.account = away;
  for (let count = 0; count < 5; count += 1) {
    expect(await look(ref)).toMatchObject({ phase: "unknown" });
    await clock.advance(STRIKE_MS);
  }
  says.account = new Map([["7", { outcome: "preempted", exitCode: null, sentence: "it made room" }]]);
  expect(await look(ref)).toMatchObject({ ending: { outcome: "preempted", exitCode: 143 } });
  says.account = new XpcsError("NOT_FOUND", "no such command");
  await look(ref);
  await clock.advance(STRIKE_MS);
  await look(ref);
  await clock.advance(STRIKE_MS);
  expect(await look(ref)).toMatchObject({ ending: { outcome: "failed", exitCode: 143 } });
});

it("a submission that failed, and of which nothing can be learned, fails with its own reason, and may be there", async () => {
  says.submit = new XpcsError("DEADLINE_EXCEEDED", "no reply");
  let failure: unknown;
  void jobs.submit(request).catch((error: unknown) => {
    failure = error;
  });
  await expect
    .poll(async () => {
      await clock.advance(1_000);
      return failure;
    })
    .toBe(says.submit);
  expect(await jobs.unsettled()).toEqual(["a"]);
  // The next try finds what the first one made.
  says.find = ["8"];
  expect(await jobs.submit(request)).toMatchObject({ attached: true, ref: { id: "8" } });
  expect([await jobs.unsettled(), (await jobs.known()).map(({ id }) => id)]).toEqual([[], ["8"]]);
});

it("a submission that was begun before this process may still come: it is looked for, and made again only when it cannot come any more", async () => {
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "a", "script.sh"), "");
  await expect(jobs.submit(request)).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: expect.stringContaining("may still be under way"),
  });
  await clock.advance(LATE_MS - 1);
  says.submit = new Error("must not be asked");
  await expect(jobs.submit(request)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await clock.advance(1);
  says.submit = "8";
  expect(await jobs.submit(request)).toMatchObject({ attached: false, ref: { id: "8" } });
  // One that was not begun before is made at once.
  mkdirSync(join(root, "b"));
  expect(await jobs.submit({ ...request, tag: "b" })).toMatchObject({ attached: false });
});

it.each(["REFUSED", "NOT_FOUND"] as const)(
  "a submission that may have been made is not taken for refused when the search for it fails: %s",
  async (code) => {
    // As after a kill between the submission and the note of it.
    mkdirSync(join(root, "a"));
    writeFileSync(join(root, "a", "script.sh"), "");
    says.find = new XpcsError(code, "squeue failed with exit code 1");
    says.submit = new Error("must not be asked");
    await expect(jobs.submit(request)).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("squeue failed") });
    // One that is new has not been submitted: that may be said.
    await expect(jobs.submit({ ...request, tag: "b" })).rejects.toBe(says.find);
  },
);

it("nothing is submitted while it cannot be known whether the job is there", async () => {
  says.find = away;
  says.submit = new Error("must not be asked");
  await expect(jobs.submit(request)).rejects.toBe(away);
});

it("keeps the folders of the last failed jobs, out of the way", async () => {
  const tags = Array.from({ length: 23 }, (_, at) => `t${String(at).padStart(2, "0")}`);
  for (const tag of tags) {
    mkdirSync(join(root, tag));
    writeFileSync(join(root, tag, "submitted"), "1\n");
    expect(existsSync(await jobs.setAside({ tag }))).toBe(true);
  }
  expect(await jobs.known()).toEqual([]);
  expect(readdirSync(root).sort()).toEqual(tags.slice(3).map((tag) => `.${tag}`));
});
