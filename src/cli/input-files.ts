/**
 * The raw files that the words of a command line stand for: names, patterns, numbers in names. Looks at names only; quoted patterns come here
 * because a shell's own list of some ten thousand files does not fit on a command line.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { XpcsError } from "../core/errors.js";
import { BESIDE, isPattern, partPattern } from "../files/file-patterns.js";

const inOrder = new Intl.Collator("en", { numeric: true });

interface Match {
  readonly path: string;
  /** What the `#` stands for in it. */
  readonly number: number | null;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder === "" ? "." : folder);
  } catch {
    return []; // no folder: nothing in it matches
  }
}

/** Every path that the pattern matches, in the order of the numbers in it. */
function matchesOf(pattern: string, numbered: boolean): Match[] {
  let found: Match[] = [{ path: isAbsolute(pattern) ? "/" : "", number: null }];
  for (const part of pattern.split("/").filter((each) => each !== "")) {
    if (!isPattern(part, numbered)) {
      found = found.map(({ path, number }) => ({ path: join(path, part), number })).filter(({ path }) => existsSync(path));
      continue;
    }
    const matcher = partPattern(part, numbered);
    found = found.flatMap(({ path, number }) =>
      namesIn(path).flatMap((name) => {
        const match = name.startsWith(".") && !part.startsWith(".") ? null : matcher.exec(name);
        if (match === null) return [];
        const digits = match.groups?.number;
        return [{ path: join(path, name), number: digits === undefined ? number : Number(digits) }];
      }),
    );
  }
  return found.filter(({ path }) => !BESIDE.test(basename(path))).sort((a, b) => inOrder.compare(a.path, b.path));
}

/** "55, 58, 59 and 20 more". */
function someOf(numbers: readonly number[]): string {
  const shown = numbers.slice(0, 10).join(", ");
  return numbers.length > 10 ? `${shown} and ${numbers.length - 10} more` : shown;
}

function numberedFiles(word: string, numbers: readonly number[]): string[] {
  if (word.split("#").length > 2) throw new XpcsError("INVALID_ARGUMENT", `${word}: # stands for the number (--range) once`);
  const wanted = new Set(numbers);
  const found = matchesOf(word, true).filter(({ number }) => number !== null && wanted.has(number));
  const there = new Set(found.map(({ number }) => number));
  const missing = numbers.filter((number) => !there.has(number));
  if (missing.length > 0) throw new XpcsError("NOT_FOUND", `no file matches ${word} with the number ${someOf(missing)} (--range)`);
  return found.map(({ path }) => path);
}

/** Belongs to the `.000` beside it. */
const FURTHER_MODULE = /\.00[1-5]$/;

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile() || entry.isSymbolicLink());
  const names = entries.map(({ name }) => name).filter((name) => !name.startsWith(".") && !BESIDE.test(name));
  return names.sort(inOrder.compare).map((name) => join(folder, name));
}

/** The detector files that `words` name at this moment, each once; a folder stands for all files in it. Nothing need be there yet. */
export function filesThere(words: readonly string[]): string[] {
  const files = words.flatMap((word) => {
    if (statSync(word, { throwIfNoEntry: false })?.isDirectory()) return filesIn(word);
    return isPattern(word, false) && !existsSync(word) ? matchesOf(word, false).map(({ path }) => path) : [word];
  });
  return [...new Set(files.filter((path) => !FURTHER_MODULE.test(path)))];
}

/**
 * The files that `words` name, each once, in the order of the words and within a pattern in that of the numbers in the names.
 * A word that is the name of a file is no pattern. What does not exist and is no pattern is left to whoever opens it.
 *
 * @param numbers what `#` in a word stands for, with or without leading zeros; every one must be there (--range)
 * @throws NOT_FOUND nothing matches a pattern, or a number is missing · INVALID_ARGUMENT numbers without a place for them
 */
export function inputFiles(words: readonly string[], numbers?: readonly number[]): string[] {
  if (numbers !== undefined && !words.some((word) => word.includes("#")))
    throw new XpcsError("INVALID_ARGUMENT", "--range needs an INPUT with # in the place of the number, such as 'scan_#.bin'");
  const files = words.flatMap((word) => {
    if (numbers !== undefined && word.includes("#")) return numberedFiles(word, numbers);
    if (!isPattern(word, false) || existsSync(word)) return [word];
    const found = matchesOf(word, false);
    if (found.length === 0) throw new XpcsError("NOT_FOUND", `no file matches ${word}`);
    return found.map(({ path }) => path);
  });
  return [...new Set(files)];
}
