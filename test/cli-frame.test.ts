/** The frame of the command line: output, errors and their exit codes, interrupts, option values, the logger. */
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { runCommandLine } from "../src/cli/command-line.js";
import { collectPairs, durationOption, integerOption, positiveOption } from "../src/cli/option-values.js";
import { createRun, formatTable } from "../src/cli/output.js";
import { createPinoLogger } from "../src/cli/pino-logger.js";
import { ERROR_CODES, type ErrorCode, XpcsError } from "../src/core/errors.js";
import type { LogFields } from "../src/core/log.js";
import { VERSION } from "../src/core/version.js";

function captured(json: boolean, isTTY = false) {
  const text = { out: "", err: "" };
  const stdout = {
    isTTY,
    write: (part: string) => {
      text.out += part;
    },
  };
  const stderr = {
    write: (part: string) => {
      text.err += part;
    },
  };
  return { text, run: createRun({ stdout, stderr }, json) };
}

describe("results", () => {
  it("are text for people", () => {
    const { text, run } = captured(false);
    run.io.out("a line");
    run.io.note("a hint");
    run.io.result({ a: 1 }, () => "a is 1");
    expect(text).toEqual({ out: "a line\na is 1\n", err: "a hint\n" });
  });

  it("are one JSON line for programs, with nothing around it", () => {
    const { text, run } = captured(true, true);
    run.io.out("a line");
    run.io.note("a hint");
    run.io.result({ a: 1 }, () => "a is 1");
    expect(text).toEqual({ out: '{"a":1}\n', err: "" });
    expect(run.io.interactive).toBe(false);
  });

  it("of others are shown by a terminal, not obeyed; files, pipes and --raw get them as they are", () => {
    const hostile = "a\u001b]0;x\u0007\tb\r\n\u009b2J\u202ec\rd\u007f";
    const seen = captured(false, true);
    seen.run.io.out(hostile);
    seen.run.io.result({}, () => hostile);
    const harmless = "a\\x1b]0;x\\x07\tb\n\\x9b2J\\u202ec\\x0dd\\x7f\n";
    expect(seen.text.out).toBe(harmless.repeat(2));
    seen.run.io.outRaw(hostile);
    expect(seen.text.out).toBe(`${harmless.repeat(2)}${hostile}\n`);
    const piped = captured(false);
    piped.run.io.out(hostile);
    expect(piped.text.out).toBe(`${hostile}\n`);
  });

  it("of others do no harm as JSON either, and keep their value", () => {
    const value = { "\u009b": "\u001b[2J\u009b2J\u202e\u2028é" };
    const { text, run } = captured(true, true);
    run.io.result(value, () => "");
    run.fail(new XpcsError("REFUSED", "\u009b2J"));
    expect(text.out + text.err).not.toMatch(/(?!\n)\p{Cc}|[\u2028\u202e]/u);
    expect(JSON.parse(text.out)).toEqual(value);
  });

  it("stand in columns", () => {
    const table = formatTable(
      [{ title: "job" }, { title: "frames", align: "right" }],
      [
        ["j1", "100"],
        ["a-long-name", "7"],
      ],
    );
    expect(table).toBe("job          frames\nj1              100\na-long-name       7");
  });
});

describe("errors", () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])("%s ends with the exit code of the table", (code) => {
    const { text, run } = captured(false);
    expect(run.fail(new XpcsError(code, "what,\n  where"))).toBe(ERROR_CODES[code].exitCode);
    expect(text).toEqual({ out: "", err: `xpcs: what, where (${code})\n` });
  });

  it("are JSON under --json", () => {
    const { text, run } = captured(true);
    expect(run.fail(new XpcsError("UNAVAILABLE", "no answer"))).toBe(3);
    expect(JSON.parse(text.err)).toEqual({ error: { code: "UNAVAILABLE", message: "no answer" } });
  });

  it("without a code are defects", () => {
    const { text, run } = captured(false);
    expect(run.fail(new Error("boom"))).toBe(1);
    expect(text.err).toBe("xpcs: boom (INTERNAL)\n");
  });
});

describe("interrupts", () => {
  it("reach a command that listens, once", () => {
    const { run } = captured(false);
    const { signal } = run.io;
    expect(run.interrupt("SIGINT")).toBe(true);
    expect(signal.aborted).toBe(true);
    expect(run.interrupt("SIGINT")).toBe(false);
    expect(run.exitCode()).toBe(130);
  });

  it("end at once a command that does not listen", () => {
    const { run } = captured(false);
    expect(run.interrupt("SIGINT")).toBe(false);
  });

  it("by SIGTERM let a command end cleanly", () => {
    const { run } = captured(false);
    expect(run.io.signal.aborted).toBe(false);
    expect(run.interrupt("SIGTERM")).toBe(true);
    expect(run.io.interrupted).toBe("SIGTERM");
    expect(run.exitCode()).toBe(0);
  });
});

describe("usage", () => {
  it.each([
    [["nonsense"], 'there is no command "nonsense"'],
    [["--nonsense"], "unknown option '--nonsense'"],
    [["doctor", "--jsn"], "unknown option '--jsn' (Did you mean --json?); see xpcs doctor --help"],
    [["doctor", "extra"], "too many arguments for 'doctor'"],
  ])("%j exits 2 with one line", async (argv, message) => {
    const { text, run } = captured(false);
    expect(await runCommandLine(argv, run)).toBe(2);
    expect(text.err).toContain(message);
    expect(text.err).toMatch(/^xpcs: [^\n]+ \(INVALID_ARGUMENT\)\n$/);
    expect(text.out).toBe("");
  });
});

describe("help", () => {
  it.each([[[]], [["--help"]], [["help"]], [["--json", "--help"]]])("%j is the overview, on stdout, exit 0", async (argv) => {
    const { text, run } = captured(argv.includes("--json"));
    expect(await runCommandLine(argv, run)).toBe(0);
    expect(text.out).toContain("Usage: xpcs COMMAND");
    expect(text.err).toBe("");
  });

  it.each([[["doctor", "--help"]], [["help", "doctor"]]])("%j is the command's own", async (argv) => {
    const { text, run } = captured(false);
    expect(await runCommandLine(argv, run)).toBe(0);
    expect(text.out).toContain("Usage: xpcs doctor [options]");
  });

  it("the version stands alone", async () => {
    const { text, run } = captured(false);
    expect(await runCommandLine(["--version"], run)).toBe(0);
    expect(text.out).toBe(`${VERSION}\n`);
  });
});

describe("option values", () => {
  it("have never as a time, also by way of commander, which makes an empty text of null", () => {
    const parse = (text: string) =>
      new Command().option("--keep <time>", "", durationOption).parse(["--keep", text], { from: "user" }).opts();
    expect(parse("never")).toEqual({ keep: Infinity });
    expect(parse("12h")).toEqual({ keep: 43_200 });
  });

  it("whole numbers have bounds", () => {
    expect(integerOption(0, 10)("7")).toBe(7);
    expect(integerOption(-5)("-5")).toBe(-5);
    for (const text of ["11", "-1", "1.5", "1e1", "", "x", "0x1"]) expect(() => integerOption(0, 10)(text)).toThrow("whole number");
  });

  it("lengths and times are above zero", () => {
    expect(positiveOption("2.5e-5")).toBe(2.5e-5);
    for (const text of ["0", "-1", "", "NaN", "Infinity", "1s"]) expect(() => positiveOption(text)).toThrow("above zero");
  });

  it("pairs add up", () => {
    expect(collectPairs("b=2=3", collectPairs("a=1"))).toEqual({ a: "1", b: "2=3" });
    expect(() => collectPairs("=1")).toThrow("key=value");
  });
});

describe("the logger", () => {
  function logged(json: boolean, more: LogFields = {}): string {
    let text = "";
    const stream = {
      write: (part: string) => {
        text += part;
      },
    };
    createPinoLogger({ json, base: { site: "polaris 1" }, stream }).warn("lease.lost", { job: "j7", epoch: 2, ...more });
    return text;
  }

  it("writes one line per event for people", () => {
    expect(logged(false)).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}lease\.lost {2}site="polaris 1" {2}job=j7 {2}epoch=2\n$/);
  });

  it("writes a field once, also one of every line", () => {
    expect(logged(true, { site: "other" }).match(/"site"/g)).toHaveLength(1);
  });

  it("writes nothing that a terminal obeys", () => {
    const hostile = { reason: "\u001b[2J\u009b2J", path: "\u001b \u009b" };
    for (const json of [true, false]) expect(logged(json, hostile)).not.toMatch(/(?!\n)\p{Cc}/u);
    expect(JSON.parse(logged(true, hostile))).toMatchObject(hostile);
  });

  it("writes JSON for programs", () => {
    expect(JSON.parse(logged(true))).toMatchObject({ level: "warn", event: "lease.lost", site: "polaris 1", job: "j7", epoch: 2 });
  });
});
