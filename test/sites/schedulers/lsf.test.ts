/** What LSF's commands are given, and what is read from what they print. */
import { describe, expect, it } from "vitest";
import { settingsSchema } from "../../../src/sites/batch-settings.js";
import { bsubCommand, lsf, parseBacct, parseBjobs, parseBqueues, parseBslots, parseBsub } from "../../../src/sites/schedulers/lsf.js";
import { failed, printed } from "./transcripts.js";

const ok = (stdout: string) => ({ code: 0, stdout, stderr: "" });
const command = (settings: object) =>
  bsubCommand({ tag: "xpcs-1", script: "#!/bin/bash\n", settings: settingsSchema(lsf.takes).parse(settings) }).argv.slice(1);

describe("bsub", () => {
  it("gets the least, in whole minutes", () => {
    expect(command({ walltimeS: 61 })).toEqual(["-J", "xpcs-1", "-rn", "-o", "/dev/null", "-W", "2", "-nnodes", "1"]);
  });

  it("gets every setting", () => {
    const settings = {
      ...{
        nodes: 2,
        walltimeS: 7200,
        queue: "batch",
        account: "XPCS",
        person: "J. Doe",
        constraint: "select[model==POWER9]",
        reservation: "beam#1".replace("#", "-"),
      },
      ...{ after: ["11", "12"], gpusPerNode: 6, cpusPerNode: 42 },
    };
    expect(command(settings).slice(5)).toEqual([
      ...[
        "-W",
        "120",
        "-n",
        "84",
        "-R",
        "span[ptile=42]",
        "-q",
        "batch",
        "-P",
        "XPCS",
        "-Jd",
        "for J. Doe",
        "-R",
        "select[model==POWER9]",
        "-U",
        "beam-1",
      ],
      ...["-w", "ended(11) && ended(12)", "-gpu", "num=6"],
    ]);
  });

  it("answers with an id, says no, or is not reached", () => {
    expect(parseBsub(ok("Job <123> is submitted to default queue <batch>.\n"))).toBe("123");
    expect(() => parseBsub(failed("nope: No such queue. Job not submitted.", 255))).toThrow(expect.objectContaining({ code: "REFUSED" }));
    expect(() => parseBsub(failed("LSF is down. Please wait ...", 255))).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
  });
});

describe("bjobs", () => {
  it("tells how jobs are and how they ended", () => {
    const found = parseBjobs(printed("lsf/bjobs.json", 255)).map(({ id, phase, sentence, ending }) => [
      id,
      phase,
      ending?.outcome ?? sentence,
      ending?.exitCode,
    ]);
    expect(found).toEqual([
      ["101", "ended", "done", 0],
      ["102", "ended", "failed", 3],
      ["103", "ended", "time-limit", 140],
      ["104", "ended", "out-of-memory", 137],
      ["105", "queued", "it waits in the queue: Job dependency condition not satisfied;", undefined],
      ["106", "running", "it runs", undefined],
      ["107", "unknown", "LSF has lost contact with its node", undefined],
      ["108", "unknown", 'LSF gives it the state "SOMETHING"', undefined],
    ]);
  });

  it("may know none, and may be down", () => {
    expect(parseBjobs(failed("Job <xpcs-1> is not found", 255))).toEqual([]);
    expect(parseBjobs(ok("No unfinished job found\n"))).toEqual([]);
    expect(() => parseBjobs(failed("LSF is down. Please wait ...", 255))).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    expect(() => parseBjobs(ok('{"RECORDS":['))).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  });
});

it("bacct tells the reasons", () => {
  const found = [...parseBacct(printed("lsf/bacct.txt"))].map(([id, { outcome }]) => [id, outcome]);
  expect(found).toEqual([
    ["101", "done"],
    ["103", "time-limit"],
    ["110", "preempted"],
    ["111", "failed"],
  ]);
  expect(parseBacct(failed("No matching job records found", 255)).size).toBe(0);
});

it("a reason of a later version is shown as it is", () => {
  const record = { JOBID: "1", STAT: "EXIT", EXIT_CODE: "9", EXIT_REASON: "TERM_MOON: job killed by the moon" };
  expect(parseBjobs(ok(JSON.stringify({ RECORDS: [record] })))[0]!.ending).toEqual({
    outcome: "failed",
    exitCode: 9,
    sentence: "LSF gives the reason TERM_MOON: job killed by the moon",
  });
});

it("queues are open or closed", () => {
  const records = [
    { QUEUE_NAME: "batch", STATUS: "Open:Active" },
    { QUEUE_NAME: "night", STATUS: "Open:Inact" },
  ];
  expect(parseBqueues(ok(JSON.stringify({ RECORDS: records }))).map(({ name, open }) => [name, open])).toEqual([
    ["batch", true],
    ["night", false],
  ]);
});

it("free slots have an end or none, and are nodes where a node's cores are told", async () => {
  const listing = "SLOTS          RUNTIME\n126            2 hours 24 minutes 10 seconds\n42             UNLIMITED\n";
  expect(parseBslots(ok(listing))).toEqual([
    { slots: 126, forS: 8_650 },
    { slots: 42, forS: null },
  ]);
  expect(parseBslots(failed("No backfill window meets these requirements at this time", 255))).toEqual([]);
  expect(() => parseBslots(failed("LSF is down. Please wait ...", 255))).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
  const machine = { run: async () => ok(listing) } as unknown as Parameters<typeof lsf.submit>[1];
  const waits = (more: object) => lsf.waits!(settingsSchema(lsf.takes).parse({ walltimeS: 60, ...more }), [10_000, 8_000], machine);
  expect(await waits({ nodes: 3, cpusPerNode: 42 })).toEqual([null, 0]);
  expect(await waits({ nodes: 1, cpusPerNode: 42 })).toEqual([0, 0]);
  expect(await waits({ nodes: 1 })).toEqual([null, null]);
});
