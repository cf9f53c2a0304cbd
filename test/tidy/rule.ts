/** What a house rule is. */
import type { SourceTree } from "./source-tree.js";

export interface Finding {
  readonly path: string;
  /** 0 when the whole file is meant. */
  readonly line: number;
  readonly what: string;
}

export interface Rule {
  readonly name: string;
  /** One line: why the rule is worth its price. */
  readonly reason: string;
  readonly find: (tree: SourceTree) => Finding[];
  /** A tree that breaks the rule: proves that the rule can fail. */
  readonly broken: SourceTree;
}

/** One finding per match of `pattern` in the prepared text of each file that `applies`. */
export function findPattern(
  tree: SourceTree,
  applies: (path: string) => boolean,
  prepare: (text: string) => string,
  pattern: RegExp,
): Finding[] {
  return [...tree].flatMap(([path, text]) =>
    applies(path)
      ? prepare(text)
          .split("\n")
          .flatMap((line, at) => [...line.matchAll(pattern)].map((match) => ({ path, line: at + 1, what: match[0].trim() })))
      : [],
  );
}

export function oneFile(path: string, text: string): SourceTree {
  return new Map([[path, text]]);
}
