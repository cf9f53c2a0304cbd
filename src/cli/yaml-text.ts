/** YAML, of which JSON is a part, as a document whose values know their lines. */
import { createRequire } from "node:module";
import type { Document, LineCounter } from "yaml";
import { XpcsError } from "../core/errors.js";

/** Loaded where a file is read, and at once, as a command line is parsed: it takes a third of the start of a run without one. */
export const yaml = (): typeof import("yaml") => createRequire(import.meta.url)("yaml") as typeof import("yaml");

/** @throws INVALID_ARGUMENT with the line */
export function documentOf(text: string, path: string): { document: Document.Parsed; lines: LineCounter } {
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  // A warning is a tag that nobody knows: its value would be a guess.
  const wrong = document.errors[0] ?? document.warnings[0];
  if (wrong === undefined) return { document, lines };
  const { line } = lines.linePos(wrong.pos[0]);
  throw new XpcsError("INVALID_ARGUMENT", `${path} line ${line} is neither YAML nor JSON: ${wrong.message}`);
}

/** Plain data; an alias without its anchor, or a heap of them, is an error. @throws INVALID_ARGUMENT */
export function plainOf(path: string, document: Document.Parsed): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    throw new XpcsError("INVALID_ARGUMENT", `${path} cannot be read: ${(error as Error).message}`);
  }
}
