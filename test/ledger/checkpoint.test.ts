/** When the ledger writes checkpoints, and records ahead of them. */
import { describe, expect, it } from "vitest";
import { Ledger, loadState } from "../../src/ledger/ledger.js";
import { memoryStore } from "../../src/ledger/memory-store.js";
import type { EventStore } from "../../src/ledger/store.js";
import { verifyLedger } from "../../src/ledger/verify.js";
import { spec } from "./world.js";

describe("a checkpoint", () => {
  it("comes a few records at a time, when there are changes and something is written, and has each job once", async () => {
    const store = memoryStore();
    const made = new Ledger(store, await loadState(store));
    const jobs = Array.from({ length: 2_200 }, (_, n) => ({ id: `j${n}`, spec: spec() }));
    made.execute({ type: "submit", key: "k", digest: "d", jobs }, 1);
    made.execute({ type: "cancel", ids: jobs.map(({ id }) => id) }, 2);
    await made.commit();
    // The next process finds many changes, and does nothing about them while it is only read.
    const names: string[] = [];
    const watched: EventStore = {
      ...store,
      snapshot: () => store.snapshot(),
      ahead: (records) => {
        names.push(...records.map(([name]) => name));
        return store.ahead(records);
      },
      checkpoint: (at, changes) => {
        names.push(...changes.records.map(([name]) => name));
        return store.checkpoint(at, changes);
      },
    };
    const ledger = new Ledger(watched, await loadState(store));
    await ledger.settle(false);
    expect([names, ledger.newJobs]).toEqual([[], 2_200]);
    for (let n = 0; store.checkpointSequence === 0; n += 1) {
      ledger.execute({ type: "submit", key: `more ${n}`, digest: "d", jobs: [{ id: `more-${n}`, spec: spec() }] }, 3);
      await ledger.commit();
      await ledger.settle(false);
      expect(n).toBeLessThan(5);
    }
    const ofJobs = names.filter((name) => name.startsWith("job/"));
    expect(ofJobs).toHaveLength(ledger.state.jobs.size);
    expect(new Set(ofJobs).size).toBe(ofJobs.length);
    await expect(verifyLedger(store)).resolves.toMatchObject({ checkpoint: ledger.state.sequence });
  });
});
