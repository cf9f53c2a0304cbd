/** What Cobalt's commands are given, and what is read from what they print and log. */
import { expect, it } from "vitest";
import { settingsSchema } from "../../../src/sites/batch-settings.js";
import { cobalt, parseLog, parseNodelist, parseQstat, parseQsub, parseQueues, qsubCommand } from "../../../src/sites/schedulers/cobalt.js";
import { failed, printed } from "./transcripts.js";

const ok = (stdout: string) => ({ code: 0, stdout, stderr: "" });
const STAMP = "Thu Nov 05 17:29:30 2020 +0000 (UTC)";

it("qsub gets every setting", () => {
  const settings = settingsSchema(cobalt.takes).parse({
    ...{
      nodes: 8,
      walltimeS: 601,
      queue: "default",
      account: "XPCS",
      person: "J. Doe",
      constraint: "mcdram=cache:numa=quad",
      after: ["11", "12"],
    },
  });
  expect(qsubCommand({ tag: "xpcs-1", folder: "/x/a b", scriptPath: "/x/a b/script.sh", settings }).argv.slice(1)).toEqual([
    ...["--jobname", "xpcs-1", "-n", "8", "-t", "11", "--mode", "script", "--cwd", "/", "-o", "/dev/null", "-e", "/dev/null"],
    ...[
      "--debuglog",
      "/x/a b/cobalt.log",
      "-q",
      "default",
      "-A",
      "XPCS",
      "--env",
      "XPCS_BATCH_FOR=J._Doe",
      "--attrs",
      "mcdram=cache:numa=quad",
      "--dependencies",
      "11:12",
    ],
    "/x/a b/script.sh",
  ]);
});

it("qsub answers with an id among notes, says no, or is not reached", () => {
  expect(parseQsub(ok('Job routed to queue "default".\nMemory mode set to cache quad for queue default\n604001\n'))).toBe("604001");
  expect(() => parseQsub(failed("Project: XPCS not found"))).toThrow(expect.objectContaining({ code: "REFUSED" }));
  expect(() => parseQsub(failed("Failed to connect to queue manager"))).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
});

it("qstat lists a person's jobs", () => {
  expect(parseQstat(printed("cobalt/qstat.txt")).map(({ tag, phase }) => [tag, phase])).toEqual([
    ["xpcs-1", "running"],
    ["xpcs-2", "queued"],
    ["xpcs-3", "held"],
    ["xpcs-4", "held"],
    ["xpcs-5", "held"],
    ["xpcs-6", "ending"],
    ["xpcs-7", "unknown"],
  ]);
  expect(parseQstat(ok(""))).toEqual([]);
});

it.each([
  ["Info: task completed normally with an exit code of 0; initiating job cleanup and removal", { outcome: "done", exitCode: 0 }],
  ["Info: task completed normally with an exit code of 126; initiating job cleanup and removal", { outcome: "failed", exitCode: 126 }],
  ["Info: maximum execution time exceeded; initiating job terminiation", { outcome: "time-limit", exitCode: null }],
  ["Info: user delete requested with signal SIGTERM by user smith", { outcome: "canceled", sentence: "it was deleted by smith" }],
  [
    "Info: user delete with signal SIGTERM requested by user smith; initiating job cleanup and removal",
    { outcome: "canceled", sentence: "it was deleted by smith" },
  ],
  ["submitted with cwd set to: /", null],
])("the log tells how a job ended: %s", (line, ending) => {
  const found = parseLog(`${STAMP} submitted with cwd set to: /x\n${STAMP} ${line}\n`);
  if (ending === null) expect(found).toBeNull();
  else expect(found).toMatchObject(ending);
});

it("queues have limits", () => {
  const text =
    "Name     Users  MinTime  MaxTime   MaxRunning  State\n=====================================================\ndefault  None   None     06:00:00  10          running\nold      None   None     None      None        draining\n";
  expect(parseQueues(ok(text))).toEqual([
    { name: "default", open: true, walltimeMaxS: 21_600, nodes: null },
    { name: "old", open: false, walltimeMaxS: null, nodes: null },
  ]);
});

it("idle nodes of a queue are free for a time, or without an end", async () => {
  const line = (id: number, queues: string, status: string, backfill: string) =>
    `${id}       c0-0c0s7n${id}   ${queues}     ${status}       flat    quad    ${backfill}`;
  const listing = [
    "Node_id  Name         Queues     Status                 MCDRAM  NUMA    Backfill",
    "================================================================================",
    ...[line(1, "default", "idle", "4:59:44"), line(2, "debug:default", "idle", "0:10:00"), line(3, "default", "idle", "-")],
    ...[line(4, "default", "busy", "4:59:44"), line(5, "debug", "idle", "4:59:44"), line(6, "default", "cleanup-pending", "4:59:44")],
  ].join("\n");
  expect(parseNodelist({ code: 0, stdout: listing, stderr: "" }, "default")).toEqual([{ forS: 17_984 }, { forS: 600 }, { forS: null }]);
  expect(() => parseNodelist(failed("component lookup failed"), "default")).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
  const machine = { run: async () => ({ code: 0, stdout: listing, stderr: "" }) } as unknown as Parameters<typeof cobalt.submit>[1];
  const waits = (nodes: number) =>
    cobalt.waits!(settingsSchema(cobalt.takes).parse({ walltimeS: 60, nodes }), [20_000, 3_600, 600], machine);
  expect(await waits(1)).toEqual([0, 0, 0]);
  expect(await waits(2)).toEqual([null, 0, 0]);
  expect(await waits(3)).toEqual([null, null, 0]);
  expect(await waits(4)).toEqual([null, null, null]);
});
