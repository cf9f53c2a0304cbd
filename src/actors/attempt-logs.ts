/**
 * What the attempts of jobs have written: one file for each attempt and stream, which sites add to while a command runs. Not in the ledger: a log
 * helps a person and decides nothing, so it is not synced, and one that is lost is only shorter.
 */
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobId } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { LeaseRef, LogStream } from "../core/protocols.js";

/** Says until when logs were deleted. */
const TRIMMED = "trimmed.json";

/** Head and tail, and the line between them. */
const BYTES_MAX = LIMITS.logHeadBytes + LIMITS.logTailBytes + 1_024;

/** Room for more, and whose bound that is. */
export interface LogRoom {
  readonly bytes: number;
  readonly of: string;
}

export class AttemptLogs {
  readonly #dir: string;
  /** Writes to a file come one after the other. */
  readonly #busy = new Map<string, Promise<unknown>>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** @param dir made with the first log */
  constructor(dir: string) {
    this.#dir = dir;
  }

  #path({ job, epoch }: LeaseRef, stream: LogStream): string {
    return join(this.#dir, job, `${epoch}.${stream}`);
  }

  async size(lease: LeaseRef, stream: LogStream): Promise<number> {
    return stat(this.#path(lease, stream)).then(
      ({ size }) => size,
      () => 0,
    );
  }

  /**
   * Adds `data` if it begins where the file ends. What is beyond `quota` is left out, and the log says so.
   *
   * @returns the size of the file afterwards, and what was added to it; a size of no more than `offset` tells the site to send no more
   */
  append(
    lease: LeaseRef,
    stream: LogStream,
    offset: number,
    data: Uint8Array,
    quota: LogRoom | null,
  ): Promise<{ size: number; added: number }> {
    const path = this.#path(lease, stream);
    const write = async (): Promise<{ size: number; added: number }> => {
      const size = await this.size(lease, stream);
      const room = BYTES_MAX - size;
      if (offset !== size || data.length === 0 || room <= 0) return { size, added: 0 };
      const used = quota !== null && quota.bytes < data.length;
      const note = used ? Buffer.from(`\n[left out: the logs of ${quota.of} have all the bytes that they may have]\n`) : Buffer.alloc(0);
      if (used && (await endsWith(path, note, size))) return { size, added: 0 };
      const part = used ? Buffer.concat([data.subarray(0, Math.max(0, quota.bytes)), note]) : data.subarray(0, room);
      await mkdir(join(this.#dir, lease.job), { recursive: true, mode: 0o700 });
      const file = await open(path, "a", 0o600);
      try {
        await file.appendFile(part);
      } finally {
        await file.close();
      }
      for (const run of this.#waiting.get(path) ?? []) run();
      return { size: used ? size : size + part.length, added: part.length };
    };
    const next = (this.#busy.get(path) ?? Promise.resolve()).catch(() => {}).then(write);
    this.#busy.set(path, next);
    const forget = () => {
      if (this.#busy.get(path) === next) this.#busy.delete(path);
    };
    next.then(forget, forget);
    return next;
  }

  /** Deletes what the attempts of these jobs have written. */
  async remove(jobs: readonly JobId[]): Promise<void> {
    for (const job of jobs) await rm(join(this.#dir, job), { recursive: true, force: true });
  }

  /**
   * Deletes the logs of jobs that were last added to before `beforeMs` (ms since 1970), and the oldest of the others until they are at most
   * `bytesMax`. Of attempts that ended before that, reading says so.
   */
  async trim(beforeMs: number, bytesMax: number): Promise<void> {
    const jobs = [];
    for (const id of await this.jobs()) jobs.push({ id, ...(await this.measure(id)) });
    let bytes = jobs.reduce((sum, job) => sum + job.bytes, 0);
    let untilMs = 0;
    for (const { id, bytes: own, lastMs } of jobs.sort((a, b) => a.lastMs - b.lastMs)) {
      if (lastMs >= beforeMs && bytes <= bytesMax) break;
      untilMs = lastMs;
      bytes -= own;
      await this.remove([id]);
    }
    if (untilMs > 0) await writeFile(join(this.#dir, TRIMMED), `${JSON.stringify({ untilMs })}\n`, { mode: 0o600 });
  }

  /** Jobs that have logs. */
  async jobs(): Promise<JobId[]> {
    const entries = await readdir(this.#dir, { withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  }

  /** Size of the logs of a job, and when they were last added to (ms since 1970). What is deleted meanwhile counts as nothing. */
  async measure(job: JobId): Promise<{ bytes: number; lastMs: number }> {
    const dir = join(this.#dir, job);
    const names = await readdir(dir).catch((): string[] => []);
    const files = (await Promise.all(names.map((name) => stat(join(dir, name)).catch(() => [])))).flat();
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    return { bytes, lastMs: Math.max(0, ...files.map(({ mtimeMs }) => mtimeMs)) };
  }

  /** In place of the log of an attempt that ended at `endedMs`: what was written until then may have been deleted. */
  async trimmedNote(endedMs: number): Promise<string> {
    const text = await readFile(join(this.#dir, TRIMMED), "utf8").catch(() => "{}");
    const { untilMs = 0 } = JSON.parse(text) as { untilMs?: number };
    if (endedMs > untilMs) return "";
    return `[what attempts had written until ${new Date(untilMs).toISOString()} was deleted by central: it keeps logs for a time and up to a size]\n`;
  }

  /**
   * Text from byte `offset` on, at most a chunk. A character of which only the first bytes are there comes with the next part.
   *
   * @returns with the byte after it
   */
  async read(lease: LeaseRef, stream: LogStream, offset: number): Promise<{ text: string; next: number }> {
    const file = await open(this.#path(lease, stream), "r").catch(() => null);
    if (file === null) return { text: "", next: offset };
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LIMITS.logChunkBytes), 0, LIMITS.logChunkBytes, offset);
      const bytes = buffer.subarray(0, bytesRead);
      const whole = bytes.subarray(0, bytes.length - cutCharacter(bytes));
      return { text: new TextDecoder().decode(whole), next: offset + whole.length };
    } finally {
      await file.close();
    }
  }

  /** Calls `run` with each addition, until the answer is called. */
  onAppend(lease: LeaseRef, stream: LogStream, run: () => void): () => void {
    const path = this.#path(lease, stream);
    const waiting = this.#waiting.get(path) ?? new Set();
    this.#waiting.set(path, waiting.add(run));
    return () => {
      waiting.delete(run);
      if (waiting.size === 0) this.#waiting.delete(path);
    };
  }
}

async function endsWith(path: string, note: Buffer, size: number): Promise<boolean> {
  const file = await open(path, "r").catch(() => null);
  if (file === null) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(note.length), 0, note.length, Math.max(0, size - note.length));
    return bytesRead === note.length && buffer.equals(note);
  } finally {
    await file.close();
  }
}

/** Bytes at the end that begin a UTF-8 character and do not end it: 0 to 3. */
function cutCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
