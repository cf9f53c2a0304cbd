/**
 * The ready jobs in the order in which they are offered to sites: higher priority first; of the same priority those with a deadline, the
 * earliest first, then the others; of those alike in that by their place, which is mostly that of their submission. The order depends on what is in it alone, not on when it
 * came. They are kept by groups of jobs alike, so that who walks through the order can leave the rest of a group
 * out, in a time that does not depend on how many wait. Holds ids only, and knows nothing of sites.
 */
import type { JobId, JobSpec } from "../core/job.js";

/** Jobs alike, as far as who offers them to sites is concerned. */
export interface ReadyGroup {
  /** The same of two groups: their jobs differ in the policy that they ask for, and in nothing else. */
  readonly alike: string;
  /** Policy that its jobs ask for; absent: none. */
  readonly policy?: string | undefined;
}

const ONE_GROUP: ReadyGroup = { alike: "" };

/** Where a job stands among those with the same priority and deadline. */
export interface ReadyPlace {
  /** Place in the order of submission; no two have the same. */
  readonly index: number;
  /** Another place in that order, which it has instead; several may have the same, and then their own decides. */
  readonly place?: number;
}

interface Entry {
  readonly id: JobId;
  readonly dueMs: number;
  readonly place: number;
  readonly index: number;
  lane: Lane;
  gone: boolean;
}

/** Jobs of a group and of one priority, those with a deadline or those without. */
interface Lane {
  readonly key: string;
  readonly group: ReadyGroup;
  readonly priority: number;
  /** In their order; also some that have left. */
  entries: Entry[];
  /** Those before this place have left. */
  from: number;
  size: number;
}

/** Infinite: it has none. */
function isBefore(a: Entry, b: Entry): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  return a.place < b.place || (a.place === b.place && a.index < b.index);
}

/** Those that have left go together, when they are most and so many. */
const GONE = 32;

function enter(lane: Lane, entry: Entry): void {
  const { entries } = lane;
  let [from, to] = [lane.from, entries.length];
  const last = entries.at(-1);
  if (last === undefined || isBefore(last, entry)) from = to;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isBefore(entries[middle]!, entry)) from = middle + 1;
    else to = middle;
  }
  if (from === entries.length) entries.push(entry);
  else entries.splice(from, 0, entry);
  entry.lane = lane;
  lane.size += 1;
}

function leave(entry: Entry): void {
  const { lane } = entry;
  entry.gone = true;
  lane.size -= 1;
  while (lane.from < lane.entries.length && lane.entries[lane.from]!.gone) lane.from += 1;
  if (lane.entries.length < 2 * lane.size + GONE) return;
  lane.entries = lane.entries.filter(({ gone }) => !gone);
  lane.from = 0;
}

/** A place in a lane. */
class Cursor {
  readonly lane: Lane;
  #at: number;

  constructor(lane: Lane) {
    this.lane = lane;
    this.#at = lane.from;
    this.#skip();
  }

  get entry(): Entry | undefined {
    return this.lane.entries[this.#at];
  }

  next(): void {
    this.#at += 1;
    this.#skip();
  }

  #skip(): void {
    const { entries } = this.lane;
    while (this.#at < entries.length && entries[this.#at]!.gone) this.#at += 1;
  }

  isBefore(other: Cursor): boolean {
    if (this.lane.priority !== other.lane.priority) return this.lane.priority > other.lane.priority;
    return isBefore(this.entry!, other.entry!);
  }
}

/** One way through the order; the queue must not change meanwhile. */
export class ReadyWalk {
  /** A binary heap: the first is the one with the next job. */
  #cursors: Cursor[] = [];
  #group: ReadyGroup = ONE_GROUP;

  constructor(lanes: Iterable<Lane>) {
    for (const lane of lanes) if (lane.size > 0) this.#cursors.push(new Cursor(lane));
    this.#order();
  }

  /** Null: that was the last one. */
  next(): JobId | null {
    const [first] = this.#cursors;
    if (first === undefined) return null;
    const { id } = first.entry!;
    this.#group = first.lane.group;
    first.next();
    if (first.entry === undefined) {
      const last = this.#cursors.pop()!;
      if (last !== first) this.#cursors[0] = last;
    }
    this.#sink(0);
    return id;
  }

  /** That of the job which came last. */
  get group(): ReadyGroup {
    return this.#group;
  }

  /** The jobs of that group are left out from now on. */
  skipGroup(): void {
    this.#cursors = this.#cursors.filter(({ lane }) => lane.group !== this.#group);
    this.#order();
  }

  #order(): void {
    for (let at = (this.#cursors.length >> 1) - 1; at >= 0; at -= 1) this.#sink(at);
  }

  #sink(from: number): void {
    const cursors = this.#cursors;
    for (let at = from; ; ) {
      const left = 2 * at + 1;
      let first = at;
      if (left < cursors.length && cursors[left]!.isBefore(cursors[first]!)) first = left;
      if (left + 1 < cursors.length && cursors[left + 1]!.isBefore(cursors[first]!)) first = left + 1;
      if (first === at) return;
      this.#swap(at, first);
      at = first;
    }
  }

  #swap(a: number, b: number): void {
    [this.#cursors[a], this.#cursors[b]] = [this.#cursors[b]!, this.#cursors[a]!];
  }
}

export class ReadyQueue implements Iterable<JobId> {
  readonly #lanes = new Map<string, Lane>();
  readonly #entries = new Map<JobId, Entry>();
  /** Lanes by the name of their group. */
  readonly #groups = new Map<string, { readonly group: ReadyGroup; lanes: number }>();

  get size(): number {
    return this.#entries.size;
  }

  has(id: JobId): boolean {
    return this.#entries.has(id);
  }

  /** Puts a job where it belongs; one that is there moves to where it belongs now. */
  add(
    id: JobId,
    { priority = 0, deadline }: Pick<JobSpec, "priority" | "deadline">,
    { index, place = index }: ReadyPlace,
    group: ReadyGroup = ONE_GROUP,
  ): void {
    const dueMs = deadline === undefined ? Number.POSITIVE_INFINITY : Date.parse(deadline);
    const before = this.#entries.get(id);
    if (before !== undefined) {
      const { alike, policy } = before.lane.group;
      const stays = before.lane.priority === priority && before.dueMs === dueMs && before.place === place;
      if (stays && alike === group.alike && policy === group.policy) return;
      this.delete(id);
    }
    const lane = this.#lane(group, priority, dueMs !== Number.POSITIVE_INFINITY);
    const entry: Entry = { id, dueMs, place, index, lane, gone: false };
    enter(lane, entry);
    this.#entries.set(id, entry);
  }

  delete(id: JobId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    leave(entry);
    const { lane } = entry;
    if (lane.size > 0) return;
    this.#lanes.delete(lane.key);
    const name = nameOf(lane.group);
    const kept = this.#groups.get(name)!;
    kept.lanes -= 1;
    if (kept.lanes === 0) this.#groups.delete(name);
  }

  walk(): ReadyWalk {
    return new ReadyWalk(this.#lanes.values());
  }

  *[Symbol.iterator](): Generator<JobId> {
    const walk = this.walk();
    for (let id = walk.next(); id !== null; id = walk.next()) yield id;
  }

  #lane(group: ReadyGroup, priority: number, isDue: boolean): Lane {
    const name = nameOf(group);
    const key = `${priority} ${isDue} ${name}`;
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const kept = this.#groups.get(name) ?? { group, lanes: 0 };
    this.#groups.set(name, kept);
    kept.lanes += 1;
    const lane: Lane = { key, group: kept.group, priority, entries: [], from: 0, size: 0 };
    this.#lanes.set(key, lane);
    return lane;
  }
}

const nameOf = ({ alike, policy }: ReadyGroup): string => `${policy ?? ""} ${alike}`;
