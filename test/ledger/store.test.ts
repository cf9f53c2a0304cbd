/** One suite over every event store, then what each does that the other cannot: damage, locks, lost tails. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Level } from "level";
import { afterEach, describe, expect, it } from "vitest";
import type { StateRecord } from "../../src/ledger/checkpoint.js";
import { EVENT_VERSION, type LedgerEvent } from "../../src/ledger/events.js";
import { exportLines, importLines } from "../../src/ledger/exchange.js";
import { Ledger, loadState } from "../../src/ledger/ledger.js";
import { openLevelStore } from "../../src/ledger/level-store.js";
import { type MemoryStore, memoryStore } from "../../src/ledger/memory-store.js";
import type { State } from "../../src/ledger/state.js";
import type { EventStore, StoredEvent } from "../../src/ledger/store.js";
import { verifyLedger } from "../../src/ledger/verify.js";
import { spec } from "./world.js";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "xpcs-store-"));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** How to make an empty store, and how the next process finds it. */
interface Kind {
  open(): Promise<{ store: EventStore; reopen(): Promise<EventStore> }>;
}

const kinds: Record<string, Kind> = {
  level: {
    async open() {
      const dir = await folder();
      const store = await openLevelStore(dir);
      cleanups.push(() => store.close());
      return {
        store,
        async reopen() {
          await store.close();
          const next = await openLevelStore(dir);
          cleanups.push(() => next.close());
          return next;
        },
      };
    },
  },
  memory: {
    async open() {
      const store = memoryStore();
      return { store, reopen: async () => store.crash(0) };
    },
  },
};

const NOTHING = { records: [], gone: [], archive: [], unarchive: [] };
const event = (n: number): LedgerEvent => ({ type: "canceled", at: n, job: `j${n}` });
async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe.each(Object.entries(kinds))("a %s store", (_name, kind) => {
  it("gives back what was appended, in order, from any place, also to the next process", async () => {
    const { store, reopen } = await kind.open();
    expect(await collect(store.events(0))).toEqual([]);
    await store.append([event(1)]);
    await store.append([event(2), event(3)]);
    const all: StoredEvent[] = [1, 2, 3].map((n) => ({ sequence: n, event: event(n) }));
    expect(await collect(store.events(0))).toEqual(all);
    const next = await reopen();
    expect(await collect(next.events(1))).toEqual(all.slice(1));
    await next.append([event(4)]);
    expect((await collect(next.events(3)))[0]).toEqual({ sequence: 4, event: event(4) });
  });

  it("keeps the order beyond ten, a hundred and a thousand events", async () => {
    const { store } = await kind.open();
    await store.append(Array.from({ length: 1_234 }, (_, index) => event(index + 1)));
    const sequences = (await collect(store.events(0))).map(({ sequence }) => sequence);
    expect(sequences).toEqual(Array.from({ length: 1_234 }, (_, index) => index + 1));
  });

  it("shows a moment that stays as it was while events are added", async () => {
    const { store } = await kind.open();
    await store.append([event(1), event(2)]);
    const moment = store.snapshot();
    await store.append([event(3)]);
    const entries = await collect(moment.entries());
    expect(entries.map(({ name, json }) => [name, JSON.parse(json)])).toEqual([1, 2].map((n) => [String(n), [EVENT_VERSION, event(n)]]));
    await moment.close();
    await moment.close();
  });

  it("writes checkpoints over each other, sorted by name, and goes on after them", async () => {
    const { store, reopen } = await kind.open();
    await store.append([event(1), event(2)]);
    await store.checkpoint(1, {
      ...NOTHING,
      records: [
        ["b", { n: 1 }],
        ["a", [1]],
        ["c", 1],
      ],
    });
    await store.checkpoint(2, { ...NOTHING, records: [["b", { n: 2 }]], gone: ["b", "c"] });
    const next = await reopen();
    expect(next.checkpointSequence).toBe(2);
    const records: StateRecord[] = [
      ["a", [1]],
      ["b", { n: 2 }],
    ];
    expect((await collect(next.records())).flat()).toEqual(records);
    expect(await collect(next.events(2))).toEqual([]);
  });

  it("has an archive, from which the newest jobs come first", async () => {
    const { store, reopen } = await kind.open();
    expect(store.archived("job/a")).toBeUndefined();
    const jobs = ["b", "c", "a"].map((id) => [`job/${id}`, { id }] as const);
    await store.checkpoint(1, { ...NOTHING, archive: [...jobs, ["key/k", { digest: "d" }]] });
    await store.checkpoint(2, { ...NOTHING, unarchive: ["job/b", "job/none"], archive: [["job/d", { id: "d" }]] });
    const next = await reopen();
    expect(await collect(next.archivedJobs())).toEqual([{ id: "d" }, { id: "c" }, { id: "a" }]);
    expect(await collect(next.archivedJobs("c"))).toEqual([{ id: "a" }]);
    expect([next.archived("job/c"), next.archived("key/k"), next.archived("job/b")]).toEqual([{ id: "c" }, { digest: "d" }, undefined]);
    // Who looks no further does no harm.
    for await (const _ of next.archivedJobs()) break;
  });

  it("begins anew from a base: earlier events are past and may be forgotten, later ones lead to the same state", async () => {
    const { store, reopen } = await kind.open();
    await store.append([1, 2, 3, 4].map(event));
    expect(store.base).toBe(0);
    await store.checkpoint(3, { ...NOTHING, records: [["a", 3]] });
    await store.rebase();
    await store.checkpoint(4, {
      ...NOTHING,
      records: [
        ["a", 4],
        ["b", 4],
      ],
    });
    const next = await reopen();
    expect([next.base, (await collect(next.baseRecords())).flat(), (await collect(next.records())).flat()]).toEqual([
      3,
      [["a", 3]],
      [
        ["a", 4],
        ["b", 4],
      ],
    ]);
    expect(await collect(next.events(next.base))).toEqual([{ sequence: 4, event: event(4) }]);
    const asked: [string, boolean][] = [];
    const text = (n: number) => JSON.stringify([EVENT_VERSION, event(n)]);
    const { forgotten, bytes } = await next.forget((json, soFar) => {
      asked.push([json, soFar > 0]);
      return json !== text(3);
    });
    expect([forgotten, asked]).toEqual([
      2,
      [
        [text(3), false],
        [text(2), true],
        [text(1), true],
      ],
    ]);
    expect(bytes).toBe(JSON.stringify([EVENT_VERSION, event(3)]).length);
    const moment = next.snapshot();
    const kinds = (await collect(moment.entries())).map(({ kind: of, name }) => `${of} ${name}`);
    expect(kinds).toEqual(["past 3", "base a", "event 4"]);
    await moment.close();
    await next.rebase();
    expect([next.base, (await collect(next.baseRecords())).flat()]).toEqual([
      4,
      [
        ["a", 4],
        ["b", 4],
      ],
    ]);
  });

  it("can be copied, entry by entry, into one that goes on the same way", async () => {
    const { store } = await kind.open();
    const ledger = new Ledger(store, await loadState(store));
    const submit = (n: number) => ledger.execute({ type: "submit", key: `k${n}`, digest: "d", jobs: [{ id: `j${n}`, spec: spec() }] }, n);
    for (let n = 1; n <= 6; n += 1) submit(n);
    ledger.execute({ type: "cancel", ids: ["j1", "j2", "j4"] }, 10);
    ledger.execute({ type: "archive", endedBefore: 11, jobsMax: 2 }, 12);
    await ledger.commit();
    expect(ledger.sizeSinceBase).toBe(10 + 6);
    await ledger.rebase();
    expect(ledger.sizeSinceBase).toBe(0);
    await ledger.forget((json) => /"key":"k[123]"/.test(json));
    submit(7);
    ledger.execute({ type: "archive", endedBefore: 11, jobsMax: 2 }, 13);
    submit(8);
    await ledger.commit();
    const lines = await collect(exportLines(ledger.moment()));
    const { store: copy, reopen } = await kind.open();
    await importLines(Readable.from(lines), copy);
    const next = await reopen();
    const facts = { events: 10, jobs: 5, archived: 3, sites: 0 };
    expect(await verifyLedger(store)).toMatchObject(facts);
    expect(await verifyLedger(next)).toMatchObject(facts);
    const { state } = await loadState(next);
    expect(state.jobs).toEqual(ledger.state.jobs);
    expect([...state.ready]).toEqual([...ledger.state.ready]);
    expect([state.archived, state.order.end]).toEqual([3, 8]);
    expect((await collect(next.archivedJobs())).map((job) => (job as { id: string }).id)).toEqual(["j4", "j2", "j1"]);
  });

  it("carries a ledger over restarts and checkpoints: the next process has the same state", async () => {
    const { store, reopen } = await kind.open();
    const ledger = new Ledger(store, await loadState(store));
    ledger.execute({ type: "join", site: "a", instance: "1", host: "h", slots: 2, apps: ["xpcs.noop"], held: [] }, 1);
    for (let batch = 0; batch < 30; batch += 1) {
      const jobs = Array.from({ length: 100 }, (_, index) => ({ id: `j${batch}-${index}`, spec: spec() }));
      ledger.execute({ type: "submit", key: `k/${batch}`, digest: "d", jobs }, 2 + batch);
      await ledger.commit();
    }
    for (const id of ["j3-7", "j29-99", "j0-0"]) ledger.execute({ type: "grant", job: id, site: "a", why: "test" }, 100);
    ledger.execute({ type: "giveBack", site: "a", leases: [{ job: "j3-7", epoch: 1 }], reason: "stop" }, 101);
    await ledger.commit();
    expect([store.checkpointSequence, ledger.newJobs]).toEqual([0, 3_000]);
    // Some records ahead of the checkpoint, of which there is none yet; one of the jobs changes after that.
    await ledger.settle(true);
    ledger.execute({ type: "cancel", ids: ["j1-1"] }, 102);
    await ledger.commit();
    expect([store.checkpointSequence, ledger.newJobs]).toEqual([0, 2_500]);
    const same = (state: State) => {
      expect(state.sequence).toBe(ledger.state.sequence);
      expect(state.jobs).toEqual(ledger.state.jobs);
      expect([...state.ready]).toEqual([...ledger.state.ready]);
      const leased = (of: State) => [...of.leased].map(([site, held]) => [site, [...held].sort()]);
      expect(leased(state)).toEqual(leased(ledger.state));
      expect(state.keys).toEqual(ledger.state.keys);
      expect(state.sites).toEqual(ledger.state.sites);
    };
    // From the checkpoint and the events after it, and from a checkpoint alone, which must keep the order of the queue.
    same((await loadState(store)).state);
    await expect(verifyLedger(store)).resolves.toMatchObject({ jobs: 3_000, checkpoint: 0 });
    await ledger.commit(true);
    expect([store.checkpointSequence, ledger.newJobs]).toEqual([ledger.state.sequence, 0]);
    await expect(verifyLedger(store)).resolves.toMatchObject({ checkpoint: ledger.state.sequence });
    // And from one with records ahead of the next.
    ledger.execute({ type: "submit", key: "more", digest: "d", jobs: [{ id: "more", spec: spec() }] }, 103);
    await ledger.settle(true);
    await ledger.commit();
    await expect(verifyLedger(store)).resolves.toMatchObject({ jobs: 3_001, checkpoint: ledger.state.sequence - 1 });
    const next = await reopen();
    same((await loadState(next)).state);
    // And the whole history without the checkpoint leads there too.
    const whole: EventStore = { ...next, events: (after) => next.events(after), checkpointSequence: 0, records: async function* () {} };
    expect((await loadState(whole)).state.jobs).toEqual(ledger.state.jobs);
  });
});

describe("a Level store", () => {
  const damage = async (dir: string, change: (db: Level<string, string>) => Promise<void>) => {
    const db = new Level<string, string>(dir);
    await db.open();
    await change(db);
    await db.close();
  };
  const withEvents = async () => {
    const dir = await folder();
    const store = await openLevelStore(dir);
    await store.append([event(1), event(2), event(3)]);
    await store.checkpoint(0, { ...NOTHING, records: [["job/1", { n: 1 }]] });
    await store.close();
    return dir;
  };
  const reopen = async (dir: string) => {
    const store = await openLevelStore(dir);
    cleanups.push(() => store.close());
    return store;
  };

  it("is refused to a second process", async () => {
    const dir = await withEvents();
    await reopen(dir);
    await expect(openLevelStore(dir)).rejects.toMatchObject({ code: "REFUSED" });
  });

  it("names the event that is damaged", async () => {
    const dir = await withEvents();
    await damage(dir, async (db) => {
      const sealed = (await db.get("event/0000000000000002")) as string;
      await db.put("event/0000000000000002", sealed.replace("j2", "j9"));
    });
    const store = await reopen(dir);
    await expect(collect(store.events(0))).rejects.toMatchObject({ code: "CORRUPT_DATA", message: expect.stringContaining("event 2") });
  });

  it("names the event that is missing", async () => {
    const dir = await withEvents();
    await damage(dir, (db) => db.del("event/0000000000000002"));
    const store = await reopen(dir);
    await expect(collect(store.events(0))).rejects.toMatchObject({ code: "CORRUPT_DATA", message: expect.stringContaining("event 2") });
  });

  it("names the checkpoint record that is damaged", async () => {
    const dir = await withEvents();
    await damage(dir, async (db) => db.put("record/job/1", `${(await db.get("record/job/1")) as string} `));
    const store = await reopen(dir);
    await expect(collect(store.records())).rejects.toMatchObject({ code: "CORRUPT_DATA", message: expect.stringContaining("job/1") });
  });

  it("does not read what a newer version wrote", async () => {
    const dir = await withEvents();
    const { crc32 } = await import("node:zlib");
    const json = JSON.stringify([99, event(2)]);
    const sealed = `${crc32(json).toString(16).padStart(8, "0")} ${json}`;
    await damage(dir, (db) => db.put("event/0000000000000002", sealed));
    const store = await reopen(dir);
    await expect(collect(store.events(0))).rejects.toMatchObject({ code: "VERSION_MISMATCH" });
  });
});

describe("a memory store", () => {
  it("loses its unsynced tail in a crash, but for a prefix, and never what was acknowledged", async () => {
    let release: () => void = () => {};
    let slow = false;
    const sync = () => (slow ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve());
    const open = async (): Promise<MemoryStore> => {
      const store = memoryStore(sync);
      slow = false;
      await store.append([event(1)]);
      slow = true;
      return store;
    };
    for (const keep of [0, 1]) {
      const store = await open();
      const lost = store.append([event(2), event(3)]);
      const next = store.crash(keep);
      release();
      await expect(lost).rejects.toThrow("crashed");
      expect(await collect(next.events(0))).toHaveLength(keep === 0 ? 1 : 3);
    }
  });
});

describe("a ledger whose disk fails", () => {
  it("writes nothing any more, not even a checkpoint of what was not stored", async () => {
    const store = memoryStore();
    const written: string[] = [];
    const failing: EventStore = {
      ...store,
      append: async () => {
        throw new Error("disk full");
      },
      checkpoint: async () => void written.push("checkpoint"),
    };
    const ledger = new Ledger(failing, await loadState(store));
    ledger.execute({ type: "submit", key: "k", digest: "d", jobs: [{ id: "j", spec: spec() }] }, 1);
    await expect(ledger.commit()).rejects.toThrow("disk full");
    await ledger.close();
    expect(written).toEqual([]);
  });
});
