/** The order of the ready jobs against a plain list that is sorted each time. */
import { expect, it } from "vitest";
import { ReadyQueue } from "../../src/ledger/ready-queue.js";
import { seeded } from "./world.js";

interface Entry {
  readonly id: string;
  readonly priority: number;
  readonly dueMs: number;
  readonly index: number;
  readonly place: number;
  readonly group: string;
}

/** Of a random story: the queue and the plain list after each step. */
function* stories(seeds: number, steps: number) {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const rng = seeded(seed);
    const queue = new ReadyQueue();
    let plain: Entry[] = [];
    for (let at = 0; at < steps; at += 1) {
      const id = `j${Math.floor(rng() * 60)}`;
      if (rng() < 0.4) {
        queue.delete(id);
        plain = plain.filter((entry) => entry.id !== id);
      } else {
        const [priority, due] = [Math.floor(rng() * 3), rng() < 0.5 ? null : 1_000 * Math.floor(rng() * 5)];
        const [alike, policy] = [`kind ${Math.floor(rng() * 3)}`, rng() < 0.5 ? undefined : "soonest"];
        // The number in its name is the job's place; some have another one, of which several have the same.
        const index = Number(id.slice(1));
        const place = rng() < 0.8 ? index : Math.floor(rng() * 60) - 0.5;
        const spec = { priority, ...(due === null ? {} : { deadline: new Date(due).toISOString() }) };
        queue.add(id, spec, place === index ? { index } : { index, place }, { alike, policy });
        const entry = { id, priority, dueMs: due ?? Infinity, index, place, group: `${policy} ${alike}` };
        plain = [...plain.filter((one) => one.id !== id), entry];
      }
      const byDue = (a: Entry, b: Entry) => (a.dueMs === b.dueMs ? 0 : a.dueMs - b.dueMs);
      const order = [...plain].sort((a, b) => b.priority - a.priority || byDue(a, b) || a.place - b.place || a.index - b.index);
      yield { seed, rng, queue, order };
    }
  }
}

it("is by priority, then by deadline, then by place, whatever comes, goes and changes, and when", () => {
  for (const { seed, queue, order } of stories(60, 300)) {
    expect([...queue], `seed ${seed}`).toEqual(order.map((one) => one.id));
    expect(queue.size).toBe(order.length);
  }
});

it("leaves the rest of a group out where that is asked for, and nothing else", () => {
  let left = 0;
  for (const { seed, rng, queue, order } of stories(40, 200)) {
    const skipped = new Set<string>();
    const [seen, expected]: string[][] = [[], []];
    const walk = queue.walk();
    for (const { id, group } of order) {
      if (skipped.has(group)) {
        left += 1;
        continue;
      }
      expected!.push(id);
      seen!.push(walk.next() ?? "none");
      expect(`${walk.group.policy} ${walk.group.alike}`, `seed ${seed}`).toBe(group);
      if (rng() > 0.2) continue;
      skipped.add(group);
      walk.skipGroup();
    }
    expect(seen, `seed ${seed}`).toEqual(expected);
    expect(walk.next()).toBeNull();
  }
  expect(left).toBeGreaterThan(1_000);
});
