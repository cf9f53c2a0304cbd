/** Small files by which a batch job and its site know of each other: read where they are there, and written whole. */
import { readFile, rename, writeFile } from "node:fs/promises";

/** What is noted there, without white space around it; null: nothing is. @throws an error of the system: it may be there, and cannot be read */
export async function noted(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return null;
    throw error;
  }
}

/** Writes a note, or replaces it. */
export async function note(path: string, text: string, mode = 0o600): Promise<void> {
  await writeFile(`${path}.new`, text, { mode, flush: true });
  await rename(`${path}.new`, path);
}
