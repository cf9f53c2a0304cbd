/** The order of the ready jobs against a plain list that is sorted each time. */
import { expect, it } from "vitest";
import { ReadyQueue } from "../../src/ledger/ready-queue.js";
import { seeded } from "./world.js";

interface Entry {
  readonly id: string;
  readonly priority: number;
  readonly dueMs: number;
  readonly at: number;
}

it("is by priority, then by deadline, then as they came, whatever comes, goes and changes", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const rng = seeded(seed);
    const queue = new ReadyQueue();
    let plain: Entry[] = [];
    for (let at = 0; at < 300; at += 1) {
      const id = `j${Math.floor(rng() * 60)}`;
      if (rng() < 0.4) {
        queue.delete(id);
        plain = plain.filter((entry) => entry.id !== id);
        continue;
      }
      const [priority, due] = [Math.floor(rng() * 3), rng() < 0.5 ? null : 1_000 * Math.floor(rng() * 5)];
      queue.add(id, { priority, ...(due === null ? {} : { deadline: new Date(due).toISOString() }) });
      const entry = { id, priority, dueMs: due ?? Infinity, at };
      const before = plain.find((one) => one.id === id);
      if (before?.priority === priority && before.dueMs === entry.dueMs) continue;
      plain = [...plain.filter((one) => one.id !== id), entry];
      const order = [...plain].sort((a, b) => b.priority - a.priority || (a.dueMs === b.dueMs ? a.at - b.at : a.dueMs - b.dueMs));
      expect([...queue], `seed ${seed}`).toEqual(order.map((one) => one.id));
      expect(queue.size).toBe(plain.length);
    }
  }
});
