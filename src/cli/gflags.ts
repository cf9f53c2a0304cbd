/**
 * Command lines in the syntax of gflags, as XPCS-Eigen takes them, turned into ours: `-flag`, `--flag=value`, `--noflag`,
 * `--flag=false`; the last one of a name counts. Knows no meaning of any flag.
 */
import { XpcsError } from "../core/errors.js";

const TRUE = new Set(["1", "t", "true", "y", "yes"]);
const FALSE = new Set(["0", "f", "false", "n", "no"]);

export interface GflagNames {
  /** Flags without a value, and flags with one; spelt with `_`. */
  readonly booleans: readonly string[];
  readonly valued: readonly string[];
}

/**
 * The words with each flag in the form `--flag` or `--flag value`. What is no flag of these names stays as it is.
 * @throws INVALID_ARGUMENT a boolean flag has another value than true or false, or a value is missing
 */
export function fromGflags(words: readonly string[], { booleans, valued }: GflagNames): string[] {
  const flags = new Map<string, readonly string[]>();
  const others: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === "--") {
      others.push(...words.slice(at));
      break;
    }
    const [, spelt, given] = /^--?([A-Za-z][\w-]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
    const name = spelt?.replaceAll("-", "_") ?? "";
    const negated = /^no(.+)$/.exec(name)?.[1] ?? "";
    if (booleans.includes(name)) flags.set(name, truth(name, given) ? [`--${name}`] : []);
    else if (booleans.includes(negated) && given === undefined) flags.set(negated, []);
    else if (valued.includes(name)) {
      const value = given ?? words[++at];
      if (value === undefined) throw new XpcsError("INVALID_ARGUMENT", `--${name} needs a value`);
      // An empty value is the flag's default: as if it were not given.
      flags.set(name, value === "" ? [] : [`--${name}`, value]);
    } else others.push(word);
  }
  return [...[...flags.values()].flat(), ...others];
}

function truth(name: string, value: string | undefined): boolean {
  const word = value?.toLowerCase();
  if (word === undefined || TRUE.has(word)) return true;
  if (FALSE.has(word)) return false;
  throw new XpcsError("INVALID_ARGUMENT", `--${name}=${value}: the value must be true or false`);
}
