/** Settings of command apps, and what a job may fill in: above all what must not get through. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import type { CommandJob, Lease } from "../../src/core/job.js";
import { COMMAND_APPS } from "../../src/sites/command-apps.js";
import { checkCommand, commandRun } from "../../src/sites/command-plan.js";

const SETTINGS = {
  tool: {
    argv: ["/bin/tool", "--n={n}", "{label}", { when: "mask", argv: ["--mask", "{mask}"] }, { when: "fast", argv: ["--fast"] }, "{out}"],
    parameters: {
      n: { type: "integer", min: 1, max: 9, default: 2 },
      x: { type: "number", optional: true },
      label: { type: "text", default: "plain" },
      kind: { type: "text", choices: ["a", "b"], optional: true },
      code: { type: "text", pattern: "-?[0-9]+", optional: true },
      fast: { type: "boolean", optional: true },
      mask: { type: "input", optional: true },
      out: { type: "output" },
    },
    before: [["/bin/echo", "{job}.{epoch}", "{site}", "{cores}"]],
    env: { LABEL: "{label}" },
  },
};
const TOOL = parseSettings(COMMAND_APPS, JSON.stringify(SETTINGS), "apps.json").tool!;

function job(parameters: CommandJob["parameters"] = {}, more: Partial<CommandJob> = {}): CommandJob {
  return { app: "tool", parameters, inputs: {}, outputs: { out: { path: "/data/r.txt" } }, overwrite: false, ...more };
}

const ALONE = { nodes: 0, launcher: null };

function run(work: CommandJob, inputs: Readonly<Record<string, string>> = {}) {
  const lease: Lease = { job: "j1", epoch: 3, work, leaseMs: 9_000 };
  return commandRun(TOOL, lease, work, { folder: "/scratch/j1.3", site: "here", cores: 4, hosts: [], launcher: null, inputs });
}

describe("a command line", () => {
  it("is the template with defaults, without the groups of what is not given", () => {
    const made = run(job());
    expect(made.argv).toEqual(["/bin/tool", "--n=2", "plain", "/scratch/j1.3/out/out/r.txt"]);
    expect(made.before).toEqual([["/bin/echo", "j1.3", "here", "4"]]);
    expect(made.env).toMatchObject({ LABEL: "plain", OMP_NUM_THREADS: "4", XPCS_JOB: "j1" });
  });

  it("has values as one argument each, whatever they contain", () => {
    const label = 'a b; rm -rf / "$(id)" {n} \'';
    const made = run(job({ label, n: "7", fast: "true" }, { inputs: { mask: { path: "/data/m" } } }), { mask: "/staged/m" });
    expect(made.argv).toEqual(["/bin/tool", "--n=7", label, "--mask", "/staged/m", "--fast", "/scratch/j1.3/out/out/r.txt"]);
  });

  it.each([
    [{ n: 0 }, /"n" is 0: it must be a whole number of at least 1 and at most 9/],
    [{ n: 1.5 }, /whole number/],
    [{ n: "" }, /whole number/],
    [{ x: "0x" }, /must be a number/],
    [{ x: Number.POSITIVE_INFINITY }, /must be a number/],
    [{ label: "--output=/etc/passwd" }, /must not begin with a dash/],
    [{ kind: "c" }, /one of a, b/],
    [{ code: "1;2" }, /must match/],
    [{ fast: "yes" }, /true or false/],
    [{ out: "/etc/passwd" }, /is no|is a file|parameter/],
    [{ nonsense: 1 }, /no parameter "nonsense"; it has n, x,/],
    [{ constructor: 1 }, /no parameter "constructor"/],
  ] as const)("is refused with %j", (parameters, message) => {
    expect(() => run(job(parameters as CommandJob["parameters"]))).toThrow(message);
    expect(() => checkCommand(TOOL, job(parameters as CommandJob["parameters"]), ALONE)).toThrow(
      expect.objectContaining({ code: "REFUSED" }),
    );
  });

  it("is refused without an output, and with a file where none is declared", () => {
    expect(() => checkCommand(TOOL, job({}, { outputs: {} }), ALONE)).toThrow(/output "out" is missing/);
    expect(() => checkCommand(TOOL, job({}, { inputs: { label: { path: "/x" } } }), ALONE)).toThrow(/no input "label"/);
  });

  it("may begin with a dash where the site's own pattern says so", () => {
    expect(() => checkCommand(TOOL, job({ code: "-5" }), ALONE)).not.toThrow();
  });
});

describe("a command on nodes", () => {
  const settings = {
    wide: {
      argv: ["{launcher}", "/bin/wide", "--nodes={nodes}", "{hosts}"],
      after: [["/bin/echo", "{nodes}"]],
      parameters: { ranks: { type: "integer", min: 1, default: 2 } },
      ranksPerNode: "ranks",
    },
  };
  const WIDE = parseSettings(COMMAND_APPS, JSON.stringify(settings), "apps.json").wide!;
  const work = (parameters: CommandJob["parameters"] = {}): CommandJob => ({
    app: "wide",
    parameters,
    inputs: {},
    outputs: {},
    overwrite: false,
  });
  const launcher = [
    "srun",
    "--nodes={nodes}",
    "--nodelist={hosts}",
    "--ntasks={ranks}",
    "--ntasks-per-node={ranksPerNode}",
    "-c{coresPerRank}",
  ];
  const place = { folder: "/f", site: "here", cores: 12, hosts: ["n1", "n2"], launcher, inputs: {} };
  const lease = (job: CommandJob): Lease => ({ job: "j1", epoch: 1, work: job, leaseMs: 9_000, resources: { nodes: 2 } });

  it("begins with the site's words, which have the nodes that are its own", () => {
    const made = commandRun(WIDE, lease(work()), work(), place);
    expect(made.argv).toEqual(
      ["srun", "--nodes=2", "--nodelist=n1,n2", "--ntasks=4", "--ntasks-per-node=2", "-c3"].concat("/bin/wide", "--nodes=2", "n1,n2"),
    );
    expect(made.after).toEqual([["/bin/echo", "2"]]);
    expect(commandRun(WIDE, lease(work()), work({ ranks: 50 }), place).argv).toContain("-c1");
  });

  it("runs as it is where the site has one node and no launcher", () => {
    const job = work({ ranks: 1 });
    checkCommand(WIDE, job, { nodes: 1, launcher: null });
    expect(commandRun(WIDE, lease(job), job, { ...place, hosts: ["h"], launcher: null }).argv).toEqual(["/bin/wide", "--nodes=1", "h"]);
  });

  it.each([
    [{}, { nodes: 0, launcher }, /on how many/],
    [{ ranks: 5_000 }, { nodes: 2, launcher }, /too many/],
    [{ ranks: 2 }, { nodes: 1, launcher: null }, /need a launcher/],
  ])("is refused with %j on %j", (parameters, asked, message) => {
    expect(() => checkCommand(WIDE, work(parameters), asked)).toThrow(
      expect.objectContaining({ code: "REFUSED", message: expect.stringMatching(message) }),
    );
  });
});

describe("the settings", () => {
  const faults: readonly (readonly [object, RegExp])[] = [
    [{ "xpcs.corr": { argv: ["/bin/true"] } }, /may not begin with xpcs\./],
    [{ a: { argv: ["true"] } }, /absolute path/],
    [{ a: { argv: [] } }, /a\.argv/],
    [{ a: { argv: ["/bin/echo", "{b}"] } }, /uses \{b\}, which is no parameter/],
    [{ a: { argv: ["/bin/echo", { when: "b", argv: ["x"] }] } }, /"when" names no parameter/],
    [{ a: { argv: ["/bin/true"], parameters: { job: { type: "text" } } } }, /name of a given value/],
    [{ a: { argv: ["/bin/true"], parameters: { b: { type: "text", pattern: "(" } } } }, /no regular expression/],
    [{ a: { argv: ["/bin/true"], shell: true } }, /shell/],
    [{ a: { argv: ["{launcher}", "true"] } }, /absolute path/],
    [{ a: { argv: ["/bin/true", "-x={launcher}"] } }, /a word of its own/],
    [{ a: { argv: ["/bin/true"], ranksPerNode: "n" } }, /no parameter of whole numbers/],
  ];
  it.each(faults)("refuse %j", (value, message) => {
    expect(() => parseSettings(COMMAND_APPS, JSON.stringify(value), "apps.json")).toThrow(message);
  });

  it("of the examples are right", () => {
    const text = readFileSync(new URL("../../examples/apps.json", import.meta.url), "utf8");
    expect(Object.keys(parseSettings(COMMAND_APPS, text, "apps.json"))).toEqual(["diagonalise", "xpcs-eigen", "boost-corr"]);
  });
});
