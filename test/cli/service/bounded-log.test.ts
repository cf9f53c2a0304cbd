/** A log that stays within its bounds, and its reader, who loses no line of it. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, it } from "vitest";
import { createRun } from "../../../src/cli/output.js";
import { openLog } from "../../../src/cli/service/bounded-log.js";
import { linesAtEnd, showLog } from "../../../src/cli/service/log-lines.js";
import { realClock } from "../../../src/core/real-clock.js";

const root = mkdtempSync(join(tmpdir(), "xpcs-log-"));
afterAll(() => rmSync(root, { recursive: true }));
let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(root, "log-")), "site.log");
});

const line = (number: number): string =>
  `${JSON.stringify({ level: "info", time: "2026-11-26T10:00:00.000Z", event: "lease-granted", job: `j${number}` })}\n`;
const jobs = (lines: readonly string[]): string[] => lines.map((text) => (JSON.parse(text) as { job: string }).job);
const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, at) => `j${from + at}`);

it("never takes more than two files' worth", () => {
  const log = openLog(path, 1_000);
  for (let at = 0; at < 500; at += 1) log.write(line(at));
  expect(statSync(path).size).toBeLessThanOrEqual(1_000);
  expect(statSync(`${path}.1`).size).toBeLessThanOrEqual(1_000);
  expect(jobs(linesAtEnd(path, 5))).toEqual(numbers(495, 500));
  // Over the turn.
  const all = jobs(linesAtEnd(path, 1_000));
  expect(all).toEqual(numbers(500 - all.length, 500));
  log.close();
});

it("goes on where an earlier process stopped, for its owner alone", () => {
  const first = openLog(path, 1_000);
  first.write(line(0));
  first.close();
  const second = openLog(path, 1_000);
  second.write(line(1));
  second.close();
  expect(jobs(linesAtEnd(path, 9))).toEqual(["j0", "j1"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it("does not end its process when it cannot be written, and says how many lines are missing", () => {
  const log = openLog(path, 200);
  log.write(line(0));
  log.write(line(1));
  // The next turn has nowhere to go.
  rmSync(`${path}.1`, { force: true });
  mkdirSync(join(`${path}.1`, "in-the-way"), { recursive: true });
  log.write(line(2));
  log.write(line(3));
  rmSync(`${path}.1`, { recursive: true });
  log.write(line(4));
  const [said, last] = linesAtEnd(path, 2).map((text) => JSON.parse(text) as Record<string, unknown>);
  expect([said, last!.job]).toEqual([expect.objectContaining({ event: "log-lines-lost", lines: 2 }), "j4"]);
});

it("goes on in a new file when somebody has taken the log away", () => {
  const log = openLog(path, 200);
  log.write(line(0));
  rmSync(path);
  for (let at = 1; at < 10; at += 1) log.write(line(at));
  log.close();
  expect(jobs(linesAtEnd(path, 1))).toEqual(["j9"]);
});

/** Follows in the background; `lines` is what was shown. */
function follow(count: number, json = true) {
  const lines: string[] = [];
  const run = createRun({ stdout: { write: (text) => lines.push(text) }, stderr: { write() {} } }, json);
  const done = showLog(path, count, true, realClock, run.io);
  const end = (): Promise<void> => {
    run.interrupt("SIGINT");
    return done;
  };
  return { lines, end };
}

it("is followed over many turns without a line lost or shown twice", async () => {
  const log = openLog(path, 3_000);
  for (let at = 0; at < 10; at += 1) log.write(line(at));
  const { lines, end } = follow(3);
  for (let at = 10; at < 60; at += 1) {
    log.write(line(at));
    if (at % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 400));
  }
  await expect.poll(() => jobs(lines).at(-1), { timeout: 5_000 }).toBe("j59");
  await end();
  expect(jobs(lines)).toEqual(numbers(7, 60));
});

it("is followed from before it is there", async () => {
  const { lines, end } = follow(10);
  writeFileSync(path, line(1));
  await expect.poll(() => jobs(lines)).toEqual(["j1"]);
  await end();
});

it("shows people what was cut short, and programs only whole lines", async () => {
  writeFileSync(path, line(1));
  appendFileSync(path, '{"level":"info"\n');
  const text: string[] = [];
  const people = createRun({ stdout: { write: (part) => text.push(part) }, stderr: { write() {} } }, false);
  await showLog(path, 10, false, realClock, people.io);
  expect(text.join("")).toBe('10:00:00.000 info  lease-granted  job=j1\n{"level":"info"\n');
  expect(readFileSync(path, "utf8")).toContain("lease-granted");
});

it("says when there is none", async () => {
  const { io } = createRun({ stdout: { write() {} }, stderr: { write() {} } }, false);
  await expect(showLog(path, 1, false, realClock, io)).rejects.toMatchObject({ code: "NOT_FOUND" });
});
