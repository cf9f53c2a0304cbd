/** The house rules: each holds for the project, and each can fail. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { CODE_RULES } from "./tidy/code-rules.js";
import { IMPORT_RULES } from "./tidy/import-rules.js";
import { PROJECT_RULES } from "./tidy/project-rules.js";
import { codeOnly, importsOf, readTree } from "./tidy/source-tree.js";

const TREE = readTree(dirname(dirname(fileURLToPath(import.meta.url))));
const RULES = [...IMPORT_RULES, ...CODE_RULES, ...PROJECT_RULES];

describe.each(RULES)("$name", (rule) => {
  it("holds", () => {
    const findings = rule.find(TREE).map(({ path, line, what }) => `${line > 0 ? `${path}:${line}` : path}: ${what}`);
    expect(findings, `because ${rule.reason}`).toEqual([]);
  });

  it("can fail", () => {
    expect(rule.find(rule.broken)).not.toEqual([]);
  });
});

describe("reading the tree", () => {
  it("finds the project's files", () => {
    expect([...TREE.keys()]).toEqual(
      expect.arrayContaining(["package.json", "LICENSE", "src/core/errors.ts", "scripts/setup.mjs", ".ci/run"]),
    );
  });

  it("blanks comments and strings but keeps lines", () => {
    expect(codeOnly(`const a = "any // no"; // any\n/* any\n*/ const b = 1;`)).toBe(`const a = "";       \n      \n   const b = 1;`);
  });

  it("keeps what a template literal computes", () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a source file
    expect(codeOnly("`at ${Date.now()} any`")).toContain("Date.now()");
  });

  it("resolves static, dynamic, side-effect and type imports", () => {
    const text = `import { a } from "../core/a.js";\nimport "./b.js";\nconst c = await import("ws");\n/** About. */\nimport type { D } from "zod";`;
    expect(importsOf("src/wire/x.ts", text)).toEqual([
      { specifier: "../core/a.js", line: 1, target: "src/core/a.ts", whenLoaded: true },
      { specifier: "./b.js", line: 2, target: "src/wire/b.ts", whenLoaded: true },
      { specifier: "ws", line: 3, target: null, whenLoaded: false },
      { specifier: "zod", line: 5, target: null, whenLoaded: false },
    ]);
  });
});
