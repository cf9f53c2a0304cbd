/** What Slurm's commands are given, and what is read from what they print. */
import { describe, expect, it } from "vitest";
import { settingsSchema } from "../../../src/sites/batch-settings.js";
import {
  parseAccounts,
  parseNodes,
  parseSacct,
  parseSbatch,
  parseSinfo,
  parseSqueue,
  parseTestOnly,
  sbatchCommand,
  slurm,
  testOnlyCommand,
} from "../../../src/sites/schedulers/slurm.js";
import { failed, printed } from "./transcripts.js";

const ok = (stdout: string) => ({ code: 0, stdout, stderr: "" });
const command = (settings: object) =>
  sbatchCommand({ tag: "xpcs-1", script: "#!/bin/bash\n", settings: settingsSchema(slurm.takes).parse(settings) });

describe("sbatch", () => {
  it("gets the least", () => {
    expect(command({ walltimeS: 90_061 })).toEqual({
      argv: [
        "sbatch",
        "--parsable",
        "--job-name=xpcs-1",
        "--no-requeue",
        "--output=/dev/null",
        "--chdir=/",
        "--nodes=1",
        "--time=1-01:01:01",
      ],
      stdin: "#!/bin/bash\n",
    });
  });

  it("gets every setting", () => {
    const settings = {
      ...{
        nodes: 2,
        walltimeS: 3600,
        queue: "gpu",
        account: "m1234_g",
        person: "J. Doe",
        qos: "realtime",
        constraint: "gpu&hbm80g",
        reservation: "beam-1",
      },
      ...{ after: ["11", "12"], gpusPerNode: 4, cpusPerNode: 64, memoryGbPerNode: 0.5 },
    };
    expect(command(settings).argv.slice(5)).toEqual([
      ...[
        "--chdir=/",
        "--nodes=2",
        "--time=0-01:00:00",
        "--partition=gpu",
        "--account=m1234_g",
        "--comment=for J. Doe",
        "--qos=realtime",
        "--constraint=gpu&hbm80g",
      ],
      ...[
        "--reservation=beam-1",
        "--dependency=afterany:11:12",
        "--gpus-per-node=4",
        "--ntasks-per-node=1",
        "--cpus-per-task=64",
        "--mem=500M",
      ],
    ]);
  });

  it.each([
    ["123\n", "123"],
    ["123;perlmutter\n", "123"],
    ["sbatch: a note of the site\n4711;c\n", "4711"],
  ])("answers %j", (text, id) => {
    expect(parseSbatch(ok(text))).toBe(id);
  });

  it("says no, or nothing", () => {
    const refusal =
      "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Invalid partition name specified\n";
    expect(() => parseSbatch(failed(refusal))).toThrow(
      expect.objectContaining({ code: "REFUSED", message: expect.stringContaining("invalid partition") }),
    );
    const lost = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n";
    expect(() => parseSbatch(failed(lost))).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    expect(() => parseSbatch({ code: null, stdout: "", stderr: "" })).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    expect(() => parseSbatch(ok("Submitted!\n"))).toThrow(expect.objectContaining({ code: "REFUSED" }));
  });
});

describe("squeue", () => {
  it("lists a person's jobs", () => {
    const found = parseSqueue(printed("slurm/squeue.txt")).map(({ id, phase, words, sentence, ending }) => [
      id,
      phase,
      words,
      sentence,
      ending?.outcome,
    ]);
    expect(found.sort(([a], [b]) => Number(a) - Number(b))).toEqual([
      ["1", "ended", "COMPLETED", "it completed", "done"],
      ["2", "ended", "FAILED", "it failed", "failed"],
      ["3", "ended", "CANCELLED", "it was canceled by its owner or an administrator", "canceled"],
      ["4", "ended", "FAILED (JobLaunchFailure)", "it failed", "failed"],
      ["5", "ended", "PREEMPTED", "it had to make room for another job", "preempted"],
      ["6", "ended", "COMPLETED", "it completed", "done"],
      ["7", "queued", "PENDING (DependencyNeverSatisfied)", expect.stringContaining("never start"), undefined],
      ["8", "held", "PENDING (JobHeldUser)", "its owner holds it", undefined],
      ["9", "queued", "PENDING (BeginTime)", expect.stringContaining("time at which"), undefined],
      ["10", "queued", "PENDING (PartitionConfig)", "it asks for more than its partition has", undefined],
      ["11", "queued", "PENDING (PartitionTimeLimit)", "it asks for more time than its partition allows", undefined],
      ["12", "ended", "NODE_FAIL (NodeDown)", "a node of it failed", "node-failed"],
    ]);
  });

  it.each([
    ["QOSMaxCpuPerUserLimit", "a limit of its QOS is reached"],
    ["AssocGrpNodeLimit", "a limit of its account is reached"],
    ["MaxNodePerAccount", "a limit on resources is reached"],
    ["ReqNodeNotAvail, UnavailableNodes:nid00[1-3]", "a node that it needs is down, drained or reserved"],
    ["SomethingOfSlurm30", 'Slurm gives the reason "SomethingOfSlurm30"'],
    ["None", "it waits in the queue"],
    ["constructor", 'Slurm gives the reason "constructor"'],
  ])("explains %s", (reason, sentence) => {
    expect(parseSqueue(ok(`5|PENDING|${reason}|a|b\n`))).toMatchObject([{ id: "5", phase: "queued", sentence }]);
  });

  it.each(["EXPEDITING", "constructor"])("tolerates the state %s", (state) => {
    expect(parseSqueue(ok(`5|${state}|None|a\n`))).toMatchObject([{ phase: "unknown", words: state, ending: null }]);
  });

  it("has a sentence for every state of the manual page", () => {
    const states =
      "BOOT_FAIL CANCELLED COMPLETED CONFIGURING COMPLETING DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PENDING PREEMPTED RUNNING RESV_DEL_HOLD REQUEUE_FED REQUEUE_HOLD REQUEUED RESIZING REVOKED SIGNALING SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED TIMEOUT";
    for (const state of states.split(" ")) {
      const [found] = parseSqueue(ok(`1|${state}|None|x`));
      expect([state, found!.phase]).not.toEqual([state, "unknown"]);
      expect(found!.sentence).toMatch(/^[a-z].* /);
    }
  });

  it("that fails is no empty listing", () => {
    expect(() => parseSqueue(failed("slurm_load_jobs error: Unable to contact slurm controller (connect failure)"))).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
  });
});

describe("sacct", () => {
  it("tells how jobs ended", () => {
    const found = [...parseSacct(printed("slurm/sacct.txt"))].map(([id, { outcome, exitCode, sentence }]) => [
      id,
      outcome,
      exitCode,
      sentence,
    ]);
    expect(found).toEqual([
      ["1", "done", 0, "it completed"],
      ["2", "failed", 3, "it failed"],
      ["3", "canceled", 0, expect.stringContaining("(user id 0)")],
      // Slurm without cgroups says FAILED; the step had 602500K of 100M.
      ["4", "out-of-memory", 137, "it used more memory than it had"],
      ["5", "preempted", 0, "it had to make room for another job"],
      ["6", "done", 0, "it completed"],
      ["12", "node-failed", 0, "a node of it failed"],
    ]);
  });

  it("takes a step's word for a job that ran out of memory in a cgroup", () => {
    const text = "9|FAILED|1:0||4Gn\n9.batch|FAILED|1:0|100K|\n9.0|OUT_OF_MEMORY|0:125|4194304K|\n";
    expect(parseSacct(ok(text)).get("9")).toMatchObject({ outcome: "out-of-memory", exitCode: 253 });
  });

  it("does not blame memory for every killed job", () => {
    expect(parseSacct(ok("9|FAILED|0:9||4G\n9.batch|CANCELLED|0:9|100K|\n")).get("9")).toMatchObject({ outcome: "failed", exitCode: 137 });
    expect(parseSacct(ok("9|FAILED|0:9||4Gc\n9.batch|CANCELLED|0:9|99999999K|\n")).get("9")).toMatchObject({ outcome: "failed" });
  });

  it("waits for the record of the script of a failed job", () => {
    for (const text of ["9|FAILED|0:9||100M\n", "9|FAILED|0:9||100M\n9.batch|RUNNING|0:0||\n"]) expect(parseSacct(ok(text)).size).toBe(0);
    expect(parseSacct(ok("9|CANCELLED by 7|0:0||100M\n")).get("9")).toMatchObject({ outcome: "canceled" });
  });

  it("may be switched off", () => {
    expect(parseSacct(failed("Slurm accounting storage is disabled")).size).toBe(0);
    expect(() => parseSacct(failed("sacct: error: Sending PersistInit msg: Connection refused"))).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
  });
});

it("sinfo names partitions", () => {
  expect(parseSinfo(printed("slurm/sinfo.txt"))).toEqual([
    { name: "debug", open: true, walltimeMaxS: 3600, nodes: 3 },
    { name: "long", open: true, walltimeMaxS: null, nodes: 1 },
    { name: "scavenger", open: true, walltimeMaxS: 3600, nodes: 1 },
    { name: "urgent", open: true, walltimeMaxS: 3600, nodes: 1 },
  ]);
  expect(parseSinfo(ok("a|down|2-12:00:00|4\nb|up|30:00|1"))).toMatchObject([
    { open: false, walltimeMaxS: 216_000 },
    { open: true, walltimeMaxS: 1800 },
  ]);
});

describe("sbatch --test-only", () => {
  const settings = settingsSchema(slurm.takes).parse({ walltimeS: 600, nodes: 2, queue: "debug" });
  const says = (stderr: string) => ({ code: 0, stdout: "", stderr });

  it("is the same command, and submits nothing", () => {
    const { argv } = testOnlyCommand(settings);
    expect(argv).toEqual([...sbatchCommand({ tag: "xpcs-when", script: "", settings }).argv, "--test-only"]);
  });

  it("tells when a job would begin, for each walltime", async () => {
    const asked: string[] = [];
    const nowMs = new Date(2026, 10, 26, 11, 0, 0).getTime();
    const answers = [
      says("sbatch: Job 7 to start at 2026-11-26T11:20:00 using 8 processors on nodes n[1-2] in partition debug\n"),
      says("sbatch: Job 8 to start at 2026-11-26T10:59:59 using 8 processors on nodes n[1-2] in partition debug\n"),
      failed("allocation failure: Requested node configuration is not available"),
    ];
    const run = async ({ argv }: { argv: readonly string[] }) => {
      asked.push(argv.find((word) => word.startsWith("--time="))!);
      return answers[asked.length - 1]!;
    };
    const machine = { run, clock: { nowMs: () => nowMs } } as unknown as Parameters<typeof slurm.submit>[1];
    expect(await slurm.waits!(settings, [600, 300, 60], machine)).toEqual([1_200, 0, null]);
    expect(asked).toEqual(["--time=0-00:10:00", "--time=0-00:05:00", "--time=0-00:01:00"]);
  });

  it("may say something else", () => {
    expect(parseTestOnly(says("sbatch: Job 7 to start at Unknown"))).toBeNull();
    expect(parseTestOnly(says(""))).toBeNull();
  });
});

describe("sacctmgr", () => {
  it("names a person's accounts, with the default and their QOS, each once", () => {
    expect(parseAccounts(printed("slurm/sacctmgr.txt"))).toEqual([
      { name: "beam", isDefault: false, qos: ["normal"] },
      { name: "xpcs", isDefault: false, qos: ["normal"] },
      { name: "root", isDefault: true, qos: ["normal"] },
    ]);
    // One row for each partition with limits of its own.
    expect(parseAccounts(ok("m1|m1|debug\nm1|m1|debug,regular\nm1|m2|\n"))).toEqual([
      { name: "m1", isDefault: true, qos: ["debug", "regular"] },
      { name: "m2", isDefault: false, qos: [] },
    ]);
  });

  it("may be switched off, know nobody, or not answer", () => {
    const off = "You are not running a supported accounting_storage plugin\nOnly 'accounting_storage/slurmdbd' is supported.";
    expect(parseAccounts(failed(off))).toEqual([]);
    expect(parseAccounts(ok(""))).toEqual([]);
    expect(() => parseAccounts(failed("sacctmgr: error: Sending PersistInit msg: Connection refused"))).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
  });
});

describe("the nodes of sinfo", () => {
  it("are told by kind, each node once, with the partitions that have them", () => {
    expect(parseNodes(printed("slurm/nodes.txt"))).toEqual([
      { count: 3, cpus: 4, cores: 4, memoryGb: 2, gpus: 0, queues: ["debug", "long", "scavenger", "urgent"] },
    ]);
  });

  it.each([
    ["gpu:a100:4(S:0-3)", 4],
    ["gpu:4", 4],
    ["gpu:a100:2(S:0,2),nic:2,gpu:1g.5gb:3", 5],
    ["(null)", 0],
    ["craynetwork:4", 0],
    ["gpu:gpu:8", 8],
  ])("have the GPUs of %s", (gres, gpus) => {
    expect(parseNodes(ok(`nid1|128|2:64:1|515000|${gres}|gpu\n`))).toEqual([
      { count: 1, cpus: 128, cores: 128, memoryGb: 540, gpus, queues: ["gpu"] },
    ]);
  });

  it("of which nothing is told are left out; no answer is no empty list", () => {
    expect(parseNodes(ok("n1|||||\n\nn2|8|1:4:2|x|(null)|\n"))).toEqual([
      { count: 1, cpus: 8, cores: 4, memoryGb: null, gpus: 0, queues: [] },
    ]);
    expect(() => parseNodes(failed("slurm_load_partitions: Unable to contact slurm controller (connect failure)"))).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
  });
});
