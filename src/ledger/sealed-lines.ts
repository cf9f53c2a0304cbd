/**
 * Reading files of lines that vouch for themselves: a head, arrays, and a tail with their digest, so that a file that was cut or changed is not taken
 * for a whole one. What head, arrays and tail say is their reader's.
 */
import { createHash } from "node:crypto";
import { XpcsError } from "../core/errors.js";

export interface SealedLine {
  /** From 1, the head. */
  readonly line: number;
  readonly text: string;
  /** Of the head and the tail an object; between them arrays. */
  readonly value: unknown;
}

/** A line of the `file` that is not as it must be. */
export function badLine(file: string, line: number, what: string): XpcsError {
  return new XpcsError("CORRUPT_DATA", `line ${line} of the ${file} ${what}`);
}

/** The refusal of a tail that tells of other lines than those before it. */
export function badTail(file: string, line: number): XpcsError {
  return badLine(file, line, "does not fit the lines before it: the file was changed");
}

function parsed(file: string, text: string, line: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badLine(file, line, "is no JSON: the file is damaged or was cut");
  }
}

/**
 * The lines of a file with what they say; the last one is a tail whose digest is that of the arrays.
 *
 * @param file "exported ledger", for messages
 * @throws CORRUPT_DATA with the line
 */
export async function* sealedLines(lines: AsyncIterable<string>, file: string): AsyncGenerator<SealedLine> {
  const digest = createHash("sha256");
  let line = 0;
  let hasEnded = false;
  for await (const text of lines) {
    line += 1;
    if (hasEnded) throw badLine(file, line, "comes after the end");
    const value = parsed(file, text, line);
    if (line > 1 && Array.isArray(value)) digest.update(`${text}\n`);
    else if (line > 1) {
      hasEnded = true;
      if ((value as { sha256?: unknown } | null)?.sha256 !== digest.digest("hex")) throw badTail(file, line);
    }
    yield { line, text, value };
  }
  if (!hasEnded) throw badLine(file, line + 1, "is missing: the file was cut");
}
