/** docs/cli.md against the program's own tables: commands, options, errors, states. */
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addCentralOptions } from "../../src/cli/client-settings.js";
import { COMMANDS } from "../../src/cli/commands.js";
import { addCorrOptions } from "../../src/cli/corr-options.js";
import { addJobOptions } from "../../src/cli/job-options.js";
import { createRun } from "../../src/cli/output.js";
import { ERROR_CODES } from "../../src/core/errors.js";
import { JOB_STATES } from "../../src/core/job.js";
import { CLI_DOC, optionsIn, rows, section, shapeFaults } from "./cli-docs.js";

async function optionsOf(name: string): Promise<string[]> {
  const { io } = createRun({ stdout: { write: () => {} }, stderr: { write: () => {} } }, false);
  const program = new Command("xpcs");
  (await COMMANDS.find((entry) => entry.name === name)!.load())(program, io);
  return program.commands[0]!.options.map(({ long }) => long!).sort();
}

const ANALYSIS = addCorrOptions(new Command()).options.map(({ long }) => long!);
const WHERE = addCentralOptions(new Command()).options.map(({ long }) => long!);

const JOB = addJobOptions(new Command()).options.map(({ long }) => long!);

describe("docs/cli.md", () => {
  it("has a section for every command, and for no other", () => {
    const titles = [...CLI_DOC.matchAll(/^## xpcs (.+)$/gm)].map((match) => match[1]!);
    expect(titles.sort()).toEqual(COMMANDS.map(({ name }) => name).sort());
  });

  it.each([
    ["Analysis options", ANALYSIS],
    ["Job options", JOB],
  ])("has the %s", (title, options) => {
    const words = rows(section(title)).map(([option]) => option);
    expect([...optionsIn(words.join(" "))].sort()).toEqual([...options].sort());
  });

  it("has the options that say where central is", () => {
    const text = rows(section("Where central is"))
      .map(([option]) => option)
      .join(" ");
    expect([...optionsIn(text)].filter((option) => option !== "--experiment").sort()).toEqual([...WHERE].sort());
  });

  it.each(COMMANDS.map(({ name }) => name))("has the options of %s, and no other", async (name) => {
    const options = await optionsOf(name);
    const text = section(`xpcs ${name}`);
    const named = optionsIn(text);
    const shared = [
      ...(text.includes("(#analysis-options)") ? ANALYSIS : []),
      ...(text.includes("(#where-central-is)") ? WHERE : []),
      ...(text.includes("and the [job options](#job-options)") ? JOB : []),
    ];
    expect(options.filter((option) => !named.has(option) && !shared.includes(option))).toEqual([]);
    expect([...named].filter((option) => !options.includes(option) && option !== "--json")).toEqual([]);
  });

  it("has every error code with its exit code and meaning", () => {
    const documented = rows(section("Exit codes and errors").replace(/^[\s\S]*```\n/, ""));
    expect(documented).toEqual(Object.entries(ERROR_CODES).map(([code, { exitCode, meaning }]) => [code, String(exitCode), meaning]));
  });

  it("has every exit code", () => {
    const documented = rows(section("Exit codes and errors").replace(/```[\s\S]*$/, "")).map(([code]) => Number(code));
    expect(documented).toEqual([...new Set([0, ...Object.values(ERROR_CODES).map(({ exitCode }) => exitCode)])].sort((a, b) => a - b));
  });

  it("has every job state, in order", () => {
    expect(rows(section("Job states")).map(([state]) => state)).toEqual(JOB_STATES);
  });
});

describe("the comparison of shapes", () => {
  it.each([
    [{ a: 1 }, { a: "1" }, "$.a: documented number, is string"],
    [{ a: 1 }, {}, "$.a: documented, but not there"],
    [{}, { a: 1 }, "$.a: there, but not documented"],
    [[{ a: 1 }], [{ a: 1 }, { b: 1 }], "$[1].a: documented, but not there"],
    [[1], 1, "$: one is an array"],
  ])("finds fault with %j and %j", (documented, real, fault) => {
    expect(shapeFaults(documented, real)).toContain(fault);
  });

  it("lets null and tags be", () => {
    expect(shapeFaults({ a: null, tags: { x: "1" } }, { a: 1, tags: { y: "2" } })).toEqual([]);
  });
});
