/** Words of command lines for bash. */
import { XpcsError } from "../core/errors.js";

/** One word for bash, whatever is in it. @throws INVALID_ARGUMENT it has a NUL */
export function quoted(text: string): string {
  if (text.includes("\0")) throw new XpcsError("INVALID_ARGUMENT", "a word of a command line may not have a NUL in it");
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
