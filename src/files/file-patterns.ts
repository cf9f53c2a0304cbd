/** Patterns of file names, as people write them: `*` any characters, `?` one, `[a-c]` one of them, `#` a number. */
import { XpcsError } from "../core/errors.js";

/** Beside raw files lie their results and metadata, often with the same ending: a pattern or a folder does not mean them. */
export const BESIDE = /_(results|metadata)\.hdf$/;

/** @param numbered whether `#` means a number */
export const isPattern = (text: string, numbered: boolean) => /[*?[]/.test(text) || (numbered && text.includes("#"));

/** One part of a path between slashes; the group `number` is what `#` stands for. @throws INVALID_ARGUMENT */
export function partPattern(part: string, numbered: boolean): RegExp {
  const source = part.replace(/\[(!?)([^\]]+)\]|[\s\S]/g, (all: string, not: string | undefined, list: string | undefined) => {
    if (list !== undefined) return `[${not === "!" ? "^" : ""}${list.replace(/[\\^[]/g, "\\$&")}]`;
    if (all === "*") return ".*";
    if (all === "?") return ".";
    if (all === "#" && numbered) return "(?<number>(?<!\\d)\\d+(?!\\d))";
    return all.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  });
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    throw new XpcsError("INVALID_ARGUMENT", `"${part}" is no pattern of file names: [...] lists characters or a range of them`);
  }
}
