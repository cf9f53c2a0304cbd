/**
 * What goes wrong, as a list that is drawn from the seed before the run: a run that fails is made smaller by leaving faults out.
 */
import { LIMITS } from "../../src/core/limits.js";
import { seeded } from "../ledger/world.js";
import { SITE_NAMES, type World } from "./world.js";

/** Time in which faults happen, ms. */
export const FAULTS_MS = 45_000;
export const CLIENT_NAMES = ["ann", "ben"] as const;

export interface Fault {
  readonly atMs: number;
  readonly kind: keyof typeof KINDS;
  /** A site; for links also a client. */
  readonly who: string;
  readonly forMs: number;
  /** -1 to 1: how much, of what has an amount. */
  readonly amount: number;
}

type Strike = (world: World, fault: Fault) => void;

/** Lets `end` happen when the fault is over. */
function later(world: World, { forMs }: Fault, end: () => void): void {
  world.clock.after(forMs, end);
}

const KINDS = {
  "central crashes": (world, fault) => {
    world.crashCentral();
    later(world, fault, () => void world.startCentral());
  },
  "central crashes in its next write": (world, { forMs }) => {
    world.crashInWrite = { downMs: forMs };
  },
  "central stands still": (world, fault) => {
    const process = world.centralProcess;
    process?.pause();
    later(world, fault, () => process?.resume());
  },
  "a site is killed": (world, fault) => {
    world.killSite(fault.who);
    later(world, fault, () => world.startSite(fault.who));
  },
  "a site is killed as it publishes": (world, fault) => {
    const before = world.files.onPublish;
    world.files.onPublish = (path, text, by) => {
      before(path, text, by);
      if (world.peace || by === undefined || by !== world.sites.get(fault.who)) return;
      world.files.onPublish = before;
      world.marks.add("a site was killed as it published");
      world.killSite(fault.who);
      later(world, fault, () => world.startSite(fault.who));
    };
  },
  "a site stands still": (world, fault) => {
    const process = world.sites.get(fault.who);
    process?.pause();
    later(world, fault, () => process?.resume());
  },
  "a site stands still for longer than its leases": (world, fault) => {
    const process = world.sites.get(fault.who);
    process?.pause();
    later(world, { ...fault, forMs: LIMITS.leaseMs + 1_000 + fault.forMs }, () => process?.resume());
  },
  "a site is told to drain": (world, fault) => {
    world.order(fault.who, "for a while");
    later(world, fault, () => world.order(fault.who, null));
  },
  "a link is cut": (world, { who }) => world.network.cut(who),
  "a link is half open": (world, { who }) => world.network.halfOpen(who),
  "nothing passes": (world, fault) => {
    world.network.block(fault.who, ["in", "out"]);
    later(world, fault, () => world.network.unblock(fault.who));
  },
  "nothing passes one way": (world, fault) => {
    world.network.block(fault.who, [fault.amount < 0 ? "in" : "out"]);
    later(world, fault, () => world.network.unblock(fault.who));
  },
  "the network is away": (world, fault) => {
    const everybody = [...SITE_NAMES, ...CLIENT_NAMES];
    for (const who of everybody) world.network.block(who, ["in", "out"]);
    later(world, fault, () => {
      for (const who of everybody) world.network.unblock(who);
    });
  },
  "frames are lost, repeated and out of order": (world, fault) => {
    world.network.lossy(fault.who, Math.abs(fault.amount) * 0.1);
    later(world, fault, () => world.network.lossy(fault.who, 0));
  },
  "frames are slow": (world, fault) => {
    world.network.slow(fault.who, Math.abs(fault.amount) * 3_000);
    later(world, fault, () => world.network.slow(fault.who, 0));
  },
  "central's wall clock jumps": (world, { amount }) => {
    if (world.centralProcess !== null) world.centralProcess.wallJumpMs += amount * 60_000;
  },
  "a site's wall clock jumps": (world, { who, amount }) => {
    const process = world.sites.get(who);
    if (process !== undefined) process.wallJumpMs += amount * 3_600_000;
  },
  "the kernels of a site crash": (world, fault) => {
    world.crashing.add(fault.who);
    later(world, { ...fault, forMs: 15_000 + fault.forMs }, () => void world.crashing.delete(fault.who));
  },
  "the disk of the results is full": (world, fault) => {
    world.files.full = true;
    later(world, fault, () => {
      world.files.full = false;
    });
  },
} as const satisfies Record<string, Strike>;

export const FAULT_KINDS = Object.keys(KINDS) as (keyof typeof KINDS)[];

/** How often a kind is drawn, where that is not once: what reaches the fencing of leases is worth more. */
const WEIGHTS: Partial<Record<keyof typeof KINDS, number>> = {
  "central crashes in its next write": 3,
  "a site stands still for longer than its leases": 3,
  "a site is killed as it publishes": 2,
  "a site is told to drain": 2,
  "the disk of the results is full": 0.5,
};

/** The faults of a seed, oldest first. */
export function drawFaults(seed: number): Fault[] {
  const rng = seeded(seed ^ 0x5eed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;
  const kinds = FAULT_KINDS.flatMap((kind) => Array.from({ length: 2 * (WEIGHTS[kind] ?? 1) }, () => kind));
  const faults = Array.from({ length: 6 + Math.floor(rng() * 10) }, (): Fault => {
    const kind = pick(kinds);
    const ofLinks = /link|passes|frames/.test(kind);
    return {
      atMs: Math.round(rng() * FAULTS_MS),
      kind,
      who: pick(ofLinks ? [...SITE_NAMES, ...SITE_NAMES, ...CLIENT_NAMES] : SITE_NAMES),
      forMs: Math.round(rng() * rng() * 15_000),
      amount: 2 * rng() - 1,
    };
  });
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** Lets each fault happen at its time. */
export function schedule(world: World, faults: readonly Fault[]): void {
  for (const fault of faults) {
    world.clock.after(fault.atMs, () => {
      world.marks.add(fault.kind);
      (KINDS[fault.kind] as Strike)(world, fault);
    });
  }
}

/** Ends every fault: every path is there, and all processes are up; but for one site, in some runs, which never comes back. */
export async function heal(world: World): Promise<void> {
  world.peace = true;
  const deadForGood = world.stream()() < 0.4 ? SITE_NAMES[0] : null;
  world.crashInWrite = null;
  world.files.full = false;
  world.crashing.clear();
  for (const who of [...SITE_NAMES, ...CLIENT_NAMES]) {
    world.network.unblock(who);
    world.network.lossy(who, 0);
    world.network.slow(who, 0);
  }
  world.centralProcess?.resume();
  await world.startCentral();
  for (const name of SITE_NAMES) {
    world.sites.get(name)?.resume();
    if (name === deadForGood) world.retire(name);
    else world.startSite(name);
  }
}

/** A fault as a line for people. */
export function faultText({ atMs, kind, who, forMs, amount }: Fault): string {
  const whom = kind.startsWith("central") || kind.startsWith("the ") ? "" : ` (${who})`;
  return `at ${(atMs / 1000).toFixed(1)} s ${kind}${whom}, for ${(forMs / 1000).toFixed(1)} s, amount ${amount.toFixed(2)}`;
}
