/** Command apps through a real central and a real site: outputs, logs while they run, hooks, refusals, cancel, death of the host. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { JobView } from "../../src/core/job.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { startXpcs as startProcess, type Xpcs } from "./xpcs-process.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PROXY = fileURLToPath(new URL("../../examples/diagonalise.py", import.meta.url));
let facility: Facility;

function startXpcs(...args: string[]): Xpcs {
  const home = { HOME: facility.folder, XDG_CONFIG_HOME: join(facility.folder, "config") };
  return startProcess(args, { ...home, XPCS_CENTRAL: facility.url, XPCS_TOKEN: facility.operatorToken });
}

const xpcs = (...args: string[]) => startXpcs(...args).result;
const file = (name: string) => join(facility.folder, name);

async function start(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await xpcs("run", ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trim();
}

async function ended(id: string): Promise<JobView> {
  return (await facility.client.wait([id]))[0]!;
}

function isAlive(pid: number): boolean {
  try {
    // A process that is dead and whose new parent has not asked after it is dead all the same.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

beforeAll(async () => {
  facility = await startFacility();
  const sh = (script: string, ...words: string[]) => ["/bin/sh", "-c", script, "sh", ...words];
  const apps = {
    copy: {
      before: [sh("echo before > order")],
      argv: sh(
        'echo "out $1"; echo "err $1" >&2; echo main >> order; env | grep -c XPCS_TOKEN; cat "$2" order > "$3"',
        "{word}",
        "{in}",
        "{out}",
      ),
      after: [sh('echo "after $XPCS_EXIT_CODE"')],
      parameters: { word: { type: "text", default: "none" }, in: { type: "input" }, out: { type: "output" } },
    },
    // Until somebody has heard it.
    talk: { argv: sh('echo first; until [ -e "$1" ]; do sleep 0.1; done; echo last', file("heard")), parameters: {} },
    paint: { argv: sh("printf 'a\\033[31mb\\n'; printf '\\033[2J' >&2; exit 1") },
    fails: { argv: sh("echo broken >&2; exit 7"), after: [sh('echo "cleaned up after $XPCS_EXIT_CODE"')] },
    forgets: { argv: ["/bin/true"], parameters: { out: { type: "output" } } },
    stubborn: { argv: sh("trap '' TERM; echo $$; sleep 60 & wait; sleep 60"), exclusive: true },
    diagonalise: {
      argv: ["/usr/bin/env", "python3", PROXY, "--size", "{size}", "--out", "{result}"],
      parameters: { size: { type: "integer" }, result: { type: "output" } },
    },
  };
  writeFileSync(file("apps.json"), JSON.stringify(apps));
  writeFileSync(file("in.txt"), "input\n");
  await facility.startSite("here", 2, ["--apps", file("apps.json")]);
});
afterAll(() => facility.end());

/** The process that the job's command prints, once it has. */
function loggedPid(id: string): Promise<number> {
  return vi.waitFor(
    async () => {
      const { stdout } = await xpcs("logs", id);
      expect(stdout).toMatch(/^\d+\n$/);
      return Number(stdout);
    },
    { timeout: 10_000 },
  );
}

describe("a command app", () => {
  it("runs between its hooks, with typed parameters and without the token, and its output is published by digest", async () => {
    const id = await start(
      "copy",
      "--param",
      "word=hello world",
      "--input",
      `in=${file("in.txt")}`,
      "--output",
      `out=${file("out.txt")}`,
      "--tag",
      "a=b",
    );
    const job = await ended(id);
    expect(job).toMatchObject({ state: "finished", app: "copy", type: "copy", inputs: [file("in.txt")], tags: { a: "b" } });
    expect(readFileSync(file("out.txt"), "utf8")).toBe("input\nbefore\nmain\n");
    expect(job.outputs).toMatchObject([{ path: file("out.txt"), bytes: 18 }]);
    const logs = await xpcs("logs", id, "--json");
    const value = JSON.parse(logs.stdout) as { text: string };
    expect(shapeFaults(documentedJson("logs"), value)).toEqual([]);
    expect(value.text).toBe("out hello world\n0\nafter 0\n");
    expect((await xpcs("logs", id, "--stream", "stderr")).stdout).toBe("err hello world\n");
    expect((await xpcs("logs", id, "--attempt", "2")).stderr).toContain(`job ${id} has no attempt 2`);
  });

  it("is heard while it runs", async () => {
    const id = await start("talk");
    const logs = startXpcs("logs", id, "--follow");
    await vi.waitFor(() => expect(logs.printed()).toBe("first\n"), { timeout: 30_000 });
    expect((await facility.client.job(id)).state).toBe("running");
    writeFileSync(file("heard"), "");
    expect(await logs.result).toEqual({ code: 0, stdout: "first\nlast\n", stderr: "" });
  });

  it("cannot paint on a terminal, unless the reader wants it", async () => {
    const id = await start("paint", "--attempts", "1");
    expect((await ended(id)).reason).toContain("\u001b[2J");
    expect((await xpcs("logs", id)).stdout).toBe("a\u001b[31mb\n");
    // A terminal of its own, by script(1); it writes \r\n where the program writes \n.
    const onTerminal = (...args: string[]) => {
      const words = [process.execPath, CLI, ...args].map((word) => `'${word}'`).join(" ");
      const env = { ...process.env, XPCS_CENTRAL: facility.url, XPCS_TOKEN: facility.operatorToken };
      return execFileSync("script", ["-qec", words, "/dev/null"], { env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    };
    expect(onTerminal("logs", id)).toBe("a\\x1b[31mb\r\n");
    expect(onTerminal("logs", id, "--raw")).toBe("a\u001b[31mb\r\n");
    expect(onTerminal("job", id)).not.toContain("\u001b");
  });

  it("that fails says how, is tried again, and keeps the output of each attempt", async () => {
    const id = await start("fails", "--attempts", "2", "--retry-delay", "0.1");
    const { state, attempts } = await ended(id);
    expect(state).toBe("failed");
    const said = { outcome: "failed", code: "COMMAND_FAILED", reason: expect.stringContaining("exit code 7; its last words: broken") };
    expect(attempts).toMatchObject([said, said]);
    for (const attempt of ["1", "2"]) expect((await xpcs("logs", id, "--attempt", attempt)).stdout).toBe("cleaned up after 7\n");
  });

  it("that writes no output has failed", async () => {
    const job = await ended(await start("forgets", "--output", `out=${file("never")}`, "--attempts", "1"));
    expect(job).toMatchObject({ state: "failed", reason: expect.stringContaining("did not write its output") });
    expect(existsSync(file("never"))).toBe(false);
  });

  it("is refused at once, with the reason, when its parameters are wrong", async () => {
    const job = await ended(await start("copy", "--param", "nonsense=1", "--input", `in=${file("in.txt")}`));
    expect(job).toMatchObject({
      state: "failed",
      attempts: [{ code: "REFUSED" }],
      reason: expect.stringContaining('no parameter "nonsense"'),
    });
  });

  it("stops after a cancel, also when it does not want to, with all that it started", async () => {
    const id = await start("stubborn");
    const pid = await loggedPid(id);
    await facility.client.cancel([id]);
    expect(await ended(id)).toMatchObject({ state: "canceled" });
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false));
  });

  it("that is exclusive is dead before its lease can be granted again, also when its site is suspended", async () => {
    const id = await start("stubborn");
    const pid = await loggedPid(id);
    facility.signal("here", "SIGSTOP");
    try {
      await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 8_000 });
      expect((await facility.client.job(id)).attempts).toMatchObject([{ epoch: 1, outcome: "running" }]);
    } finally {
      facility.signal("here", "SIGCONT");
    }
    await facility.client.cancel([id]);
    await ended(id);
  }, 20_000);

  it("dies with its kernel host, and the attempt is told", async () => {
    const id = await start("stubborn", "--attempts", "1");
    const pid = await loggedPid(id);
    facility.killHosts("here");
    expect(await ended(id)).toMatchObject({ state: "failed", attempts: [{ code: "NATIVE_CRASHED" }] });
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false));
  });

  const hasNumpy = (() => {
    try {
      execFileSync("/usr/bin/env", ["python3", "-c", "import numpy"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  })();
  it.runIf(hasNumpy)("is the proxy application: as many eigenvalues as rows, within Wigner's semicircle", async () => {
    const result = file("eigenvalues.txt");
    const job = await ended(await start("diagonalise", "--param", "size=60", "--output", `result=${result}`, "--attempts", "1"));
    expect(job.reason).toBe(null);
    const values = readFileSync(result, "utf8").trim().split("\n").map(Number);
    expect(values).toHaveLength(60);
    expect(values).toEqual([...values].sort((a, b) => a - b));
    // Wigner: the largest is about sqrt(2 n) for elements of variance 1/2.
    expect(values.at(-1)! / Math.sqrt(2 * 60)).toBeGreaterThan(0.8);
    expect(values.at(-1)! / Math.sqrt(2 * 60)).toBeLessThan(1.2);
  });
});
