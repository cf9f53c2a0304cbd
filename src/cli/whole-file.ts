/** Files that are whole under their name, or not there: written beside it, synced, renamed. And reading them by lines. */
import { createReadStream, existsSync } from "node:fs";
import { open, readFile, rename, rm } from "node:fs/promises";
import { XpcsError } from "../core/errors.js";

/** @throws ALREADY_EXISTS */
export function checkFree(path: string, overwrite: boolean): void {
  if (!overwrite && existsSync(path)) throw new XpcsError("ALREADY_EXISTS", `${path} exists: give --overwrite to replace it`);
}

/** What is not whole yet; a file of this name was left by a process that was killed. */
const partialOf = (path: string) => `${path}.partial`;

/**
 * Writes `chunks` to `path`, for its owner alone.
 *
 * @param check looks at the written file before it gets its name
 * @throws IO_FAILED · what `chunks` and `check` throw; then nothing is left
 */
export async function writeWhole<T>(
  path: string,
  chunks: AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>,
  check: (partial: string) => Promise<T>,
): Promise<T> {
  const partial = partialOf(path);
  const ioFailed = (error: Error) => new XpcsError("IO_FAILED", `${path} cannot be written: ${error.message}`);
  const file = await open(partial, "w", 0o600).catch((error: Error) => {
    throw ioFailed(error);
  });
  const write = (data: Uint8Array | string) =>
    file.writeFile(data).catch((error: Error) => {
      throw ioFailed(error);
    });
  try {
    try {
      for await (const chunk of chunks) await write(chunk);
      await file.sync().catch((error: Error) => {
        throw ioFailed(error);
      });
    } finally {
      await file.close();
    }
    const checked = await check(partial);
    await rename(partial, path);
    return checked;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Writes a file for the owner alone, when it is not what is there. */
export async function keepSecret(path: string, text: string): Promise<void> {
  const before = await readFile(path, "utf8").catch(() => null);
  if (before !== text) await writeWhole(path, [text], async () => {});
}

/** `lines` with their ends, in pieces that are worth a write. */
export async function* inPieces(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let text = "";
  for await (const line of lines) {
    text += `${line}\n`;
    if (text.length < 65_536) continue;
    yield text;
    text = "";
  }
  yield text;
}

/** The lines of a file, without their ends. */
export async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(path, "utf8") as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}
