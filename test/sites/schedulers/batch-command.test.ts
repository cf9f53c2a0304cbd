/** The commands of schedulers: their bounds on time, number and output. */
import { expect, it } from "vitest";
import { realClock } from "../../../src/core/real-clock.js";
import { createMachine } from "../../../src/sites/batch-command.js";
import { virtualClock } from "../../actors/virtual-clock.js";

const options = { timeoutMs: 5_000, perMinute: 1_000, environment: process.env, clock: realClock, user: "me" };

it("gives words to a program as they are, and its input", async () => {
  const { run } = createMachine(options);
  const result = await run({ argv: ["/bin/sh", "-c", 'cat; printf "%s" "$1"; echo no >&2; exit 3', "sh", "$(id) 'x'"], stdin: "in:" });
  expect(result).toEqual({ code: 3, stdout: "in:$(id) 'x'", stderr: "no\n" });
});

it("lets no more commands than allowed start in any minute, and these in order", async () => {
  const clock = virtualClock();
  const { run } = createMachine({ ...options, clock, perMinute: 2 });
  const ended: number[] = [];
  const all = [0, 1, 2, 3, 4].map((n) => run({ argv: ["true"] }).then(() => ended.push(n)));
  const reach = (count: number) => expect.poll(() => ended.length, { timeout: 5_000 }).toBe(count);
  await reach(2);
  await clock.advance(59_000);
  expect(ended.sort()).toEqual([0, 1]);
  await clock.advance(1_000);
  await reach(4);
  await clock.advance(60_000);
  await Promise.all(all);
  expect(ended.at(-1)).toBe(4);
});

it("ends a command that prints without end", async () => {
  const { run } = createMachine(options);
  await expect(run({ argv: ["yes"] })).rejects.toMatchObject({
    code: "IO_FAILED",
    message: expect.stringContaining("yes printed more than"),
  });
});

it("does not wait for what a command left behind with its output open", async () => {
  const { run } = createMachine({ ...options, timeoutMs: 500 });
  const left = run({ argv: ["/bin/sh", "-c", "setsid sleep 3 & exit 0"] });
  await expect(left).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
});

it("says when a program that should go on cannot be started", async () => {
  await expect(createMachine(options).start(["/no/such/program"])).rejects.toMatchObject({ code: "NOT_FOUND" });
});
