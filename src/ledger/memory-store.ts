/**
 * The ledger in memory, with the one property of a disk that matters: what was not synced may be lost. For tests and simulation.
 * `sync` stands for the disk: an append resolves when it does. `crash` gives the store as the next process would find it.
 */
import { EVENT_VERSION, type LedgerEvent } from "./events.js";
import type { StateRecord } from "./state.js";
import type { EventStore } from "./store.js";
import { upcast } from "./upcast.js";

/** What one synced write holds, as text, so that no object is shared with the writer. */
interface Disk {
  readonly events: string[];
  readonly records: Map<string, string>;
  checkpoint: number;
}

export interface MemoryStore extends EventStore {
  /** The same disk after a crash: unsynced writes are gone, but for the first `keep` of them. */
  crash(keep: number): MemoryStore;
}

function over(disk: Disk, sync: () => Promise<void>): MemoryStore {
  let tail: ((disk: Disk) => void)[] = [];
  let dead = false;
  const write = async (run: (disk: Disk) => void) => {
    if (dead) throw new Error("this store has crashed");
    tail.push(run);
    await sync();
    if (dead) throw new Error("this store has crashed");
    for (const pending of tail) pending(disk);
    tail = [];
  };
  return {
    append: (events: readonly LedgerEvent[]) => {
      const lines = events.map((event) => JSON.stringify([EVENT_VERSION, event]));
      return write((target) => target.events.push(...lines));
    },
    async *events(after) {
      for (let index = after; index < disk.events.length; index += 1) {
        const [version, event] = JSON.parse(disk.events[index]!) as [number, unknown];
        yield { sequence: index + 1, event: upcast(version, event) };
      }
    },
    checkpoint: (at, records) => {
      const lines = records.map(([name, value]) => [name, JSON.stringify(value)] as const);
      return write((target) => {
        for (const [name, value] of lines) target.records.set(name, value);
        target.checkpoint = at;
      });
    },
    get checkpointSequence() {
      return disk.checkpoint;
    },
    async *records(): AsyncGenerator<StateRecord> {
      for (const name of [...disk.records.keys()].sort()) yield [name, JSON.parse(disk.records.get(name)!) as unknown];
    },
    snapshot() {
      const lines = [...disk.events];
      return {
        async *entries() {
          for (const [index, json] of lines.entries()) yield { sequence: index + 1, json };
        },
        async close() {},
      };
    },
    async close() {},
    crash(keep) {
      dead = true;
      for (const pending of tail.slice(0, keep)) pending(disk);
      return over(disk, sync);
    },
  };
}

/** An empty store. `sync` resolves when the disk has the bytes; without one it does at once. */
export function memoryStore(sync: () => Promise<void> = async () => {}): MemoryStore {
  return over({ events: [], records: new Map(), checkpoint: 0 }, sync);
}
