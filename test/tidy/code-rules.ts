/** House rules about the text of one file: length, header, types, docstrings, ambient effects, words. */
import { type Finding, findPattern, oneFile, type Rule } from "./rule.js";
import { codeOnly, lineAt, type SourceTree } from "./source-tree.js";

const LINES_MAX = 400;
const CODE = /\.(tsx?|mjs|cpp|hpp|h)$/;
const isSource = (path: string): boolean => /^src\/.*\.tsx?$/.test(path);
const isCode = (path: string): boolean => CODE.test(path) && !path.includes("/third_party/");

/** The only places with the machine's clock, randomness, environment and console. */
const COMPOSITION_ROOT = /^src\/(cli\/|demo\/|web\/|index\.ts$|core\/real-clock\.ts$|sites\/kernel-host[^/]*main\.ts$)/;
/** A parameter may be called randomBytes; importing it may not happen below. */
const RANDOM_IMPORT = /^import .*\brandom\w+.* from "(?:node:)?crypto"/g;
const AMBIENT =
  /\b(Date\.now|performance\.now|setTimeout|setInterval|setImmediate|Math\.random|process\.env|console\.\w+)\b|\bcrypto\.(?:random|getRandom)\w+|\bnew Date\(\s*\)/g;

/** Built from halves, so that this file does not contain what it forbids. */
const OUTSIDE_WORDS = [
  `(?<![\\w.-])/wo${"rk"}/`,
  `/tmp/te${"am"}\\b`,
  `(?<![\\w./-])sha${"red"}/(?:spec|reference|tools|DESIGN|toolchain|anchors)`,
  `(?<![\\w.-])/(?:ro${"ot"}|ho${"me"}|Us${"ers"})/\\w`,
  `registry\\.np${"mjs"}`,
  `regi${"stry"}\\.yarn`,
  `arti${"factory"}`,
  `verd${"accio"}`,
  `\\b127\\.0\\.0\\.1:48${"73"}\\b`,
  `\\bcla${"ude"}\\b`,
  `\\banth${"ropic"}\\b`,
  `\\bchat${"gpt"}\\b`,
  `\\bcop${"ilot"}\\b`,
  `\\blanguage mod${"el"}s?\\b`,
  `\\bcoding ag${"ent"}s?\\b`,
  `\\bA${"I"}[ -](?:ag${"ent"}|assis${"tant"}|gener${"ated"})`,
];
const OUTSIDE = new RegExp(OUTSIDE_WORDS.join("|"), "gi");
const UNFINISHED = new RegExp(`\\b(?:TO${"DO"}|FIX${"ME"}|XX${"X"}|HA${"CK"})\\b`, "g");

/** A lock file's digests are random letters; fixtures are other people's data. */
const isProse = (path: string): boolean => path !== "package-lock.json" && !/\/fixtures\/.*\.json$/.test(path);

export const CODE_RULES: readonly Rule[] = [
  {
    name: `at most ${LINES_MAX} lines`,
    reason: "a longer file has more than one concern",
    find: (tree) =>
      [...tree].flatMap(([path, text]) => {
        const lines = text.trimEnd().split("\n").length;
        return isCode(path) && lines > LINES_MAX ? [{ path, line: lines, what: `${lines} lines` }] : [];
      }),
    broken: oneFile("src/core/a.ts", "const a = 1;\n".repeat(LINES_MAX + 1)),
  },
  {
    name: "a header comment",
    reason: "the reader learns what a file is for, and what not, before its first import",
    find: (tree) =>
      [...tree].flatMap(([path, text]) =>
        isCode(path) && !hasInterface(tree, path) && !/^(#!.*\n)?(#pragma once\s*\n)?\s*(\/\*\*?|\/\/)\s*\S/.test(text)
          ? [{ path, line: 1, what: "no header comment" }]
          : [],
      ),
    broken: oneFile("src/core/a.ts", "export const a = 1;\n"),
  },
  {
    name: "no any",
    reason: "one any switches the type checker off for all that it touches",
    find: (tree) => findPattern(tree, (path) => /\.(ts)$/.test(path), codeOnly, /(?:[:<,|&]\s*|\bas\s+|=>\s*)any\b(?!\s*[(:.])/g),
    broken: oneFile("src/core/a.ts", "/** A. */\nconst a = (b: any) => b;"),
  },
  {
    name: "exported functions have a docstring",
    reason: "units, shapes and errors are not in the types",
    find: (tree) => [...tree].flatMap(([path, text]) => (isSource(path) ? undocumented(path, text) : [])),
    broken: oneFile("src/core/a.ts", "/** Header. */\n\nexport function a(): void {}\n"),
  },
  {
    name: "time, chance and environment are injected",
    reason: "what takes a Clock and a generator can be simulated and repeated exactly",
    find: (tree) => {
      const below = (path: string): boolean => isSource(path) && !COMPOSITION_ROOT.test(path);
      return [...findPattern(tree, below, codeOnly, AMBIENT), ...findPattern(tree, below, (text) => codeOnly(text, true), RANDOM_IMPORT)];
    },
    broken: oneFile("src/ledger/a.ts", "/** A. */\nconst now = Date.now();"),
  },
  {
    name: "no class hierarchies",
    reason: "behaviour spread over parents cannot be read in one place; plain values and interfaces can",
    find: (tree) => findPattern(tree, isSource, codeOnly, /\bclass\s+\w+(?:<[^>]*>)?\s+extends\s+(?!Error\b)\w+/g),
    broken: oneFile("src/core/a.ts", "/** A. */\nclass A extends B {}"),
  },
  {
    name: "no barrels",
    reason: "a file of re-exports hides where things live and drags everything in; src/index.ts, the SDK, is the one door",
    find: (tree) =>
      [...tree].flatMap(([path, text]) => {
        if (!isSource(path) || path === "src/index.ts") return [];
        const statements = codeOnly(text, true)
          .split(";")
          .map((statement) => statement.trim())
          .filter(Boolean);
        const only =
          statements.length > 0 && statements.every((statement) => /^export\s+(type\s+)?(\*|\{[^}]*\})[\s\S]*\bfrom\b/.test(statement));
        return only ? [{ path, line: 1, what: "only re-exports" }] : [];
      }),
    broken: oneFile("src/core/a.ts", `/** A. */\nexport { b } from "./b.js";\nexport * from "./c.js";`),
  },
  {
    name: "no file named for nothing",
    reason: "a file called utils takes anything and says nothing",
    find: (tree) =>
      [...tree.keys()].flatMap((path) =>
        /(^|\/)(utils?|helpers?|misc|common|stuff)(\.|\/)/.test(path) ? [{ path, line: 0, what: "name it after its one concern" }] : [],
      ),
    broken: oneFile("src/core/utils.ts", "/** A. */"),
  },
  {
    name: "nothing left undone in comments",
    reason: "open work belongs in the issue tracker, where someone sees it",
    find: (tree) => findPattern(tree, isProse, (text) => text, UNFINISHED),
    broken: oneFile("src/core/a.ts", `/** A. */\n// TO${"DO"}: later`),
  },
  {
    name: "nothing of one developer's machine",
    reason: "a path or host of one machine fails on every other, and the project speaks of itself alone",
    find: (tree) => findPattern(tree, isProse, (text) => text, OUTSIDE),
    broken: oneFile("docs/a.md", `see /wo${"rk"}/main`),
  },
];

/** A .cpp beside or below a .hpp of its name: the .hpp has said what both are for. */
function hasInterface(tree: SourceTree, path: string): boolean {
  const name = /([^/]+)\.cpp$/.exec(path)?.[1];
  return name !== undefined && [...tree.keys()].some((other) => other.startsWith("native/") && other.endsWith(`/${name}.hpp`));
}

function undocumented(path: string, text: string): Finding[] {
  return [...text.matchAll(/^export (?:async )?function\*? (\w+)/gm)].flatMap((match) => {
    const before = text.slice(0, match.index).trimEnd();
    // What a register function does is the same for every command; what the command does is its description.
    if (path.startsWith("src/cli/") && match[1]?.startsWith("register")) return [];
    const documented = before.endsWith("*/") && text.slice(before.length, match.index).split("\n").length === 2;
    return documented ? [] : [{ path, line: lineAt(text, match.index), what: `${match[1]} has no docstring` }];
  });
}
