/** What Grid Engine's commands are given, and what is read from what they print. */
import { describe, expect, it } from "vitest";
import { settingsSchema } from "../../../src/sites/batch-settings.js";
import {
  gridEngine,
  parseProjects,
  parseQacct,
  parseQhost,
  parseQstat,
  parseQsub,
  parseQueues,
  qsubCommand,
} from "../../../src/sites/schedulers/grid-engine.js";
import { failed, printed } from "./transcripts.js";

const ok = (stdout: string) => ({ code: 0, stdout, stderr: "" });
const command = (settings: object) =>
  qsubCommand({ tag: "xpcs-1", script: "#!/bin/bash\n", settings: settingsSchema(gridEngine.takes).parse(settings) }).argv.slice(1);

describe("qsub", () => {
  it("gets the least", () => {
    const always = ["-terse", "-N", "xpcs-1", "-S", "/bin/bash", "-r", "n", "-wd", "/", "-j", "y", "-o", "/dev/null", "-notify"];
    expect(command({ walltimeS: 3600 })).toEqual([...always, "-l", "h_rt=3600"]);
  });

  it("gets every setting", () => {
    const settings = {
      ...{
        nodes: 2,
        walltimeS: 3600,
        queue: "long.q",
        account: "xpcs",
        person: "J. Doe",
        constraint: "arch=lx-amd64,gpu=1",
        reservation: "7",
      },
      ...{ after: ["11", "12"], cpusPerNode: 8, memoryGbPerNode: 2, parallelEnvironment: "mpi-8" },
    };
    expect(command(settings).slice(14)).toEqual([
      ...["-l", "h_rt=3600,mem_free=2000M,arch=lx-amd64,gpu=1", "-q", "long.q", "-P", "xpcs", "-ac", "xpcs_for=J._Doe", "-ar", "7"],
      ...["-hold_jid", "11,12", "-pe", "mpi-8", "16"],
    ]);
  });

  it("is not asked for slots without a parallel environment", () => {
    expect(() => command({ walltimeS: 60, nodes: 2 })).toThrow(expect.objectContaining({ code: "REFUSED" }));
  });

  it("answers with an id, says no, or is not reached", () => {
    expect(parseQsub(ok("12\n"))).toBe("12");
    const no = 'Unable to run job: Job was rejected because job requests unknown queue "nope.q".\nExiting.\n';
    expect(() => parseQsub(failed(no))).toThrow(expect.objectContaining({ code: "REFUSED", message: expect.stringContaining('"nope.q"') }));
    const lost =
      'error: commlib error: got select error (Connection refused)\nUnable to run job: unable to send message to qmaster using port 6444 on host "h": got send error\n';
    expect(() => parseQsub(failed(lost))).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
  });
});

describe("qstat", () => {
  it("lists a person's jobs", () => {
    const found = parseQstat(printed("grid-engine/qstat.xml")).map(({ tag, phase, words }) => [tag, phase, words]);
    expect(found).toEqual([
      ["runs", "running", "r"],
      ["tag-8", "queued", "qw"],
      ["never", "queued", "qw"],
      ["broken", "held", "Eqw"],
      ["tag-4", "held", "hqw"],
      ["waits", "held", "hqw"],
    ]);
  });

  it.each([
    ["t", "running"],
    ["Rr", "running"],
    ["Rq", "queued"],
    ["dr", "ending"],
    ["s", "suspended"],
    ["S", "suspended"],
    ["tT", "suspended"],
    ["hRwq", "held"],
    ["Z", "unknown"],
    ["", "unknown"],
  ])("takes %j for %s", (state, phase) => {
    const xml = `<job_info><job_list state="x"><JB_job_number>1</JB_job_number><JB_name>a</JB_name><state>${state}</state></job_list></job_info>`;
    expect(parseQstat(ok(xml))).toMatchObject([{ id: "1", phase, sentence: expect.stringMatching(/\w+ \w+/) }]);
  });

  it("that is cut short is no listing", () => {
    const whole = printed("grid-engine/qstat.xml").stdout;
    for (const part of [0.2, 0.5, 0.9])
      expect(() => parseQstat(ok(whole.slice(0, whole.length * part)))).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  });
});

describe("qacct", () => {
  it.each([
    ["done", { outcome: "done", exitCode: 0 }],
    ["exit-3", { outcome: "failed", exitCode: 3 }],
    ["limit", { outcome: "time-limit", exitCode: 137, sentence: "it reached its time limit" }],
    ["killed", { outcome: "failed", exitCode: 137, sentence: "it was ended by a signal" }],
  ])("tells how a job ended: %s", (name, ending) => {
    expect(parseQacct(printed(`grid-engine/qacct-${name}.txt`))).toMatchObject(ending);
  });

  it("tells a limit on memory from that on time", () => {
    const text = printed("grid-engine/qacct-limit.txt").stdout.replace("h_rt=2", "h_rt=3600,h_vmem=300M");
    expect(parseQacct(ok(text))).toMatchObject({ outcome: "out-of-memory" });
  });

  it("takes the last run of a job that ran twice, and shows a failure that it does not know", () => {
    const [first, second] = ["limit", "exit-3"].map((name) => printed(`grid-engine/qacct-${name}.txt`).stdout);
    expect(parseQacct(ok(`${first}${second}`))).toMatchObject({ outcome: "failed", exitCode: 3 });
    expect(parseQacct(ok(first!.replace(/^failed .*$/m, "failed       26  : opening input/output file")))).toMatchObject({
      outcome: "failed",
      sentence: "Grid Engine gives failure 26: opening input/output file",
    });
  });

  it("may not know a job", () => {
    expect(parseQacct(failed("error: job id 777 not found"))).toBeNull();
    expect(parseQacct(ok(""))).toBeNull();
  });
});

it("queues have a time limit, and may be disabled", () => {
  const [summary, definitions] = [printed("grid-engine/qstat-queues.xml"), printed("grid-engine/qconf-sq.txt")];
  expect(parseQueues(summary, definitions)).toEqual([
    { name: "all.q", open: true, walltimeMaxS: null, nodes: null },
    { name: "short.q", open: true, walltimeMaxS: 3600, nodes: null },
  ]);
  const disabled = ok(summary.stdout.replaceAll("<manual_intervention>0<", "<manual_intervention>4<"));
  expect(parseQueues(disabled, definitions).map(({ open }) => open)).toEqual([false, false]);
});

it("qconf names projects, where there are some", () => {
  expect(parseProjects(printed("grid-engine/qconf-sprjl.txt"))).toEqual([
    { name: "beam", isDefault: false, qos: [] },
    { name: "xpcs", isDefault: false, qos: [] },
  ]);
  expect(parseProjects(failed("no project list defined"))).toEqual([]);
  expect(() => parseProjects(failed("error: commlib error: got select error (Connection refused)"))).toThrow(
    expect.objectContaining({ code: "UNAVAILABLE" }),
  );
});

it("qhost tells what hosts have, without those that do not answer", () => {
  expect(parseQhost(printed("grid-engine/qhost.xml"))).toEqual([{ count: 1, cpus: 2, cores: 2, memoryGb: 25, gpus: null, queues: [] }]);
  const silent = "<qhost><host name='global'><hostvalue name='num_proc'>-</hostvalue></host></qhost>";
  expect(parseQhost(ok(silent))).toEqual([]);
  expect(() => parseQhost(failed('error: unable to contact qmaster using port 6444 on host "q"'))).toThrow(
    expect.objectContaining({ code: "UNAVAILABLE" }),
  );
});
