/** What PBS's commands are given, and what is read from what they print. */
import { describe, expect, it } from "vitest";
import { settingsSchema } from "../../../src/sites/batch-settings.js";
import { parsePbsnodes, parseQselect, parseQstat, parseQsub, parseQueues, pbs, qsubCommand } from "../../../src/sites/schedulers/pbs.js";
import { failed, printed } from "./transcripts.js";

const ok = (stdout: string) => ({ code: 0, stdout, stderr: "" });
const command = (settings: object) =>
  qsubCommand({ tag: "xpcs-1", script: "#!/bin/bash\n", settings: settingsSchema(pbs.takes).parse(settings) }).argv.slice(1);

describe("qsub", () => {
  it("gets the least, with minutes that are minutes", () => {
    const always = ["-N", "xpcs-1", "-S", "/bin/bash", "-r", "n", "-j", "oe", "-o", "/dev/null"];
    expect(command({ walltimeS: 90 * 60 })).toEqual([...always, "-l", "select=1", "-l", "walltime=01:30:00"]);
  });

  it("gets every setting", () => {
    const settings = {
      ...{
        nodes: 4,
        walltimeS: 100 * 3600,
        queue: "prod",
        account: "XPCS",
        person: "J. Doe",
        constraint: "system=polaris",
        after: ["7.pbs", "8.pbs"],
      },
      ...{ gpusPerNode: 4, cpusPerNode: 64, memoryGbPerNode: 500, filesystems: ["home", "eagle"], place: "scatter:excl" },
    };
    expect(command(settings).slice(10)).toEqual([
      ...["-l", "select=4:ncpus=64:ngpus=4:mem=500000mb:system=polaris", "-l", "walltime=100:00:00", "-l", "place=scatter:excl"],
      ...["-l", "filesystems=home:eagle", "-q", "prod", "-A", "XPCS", "-v", "XPCS_BATCH_FOR=J._Doe", "-W", "depend=afterany:7.pbs:8.pbs"],
    ]);
  });

  it.each([{ place: "scatter;id" }, { filesystems: ["home:eagle"] }, { filesystems: [] }, { qos: "x" }])("refuses %j", (own) => {
    expect(settingsSchema(pbs.takes).safeParse({ walltimeS: 60, ...own }).success).toBe(false);
  });

  it("answers with the whole id, says no, or is not reached", () => {
    expect(parseQsub(ok("123.polaris-pbs-01.hsn.cm.polaris.alcf.anl.gov\n"))).toBe("123.polaris-pbs-01.hsn.cm.polaris.alcf.anl.gov");
    expect(() => parseQsub(failed("qsub: Request rejected.  Reason: No filesystems resource specified", 227))).toThrow(
      expect.objectContaining({ code: "REFUSED", message: expect.stringContaining("No filesystems") }),
    );
    expect(() => parseQsub(failed("Connection refused\nqsub: cannot connect to server pbs (errno=111)", 111))).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
  });
});

describe("qstat", () => {
  it("tells how jobs are and how they ended", () => {
    const found = parseQstat(printed("pbs/qstat.json")).map(({ id, phase, sentence, ending }) => [
      id.split(".")[0],
      phase,
      ending?.outcome ?? sentence,
      ending?.exitCode,
    ]);
    expect(found).toEqual([
      ["2154", "ended", "done", 0],
      ["2155", "ended", "failed", 3],
      ["2156", "ended", "time-limit", null],
      ["2157", "ended", "canceled", 143],
      ["2158", "ended", "failed", 137],
      ["2159", "ended", "out-of-memory", null],
      ["2160", "ended", "canceled", null],
      ["2161", "ended", "node-failed", null],
      ["2162", "ended", "failed", null],
      ["2163", "running", "it runs", undefined],
      ["2164", "queued", "it waits for nodes or resources to become free", undefined],
      ["2165", "queued", "it asks for more than there is, so it will never start", undefined],
      ["2166", "queued", "jobs of higher priority come first", undefined],
      ["2167", "queued", "a limit of its queue is reached", undefined],
      ["2168", "held", "it is held, by a person or because it waits for other jobs", undefined],
      ["2169", "ending", "it is ending", undefined],
      ["2170", "suspended", expect.stringContaining("suspended"), undefined],
      ["2171[]", "running", "tasks of its array have begun", undefined],
      ["2172", "unknown", 'PBS gives it the state "?"', undefined],
    ]);
    expect(parseQstat(printed("pbs/qstat.json"))[8]!.ending!.sentence).toBe("PBS gives exit code -99: something new");
  });

  it("may not know some jobs, or none", () => {
    const some = { ...printed("pbs/qstat.json", 153), stderr: "qstat: Unknown Job Id 99.polaris-pbs-01\n" };
    expect(parseQstat(some).length).toBe(19);
    expect(
      parseQstat(
        failed("qstat: Unknown Job Id 99.x\nqstat: 98.x Job has finished, use -x or -H to obtain historical job information\n", 35),
      ),
    ).toEqual([]);
    expect(parseQstat(ok('{ "timestamp":1, "pbs_version":"1" }'))).toEqual([]);
  });

  it("that fails is no empty listing", () => {
    expect(() => parseQstat(failed("qstat: cannot connect to server pbs (errno=15007)"))).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
    expect(() => parseQstat(failed(""))).toThrow(expect.objectContaining({ code: "REFUSED" }));
    expect(() => parseQstat(ok('{"Jobs":{"1.x":'))).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  });

  it("is asked without history where none is kept", async () => {
    const asked: (readonly string[])[] = [];
    const run = async ({ argv }: { readonly argv: readonly string[] }) => {
      asked.push(argv);
      return argv.includes("-x") ? failed("qstat: PBS is not configured to maintain job history") : printed("pbs/qstat.json");
    };
    const machine = { run, user: "me" } as unknown as Parameters<typeof pbs.status>[1];
    expect((await pbs.status([{ tag: "a", id: "2154.polaris-pbs-01", folder: "/x" }], machine)).length).toBe(19);
    expect(asked.map((argv) => argv.includes("-x"))).toEqual([true, false]);
  });
});

it("qselect names jobs", () => {
  expect(parseQselect(ok("12.pbs\n13.pbs\n"))).toEqual(["12.pbs", "13.pbs"]);
  expect(parseQselect(ok(""))).toEqual([]);
});

it("queues have limits", () => {
  expect(parseQueues(printed("pbs/queues.json"))).toEqual([
    { name: "debug", open: true, walltimeMaxS: 3600, nodes: 2 },
    { name: "prod", open: false, walltimeMaxS: null, nodes: null },
  ]);
});

describe("pbsnodes", () => {
  it("tells what nodes have, by kind, without those of which nothing is known", () => {
    expect(parsePbsnodes(printed("pbs/pbsnodes.json"))).toEqual([
      { count: 2, cpus: 64, cores: null, memoryGb: 540, gpus: 4, queues: [] },
      { count: 1, cpus: 32, cores: null, memoryGb: 274, gpus: null, queues: ["edge"] },
    ]);
  });

  it("that fails or is garbled is no list", () => {
    expect(() => parsePbsnodes(failed("pbsnodes: cannot connect to server pbs (errno=15007)"))).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
    expect(() => parsePbsnodes(ok('{"nodes":{"a":'))).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
    for (const text of ["{}", '{"nodes":{}}', '{"nodes":{"a":null}}', '{"nodes":{"a":{"resources_available":{"ncpus":"many"}}}}', "null"])
      expect(parsePbsnodes(ok(text))).toEqual([]);
  });
});
