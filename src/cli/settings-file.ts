/** Reads a settings file of central or a site (docs/settings.md, docs/apps.md) by its schema: YAML or JSON. Each mistake is told with its line. */
import type { Document, LineCounter } from "yaml";
import type { z } from "zod";
import { XpcsError } from "../core/errors.js";
import { readText } from "./text-file.js";
import { documentOf, plainOf, yaml } from "./yaml-text.js";

/** More mistakes than this are counted. */
const TOLD_MAX = 10;

/** JSON that is right needs no YAML reader, which takes long to load. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Where a value begins, or its name where that is asked for; of one that is not there, the nearest above it. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: readonly PropertyKey[], name?: string): number {
  const { isMap, isScalar, isNode } = yaml();
  for (let length = path.length; length >= 0; length -= 1) {
    const above = path.slice(0, length).map((part) => (typeof part === "symbol" ? String(part) : part));
    const node = length === 0 ? document.contents : document.getIn(above, true);
    if (!isNode(node)) continue;
    const asked = name ?? (length < path.length ? undefined : null);
    const key =
      typeof asked === "string" && isMap(node)
        ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === asked)?.key
        : undefined;
    const range = isScalar(key) ? key.range : node.range;
    return lines.linePos(range?.[0] ?? 0).line;
  }
  return 1;
}

/** A mistake of the schema as sentences, each with the path and the name at which its line is looked for. */
function sentences(issue: z.core.$ZodIssue): { text: string; name?: string }[] {
  const place = issue.path.map(String).join(".") || "the file";
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((name) => ({ text: `${place}: there is no setting ${JSON.stringify(name)}`, name }));
  // Of a name zod says only that it is wrong; why is one level below.
  const why = issue.code === "invalid_key" ? issue.issues.map(({ message }) => message).join("; ") : issue.message;
  return [{ text: `${place}: ${why}` }];
}

function mistakesOf(issues: readonly z.core.$ZodIssue[], text: string, path: string): string {
  const { document, lines } = documentOf(text, path);
  const told = issues
    .flatMap((issue) => {
      // A name that is wrong has the line of its name, which is at the value above it.
      const [at, name] = issue.code === "invalid_key" ? [issue.path.slice(0, -1), String(issue.path.at(-1))] : [issue.path, undefined];
      return sentences(issue).map((each) => ({ line: lineOf(document, lines, at, each.name ?? name), text: each.text }));
    })
    .sort((a, b) => a.line - b.line)
    .map((each) => `line ${each.line}: ${each.text}`);
  const more = told.length > TOLD_MAX ? [`and ${told.length - TOLD_MAX} more`] : [];
  return [...told.slice(0, TOLD_MAX), ...more].join("; ");
}

/**
 * The settings from their text.
 *
 * @throws INVALID_ARGUMENT naming each field that is wrong, with its line
 */
export function parseSettings<T extends z.ZodType>(schema: T, text: string, path: string): z.output<T> {
  const json = jsonOf(text);
  const parsed = schema.safeParse(json ?? plainOf(path, documentOf(text, path).document));
  if (parsed.success) return parsed.data;
  throw new XpcsError("INVALID_ARGUMENT", `${path} ${mistakesOf(parsed.error.issues, text, path)}`);
}

/** The same from the file; without one, what holds when nothing is said. @throws NOT_FOUND · IO_FAILED · INVALID_ARGUMENT */
export function readSettingsFile<T extends z.ZodType>(schema: T, path: string | undefined): z.output<T> {
  if (path === undefined) return schema.parse({});
  return parseSettings(schema, readText(path, "the settings"), path);
}
