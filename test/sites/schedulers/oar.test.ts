/** What OAR's commands are given, and what is read from what they print. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { settingsSchema } from "../../../src/sites/batch-settings.js";
import { endingsIn } from "../../../src/sites/batch-sightings.js";
import {
  commandLine,
  oar,
  oarstatOfCommand,
  oarsubCommand,
  parseOarnodes,
  parseOarstat,
  parseOarsub,
} from "../../../src/sites/schedulers/oar.js";
import { failed, printed } from "./transcripts.js";

const ok = (stdout: string) => ({ code: 0, stdout, stderr: "" });
const settings = (own: Record<string, unknown>) => settingsSchema(oar.takes).parse({ walltimeS: 3600, ...own });
const asked = (own: Record<string, unknown>) =>
  oarsubCommand({ tag: "xpcs-1", scriptPath: "/x/script.sh", settings: settings(own) }).argv.slice(1, -1);
const listed = (job: Record<string, unknown>) => parseOarstat(ok(JSON.stringify({ 7: { Job_Id: 7, name: "xpcs-1", ...job } })))[0]!;

describe("oarsub", () => {
  it("gets the least", () => {
    expect(asked({})).toEqual([
      ...["-n", "xpcs-1", "-d", "/", "-O", "/dev/null", "-E", "/dev/null", "--checkpoint", "60"],
      ...["-l", "/nodes=1,walltime=01:00:00"],
    ]);
  });

  it("gets every setting", () => {
    const all = { nodes: 2, walltimeS: 90, queue: "besteffort", account: "xpcs", after: ["11", "12"], gpusPerNode: 2, cpusPerNode: 7 };
    expect(asked({ ...all, constraint: "cluster=dahu&mem>=64" })).toEqual([
      ...["-n", "xpcs-1", "-d", "/", "-O", "/dev/null", "-E", "/dev/null", "--checkpoint", "45"],
      ...["-l", "/nodes=2/gpu=2/core=4,walltime=00:01:30", "-q", "besteffort", "--project", "xpcs"],
      ...["-p", "cluster = 'dahu' AND mem >= '64'", "-a", "11", "-a", "12"],
    ]);
    expect(asked({ cpusPerNode: 3 })).toContain("/nodes=1/core=3,walltime=01:00:00");
  });

  it.each([
    ["(host=n1|host!=n-2.x:y)", "(host = 'n1' OR host != 'n-2.x:y')"],
    ["a<1&&b>2||c<=3", "a < '1' AND b > '2' OR c <= '3'"],
    ["--", "--"],
  ])("gets %s as SQL", (constraint, sql) => {
    expect(asked({ constraint })).toContain(sql);
  });

  it.each(["/bin/sh", "/bin/bash"])("gets a command line that %s and OAR's own quoting leave alone, whatever the path", (shell) => {
    const folder = mkdtempSync(join(tmpdir(), "xpcs-oar-"));
    try {
      for (const name of ["plain", "a 'b' \"c\" $(touch pwned) `touch pwned` %j \\ \\101 {} !! * ; & | > <\n\té-\u{1f52c}"]) {
        mkdirSync(join(folder, name));
        writeFileSync(join(folder, name, "script.sh"), 'printf "%s" "$0"');
        const line = commandLine(join(folder, name, "script.sh"));
        expect(line).toMatch(/^[\w./@+:=, '"$()%\\-]+$/);
        expect(execFileSync(shell, ["-c", line], { cwd: folder, encoding: "utf8" })).toBe(join(folder, name, "script.sh"));
      }
      expect(() => execFileSync("/usr/bin/test", ["-e", join(folder, "pwned")])).toThrow();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("answers with an id among notes, says no, or is not reached", () => {
    expect(parseOarsub(ok("[ADMISSION RULE] Modify resource description with type constraints\nOAR_JOB_ID=42\n"))).toBe("42");
    const few = { code: 8, stdout: "OAR_JOB_ID=-5\n", stderr: "There are not enough resources for your request\n" };
    expect(() => parseOarsub(few)).toThrow(
      expect.objectContaining({ code: "REFUSED", message: expect.stringContaining("not enough resources") }),
    );
    expect(() => parseOarsub(failed("ERROR : The queue nosuch does not exist", 248))).toThrow(expect.objectContaining({ code: "REFUSED" }));
    // The job is there all the same: it is found by its tag.
    const alone = { code: 9, stdout: "OAR_JOB_ID=15\n", stderr: "[ERROR] Cannot connect to executor 127.0.0.1:6666. Job is killed.\n" };
    expect(() => parseOarsub(alone)).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    expect(() => parseOarsub(ok("OAR_JOB_ID=-5\n"))).toThrow(expect.objectContaining({ code: "REFUSED" }));
  });
});

describe("oarstat", () => {
  it("is asked for many jobs at once", () => {
    expect(oarstatOfCommand(["1", "2"]).argv).toEqual(["oarstat", "-J", "-f", "-j", "1", "-j", "2"]);
  });

  it("lists a person's jobs", () => {
    const jobs = parseOarstat(printed("oar/oarstat.json")).map(({ id, tag, phase }) => [id, tag, phase]);
    expect(jobs.sort()).toEqual([
      ["20", "x-run", "running"],
      ["21", "x-wait", "queued"],
      ["22", "x-hold", "held"],
    ]);
    expect(parseOarstat(ok(""))).toEqual([]);
  });

  it("tells when a job that waits is meant to start", () => {
    const waiting = parseOarstat(printed("oar/oarstat-live.json")).find(({ id }) => id === "21")!;
    expect(waiting.sentence).toMatch(/^it waits in the queue; OAR means to start it at 2026-11-26T12:\d\dZ$/);
    expect(waiting.words).toMatch(/^Waiting \(R=8,W=0:1:0,J=B,N=x-wait/);
  });

  it("tells how jobs ended", () => {
    const endings = endingsIn(parseOarstat(printed("oar/oarstat-ended.json")));
    expect(Object.fromEntries([...endings].map(([id, { outcome, exitCode }]) => [id, [outcome, exitCode]]))).toEqual({
      4: ["canceled", null],
      5: ["time-limit", null],
      6: ["failed", 137],
      7: ["done", 0],
      11: ["preempted", null],
      12: ["failed", 4],
    });
  });

  it.each([
    ["toAckReservation", "queued"],
    ["toLaunch", "queued"],
    ["Launching", "queued"],
    ["Suspended", "suspended"],
    ["Resuming", "suspended"],
    ["Finishing", "ending"],
    ["toError", "ending"],
    ["Frobnicating", "unknown"],
  ])("has a phase for %s", (state, phase) => {
    expect(listed({ state })).toMatchObject({ phase, ending: null, words: state });
  });

  it.each([
    ["Karma=0.000,quota_ok", "it waits in the queue"],
    ["No enough matching resources (quota exceeded)", "a quota is reached"],
    ["No enough matching resources (no suitable resources)", "no free nodes fit what it asks for"],
    ["Cannot determine scheduling time due to dependency with the job 3", "it waits for other jobs"],
    ["No enough Tokens: x (0 < 1)", "it waits for a token, such as a licence"],
    ["Inner job: container 4 is yet to scheduled, inner job not scheduled", "it waits for the job in which it runs"],
  ])("says why a job waits: %s", (message, sentence) => {
    expect(listed({ state: "Waiting", message }).sentence).toBe(sentence);
  });

  it.each([
    [["SWITCH_INTO_ERROR_STATE", "WORKING_DIRECTORY"], "node-failed"],
    [["FRAG_JOB_REQUEST", "WALLTIME"], "time-limit"],
    [["EXTERMINATE_JOB", "FRAG_JOB_REQUEST"], "canceled"],
    [["SOMETHING_NEW"], "failed"],
    [[], "failed"],
  ])("takes the cause of an error from its events: %s", (types, outcome) => {
    const events = types.map((type) => ({ type }));
    expect(listed({ state: "Error", message: "This reservation cannot run", events }).ending).toMatchObject({ outcome, exitCode: null });
  });

  it("takes no event for the cause of a job that ended by itself", () => {
    const ended = listed({ state: "Terminated", exit_code: 768, events: [{ type: "FRAG_JOB_REQUEST" }] });
    expect(ended.ending).toMatchObject({ outcome: "failed", exitCode: 3 });
    expect(listed({ state: "Terminated", exit_code: null }).ending).toMatchObject({ outcome: "failed", exitCode: null });
  });

  it.each([
    ["besteffort", 1_100, 143 << 8, "preempted"],
    ["besteffort", 4_541, 143 << 8, "failed"],
    ["besteffort", 1_100, 0, "done"],
    ["other", 1_100, 143 << 8, "failed"],
  ])("knows by the time of its warning that a job made room: %s at %i", (type, date, exit_code, outcome) => {
    const times = { startTime: 1_000, walltime: 3_600, stopTime: date + 2 };
    const ended = listed({ state: "Terminated", exit_code, types: [type], ...times, events: [{ type: "CHECKPOINT", date }] });
    expect(ended.ending).toMatchObject({ outcome });
  });

  it("is not reached, prints what is no JSON, or something else", () => {
    expect(() => parseOarstat(failed("DB connection error, exiting.", 25))).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    expect(() => parseOarstat(failed("No Perl JSON module is available on the system."))).toThrow(
      expect.objectContaining({ code: "REFUSED" }),
    );
    expect(() => parseOarstat(ok('{ "7": '))).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
    for (const other of ["null", "[1, null]", '{ "7": { "state": [], "Job_Id": {}, "events": 3 } }'])
      expect(parseOarstat(ok(other))).toEqual([]);
    expect(listed({ state: "Error", events: [null, 4, { type: {} }] }).ending).toMatchObject({ outcome: "failed" });
  });
});

it("oarnodes counts the resources of each node", () => {
  expect(parseOarnodes(printed("oar/oarnodes.json"))).toEqual([
    { count: 2, cpus: 4, cores: 4, memoryGb: null, gpus: null, queues: [] },
    { count: 1, cpus: 4, cores: 4, memoryGb: null, gpus: 2, queues: [] },
  ]);
  expect(parseOarnodes(ok('{ "1": { "network_address": "n1", "type": "default", "state": "Dead" }, "2": { "type": "licence" } }'))).toEqual(
    [],
  );
});
