/** docs/cli.md as data: its sections, tables, and the JSON shapes that it promises. */
import { readFileSync } from "node:fs";

export const CLI_DOC = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");

/** Text of the section under a `##` heading. */
export function section(title: string): string {
  const parts = CLI_DOC.split(/^## /m);
  const found = parts.find((part) => part.startsWith(`${title}\n`));
  if (found === undefined) throw new Error(`docs/cli.md has no section "${title}"`);
  return found;
}

/** Long options that a text names. */
export function optionsIn(text: string): Set<string> {
  return new Set([...text.matchAll(/(?<![\w-])--[a-z][A-Za-z0-9_-]*/g)].map(([option]) => option));
}

/** Cells of a section's table rows, without the head. */
export function rows(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The example under ```json NAME. */
export function documentedJson(name: string): unknown {
  const block = CLI_DOC.match(new RegExp(`\`\`\`json ${name}\n([\\s\\S]*?)\n\`\`\``))?.[1];
  if (block === undefined) throw new Error(`docs/cli.md has no JSON of ${name}`);
  return JSON.parse(block);
}

/** Names under which shapes are documented. */
export const DOCUMENTED_SHAPES = [...CLI_DOC.matchAll(/```json (\w+)/g)].map((match) => match[1]!);

/**
 * Where two values differ in shape: other keys, other types, elements of another shape. Null stands for a value of any type,
 * an empty array for one with any elements; the keys of `tags` are the person's.
 */
export function shapeFaults(documented: unknown, real: unknown, path = "$"): string[] {
  if (documented === null || real === null) return [];
  if (Array.isArray(documented) || Array.isArray(real)) {
    if (!Array.isArray(documented) || !Array.isArray(real)) return [`${path}: one is an array`];
    return documented.length === 0 ? [] : real.flatMap((element, at) => shapeFaults(documented[0], element, `${path}[${at}]`));
  }
  if (typeof documented !== typeof real) return [`${path}: documented ${typeof documented}, is ${typeof real}`];
  if (typeof documented !== "object" || path.endsWith(".tags")) return [];
  const [inDocs, inReal] = [documented, real].map((value) => Object.keys(value as object)) as [string[], string[]];
  return [
    ...inDocs.filter((key) => !inReal.includes(key)).map((key) => `${path}.${key}: documented, but not there`),
    ...inReal.filter((key) => !inDocs.includes(key)).map((key) => `${path}.${key}: there, but not documented`),
    ...inDocs
      .filter((key) => inReal.includes(key))
      .flatMap((key) =>
        shapeFaults((documented as Record<string, unknown>)[key], (real as Record<string, unknown>)[key], `${path}.${key}`),
      ),
  ];
}
