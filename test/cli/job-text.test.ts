/** Lines and tables about jobs: which time they carry. */
import { expect, it } from "vitest";
import { changeLines, jobTable, jobText } from "../../src/cli/job-text.js";
import type { JobView } from "../../src/core/job.js";
import { virtualClock } from "../actors/virtual-clock.js";

const job: JobView = {
  id: "j1",
  app: "xpcs.corr",
  owner: "alice",
  type: "multitau",
  state: "running",
  reason: null,
  since: "2026-11-22T10:15:02.000Z",
  site: "polaris",
  why: "soonest",
  epoch: 1,
  attempts: [{ site: "polaris", epoch: 1, startedAt: "2026-11-22T10:15:02.000Z", outcome: "running" }],
  inputs: ["/data/a.bin"],
  outputs: [],
  experiment: "local/default",
  parents: [],
  onParentFailure: "fail",
  priority: 0,
  deadline: null,
  resources: {},
  attemptsMax: 3,
  tags: {},
  progress: 0.1,
  submittedAt: "2026-11-22T10:15:00.000Z",
  startedAt: "2026-11-22T10:15:02.000Z",
  finishedAt: null,
  archived: false,
};

it("a line of progress has the time of the progress, a line of a new state that of the state", async () => {
  const clock = virtualClock(Date.UTC(2026, 10, 22, 10, 15, 3));
  const line = changeLines(clock);
  expect(line(job)).toBe("10:15:02 UTC  j1  running at polaris  a.bin  (10 %)");
  await clock.advance(4_000);
  expect(line({ ...job, progress: 0.5 })).toBe("10:15:07 UTC  j1  running at polaris  a.bin  (50 %)");
  const finished: JobView = { ...job, state: "finished", progress: 1, since: "2026-11-22T10:15:09.000Z" };
  expect(line(finished)).toBe("10:15:09 UTC  j1  finished at polaris  a.bin");
});

it("times say that they are UTC", () => {
  expect(jobTable([job]).split("\n")[0]).toContain("SUBMITTED UTC");
  const times = jobText(job)
    .split("\n")
    .filter((text) => /\d\d:\d\d:\d\d/.test(text));
  expect(times).toHaveLength(4);
  for (const text of times) expect(text).toMatch(/\d\d:\d\d:\d\d UTC/);
});
