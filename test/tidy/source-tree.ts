/** The project's own text files for the house rules: reads them, and takes TypeScript apart as far as the rules need it. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";

/** Path from the project's root (with `/`) to content. */
export type SourceTree = ReadonlyMap<string, string>;

const SKIPPED = new Set([".git", "node_modules", "build", "dist", "coverage", "demo-output", ".vitest"]);
const TEXT =
  /(\.(tsx?|css|mjs|js|json|md|cpp|hpp|h|cmake|gyp|txt|sh|yml|yaml|gitignore)|\/(LICENSE|SOURCES|BINDING_SOURCES|run)|^(LICENSE|SOURCES))$/;

export function readTree(root: string): SourceTree {
  const tree = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const full = join(folder, entry.name);
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) visit(full);
      const path = relative(root, full).split(sep).join("/");
      if (entry.isFile() && TEXT.test(path)) tree.set(path, readFileSync(full, "utf8"));
    }
  };
  visit(root);
  return tree;
}

/**
 * TypeScript or C++ with comments blanked and, unless `keepStrings`, the insides of strings too. Lines stay in place.
 * Regular expressions are not understood; a quote inside one is the only thing that could confuse this.
 */
export function codeOnly(text: string, keepStrings = false): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g;
  return text.replace(token, (found) => {
    if (found.startsWith("/*") || found.startsWith("//")) return found.replace(/[^\n]/g, " ");
    if (keepStrings) return found;
    return found.startsWith("`") ? templateCode(found) : `""`;
  });
}

/** What a template literal computes: its `${...}` parts, without the text between. */
function templateCode(literal: string): string {
  const parts = literal.match(/\$\{[^}]*\}|\n/g) ?? [];
  return `""${parts.join("")}`;
}

export interface ImportFound {
  readonly specifier: string;
  readonly line: number;
  /** Path from the project's root (`.ts`) of a relative import, else null. */
  readonly target: string | null;
  /** False for types, and for what is imported when a function is called. */
  readonly whenLoaded: boolean;
}

export function importsOf(path: string, text: string): ImportFound[] {
  const pattern = /(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+)"([^"]+)"/g;
  const code = codeOnly(text, true);
  return [...code.matchAll(pattern)].map((match) => {
    const specifier = match[1] ?? "";
    const target = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts") : null;
    const statement = code.slice(code.lastIndexOf(";", match.index) + 1, match.index).trimStart();
    const whenLoaded = !match[0].includes("(") && !/^(import|export) type\b/.test(statement);
    return { specifier, line: lineAt(text, match.index), target, whenLoaded };
  });
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
