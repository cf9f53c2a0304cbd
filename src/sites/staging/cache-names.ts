/**
 * Which files a site's cache has under which names, in one file: a line for each use, the last of a name counts. A file for each name would be a second inode for each
 * small file, and making inodes is most of what a small file costs. Lines begin with the line break, so that one which a kill has cut short spoils no other.
 */
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import { z } from "zod";
import { type Clock, sleep } from "../../core/clock.js";
import { systemCode } from "../../files/system-error.js";

const schema = z.strictObject({
  key: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of the content when it was used. */
  identity: z.string(),
  /** Boot of the machine in which the content was whole. */
  boot: z.string(),
  usedMs: z.number(),
});
export type CacheName = z.output<typeof schema>;

export interface CacheNames {
  /** Resolves when it is written. @throws an error of the system */
  note(name: CacheName): Promise<void>;
}

/** Names that follow each other sooner are written together, ms. */
const TOGETHER_MS = 20;
/** Lines that may be added, beyond as many as there were, before the file is made anew. */
const SPARE_LINES = 10_000;

function lineOf(name: CacheName): string {
  return `\n${JSON.stringify(name)}`;
}

/** What an earlier process left, the last of each name. @throws an error of the system */
export async function readNames(path: string): Promise<CacheName[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
  const found = new Map<string, CacheName>();
  for (const line of text.split("\n")) {
    try {
      const name = schema.parse(JSON.parse(line));
      found.set(name.key, name);
    } catch {
      // Cut short, or no line at all.
    }
  }
  return [...found.values()];
}

/** Makes the file anew, with what there is. @param live all names that there are now @throws an error of the system */
export async function openNames(path: string, clock: Clock, live: () => readonly CacheName[]): Promise<CacheNames> {
  let made = 0;
  let added = 0;
  let waiting: CacheName[] = [];
  /** Writes all that waits. */
  let next: Promise<void> | null = null;
  let last = Promise.resolve();
  const make = async (): Promise<void> => {
    const names = live();
    await writeFile(`${path}.new`, names.map(lineOf).join(""));
    await rename(`${path}.new`, path);
    made = names.length;
    added = 0;
  };
  const write = async (): Promise<void> => {
    next = null;
    const names = waiting;
    waiting = [];
    await appendFile(path, names.map(lineOf).join(""));
    added += names.length;
    if (added > made + SPARE_LINES) await make();
  };
  await make();
  return {
    note(name) {
      waiting.push(name);
      if (next === null) {
        next = last.then(write);
        last = next.catch(() => {}).then(() => sleep(clock, TOGETHER_MS));
      }
      return next;
    },
  };
}
