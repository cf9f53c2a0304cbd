/** What counts as a difference between a record that was kept and one that its events make. */
import { expect, it } from "vitest";
import type { StateRecord } from "../../src/ledger/checkpoint.js";
import { Ledger, loadState } from "../../src/ledger/ledger.js";
import { memoryStore } from "../../src/ledger/memory-store.js";
import type { JobRecord } from "../../src/ledger/state.js";
import { differingFields, verifyLedger } from "../../src/ledger/verify.js";
import { spec } from "./world.js";

it("names the fields that differ, whatever the order of keys, and not those that the kept record never had", () => {
  expect(differingFields({ a: { x: 1, y: [2] }, b: null }, { b: null, c: 3, a: { y: [2], x: 1 } })).toEqual([]);
  expect(differingFields({ a: { x: 1 }, b: null, c: [1, 2] }, { a: { x: 2 }, c: [2, 1] })).toEqual(["a", "b", "c"]);
});

it("takes a checkpoint of before jobs kept their places, and a restart puts them where their submission was", async () => {
  const store = memoryStore();
  const ledger = new Ledger(store, await loadState(store));
  ledger.execute({ type: "join", site: "a", instance: "1", host: "h", slots: 9, apps: ["xpcs.noop"], held: [] }, 1);
  for (const id of ["j1", "j2", "j3"]) ledger.execute({ type: "submit", key: id, digest: "d", jobs: [{ id, spec: spec() }] }, 2);
  ledger.execute({ type: "grant", job: "j1", site: "a", why: "test" }, 3);
  ledger.execute({ type: "expire", lease: { job: "j1", epoch: 1 } }, 4);
  await ledger.commit(true);
  const records: StateRecord[] = [];
  for await (const some of store.records()) records.push(...some);
  // Each job had the number of the event that made it ready last.
  const former = records.map(
    ([name, value]): StateRecord => [name, name.startsWith("job/") ? { ...(value as JobRecord), queued: 6 } : value],
  );
  await store.checkpoint(ledger.state.sequence, { records: former, gone: [], archive: [], unarchive: [] });
  await expect(verifyLedger(store)).resolves.toMatchObject({ jobs: 3, checkpoint: ledger.state.sequence });
  const next = new Ledger(store, await loadState(store));
  expect([...next.state.ready]).toEqual(["j1", "j2", "j3"]);
  next.execute({ type: "grant", job: "j2", site: "a", why: "test" }, 5);
  await next.commit(true);
  await expect(verifyLedger(store)).resolves.toMatchObject({ checkpoint: next.state.sequence });
});
