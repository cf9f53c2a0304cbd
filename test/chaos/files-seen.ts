/** Files as a run leaves them: how often each name came, and the digest of a content. */
import { createHash } from "node:crypto";
import { readFileSync, watch } from "node:fs";

/** Size and sha256 of a file; null: it cannot be read. */
export function digestOf(path: string): { bytes: number; sha256: string } | null {
  try {
    const content = readFileSync(path);
    return { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
  } catch {
    return null;
  }
}

/** How often each name appeared in a folder, from its notifications; they keep no process from its end. */
export function watchNames(folder: string): { counts: ReadonlyMap<string, number>; close: () => void } {
  const counts = new Map<string, number>();
  const watcher = watch(folder, { persistent: false }, (event, name) => {
    if (event === "rename" && name !== null && !name.startsWith(".")) counts.set(name, (counts.get(name) ?? 0) + 1);
  });
  return { counts, close: () => watcher.close() };
}
