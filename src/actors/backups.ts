/**
 * Backups of the ledger, and of experiments, while central runs: a moment of it, handed out in parts at the pace of who asks. Reading is off the
 * mailbox, so turns and their commits go on meanwhile. Who may have one is access-rights.ts's.
 */
import type { Clock, Timer } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { BackupPart } from "../core/protocols.js";

/** What the lines are read from. */
interface Moment {
  close(): Promise<void>;
}

interface Backup {
  readonly id: string;
  readonly moment: Moment;
  readonly lines: AsyncIterator<string>;
  /** Number of the last part, and the part. */
  at: number;
  part: Promise<BackupPart>;
  /** Read, and not handed out yet. */
  rest: Buffer;
  /** Nothing is left to read. */
  whole: boolean;
  idle: Timer;
}

export class Backups {
  readonly #clock: Clock;
  readonly #newId: () => string;
  readonly #open = new Map<string, Backup>();

  constructor(clock: Clock, newId: () => string) {
    this.#clock = clock;
    this.#newId = newId;
  }

  /**
   * Begins to hand out `lines`, which are read from `moment`; that is let go of at the end.
   *
   * @throws OVERLOADED as many as may be are being made
   */
  begin(lines: AsyncIterable<string>, moment: Moment): Promise<BackupPart> {
    if ([...this.#open.values()].filter(({ whole }) => !whole).length >= LIMITS.backupsMax) {
      void moment.close();
      throw new XpcsError("OVERLOADED", `${LIMITS.backupsMax} backups are being made already: try again later`);
    }
    const id = this.#newId();
    const before = Promise.resolve({ id, data: Buffer.alloc(0), last: false });
    const backup: Backup = {
      id,
      moment,
      lines: lines[Symbol.asyncIterator](),
      at: 0,
      part: before,
      rest: Buffer.alloc(0),
      whole: false,
      idle: this.#whenIdle(id),
    };
    this.#open.set(id, backup);
    return this.#read(backup);
  }

  /**
   * Part `at`: the next one, or the last one again.
   *
   * @throws NOT_FOUND · INVALID_ARGUMENT neither of the two · CORRUPT_DATA the ledger is damaged
   */
  part(id: string, at: number): Promise<BackupPart> {
    const backup = this.#open.get(id);
    if (backup === undefined) throw new XpcsError("NOT_FOUND", `central is making no backup ${id}: begin it again`);
    if (at === backup.at) return backup.part;
    if (at !== backup.at + 1) throw new XpcsError("INVALID_ARGUMENT", `part ${at} of backup ${id}: the next one is ${backup.at + 1}`);
    backup.at = at;
    return this.#read(backup);
  }

  #whenIdle(id: string): Timer {
    return this.#clock.after(LIMITS.backupIdleMs, () => void this.#end(id));
  }

  #read(backup: Backup): Promise<BackupPart> {
    backup.idle.cancel();
    // A part that is asked for while the one before it is being read comes after it.
    backup.part = backup.part
      .catch(() => {})
      .then(() => this.#next(backup))
      .catch((error: unknown) => {
        void this.#end(backup.id);
        throw error;
      });
    backup.part.then(
      () => {
        // Also after the last part, which may have to be asked for again.
        if (this.#open.has(backup.id)) backup.idle = this.#whenIdle(backup.id);
      },
      () => {},
    );
    return backup.part;
  }

  async #next(backup: Backup): Promise<BackupPart> {
    const chunks = [backup.rest];
    let bytes = backup.rest.length;
    let done = false;
    while (bytes < LIMITS.backupPartBytes && !done) {
      const line = await backup.lines.next();
      done = line.done === true;
      if (line.done === true) continue;
      const chunk = Buffer.from(`${line.value}\n`);
      chunks.push(chunk);
      bytes += chunk.length;
    }
    const all = Buffer.concat(chunks);
    backup.rest = all.subarray(LIMITS.backupPartBytes);
    backup.whole = done && backup.rest.length === 0;
    if (backup.whole) await backup.moment.close();
    return { id: backup.id, data: all.subarray(0, LIMITS.backupPartBytes), last: backup.whole };
  }

  async #end(id: string): Promise<void> {
    const backup = this.#open.get(id);
    if (backup === undefined) return;
    this.#open.delete(id);
    backup.idle.cancel();
    await backup.part.catch(() => {});
    await backup.lines.return?.();
    await backup.moment.close();
  }

  /** Gives up those that are being made. */
  async stop(): Promise<void> {
    for (const id of [...this.#open.keys()]) await this.#end(id);
  }
}
