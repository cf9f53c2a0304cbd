/**
 * What goes wrong, as a list that is drawn from the seed before the run: a run that fails is made smaller by leaving faults out.
 */
import { LIMITS } from "../../src/core/limits.js";
import { seeded } from "../ledger/world.js";
import { FARM, PILOT_NAMES } from "./farm.js";
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
    const everybody = [...SITE_NAMES, ...CLIENT_NAMES, FARM, ...PILOT_NAMES];
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
  "the keeper of pilots is killed": (world, fault) => {
    world.farm.killKeeper();
    // At once, or after a while.
    later(world, fault.amount < 0 ? { ...fault, forMs: 10 } : fault, () => world.farm.startKeeper());
  },
  "the keeper of pilots is stopped": (world, fault) => {
    world.farm.stopKeeper();
    later(world, fault, () => world.farm.restartKeeper());
  },
  "the keeper of pilots stands still": (world, fault) => {
    const process = world.farm.keeper;
    process?.pause();
    later(world, fault, () => process?.resume());
  },
  "a pilot is killed": (world, { who }) => world.farm.struck(who)?.process?.kill(),
  "a pilot stands still": (world, fault) => {
    world.farm.hinder(fault.who, (process) => {
      process.pause();
      // Or until its batch job is killed.
      if (fault.amount < 0) later(world, fault, () => process.resume());
    });
  },
  "a pilot's wall clock jumps": (world, { who, amount }) =>
    world.farm.hinder(who, (process) => {
      process.wallJumpMs += amount * 60_000;
    }),
  "the node of a pilot fails": (world, { who, forMs, amount }) => {
    const entry = world.farm.struck(who);
    if (entry !== undefined) world.farm.batch.failNode(entry, amount < 0 ? 0 : forMs);
  },
  "a pilot makes room": (world, { who }) => {
    const entry = world.farm.struck(who);
    if (entry !== undefined) world.farm.batch.preempt(entry);
  },
  "the scheduler is away": (world, fault) => {
    world.farm.batch.away = true;
    later(world, fault, () => {
      world.farm.batch.away = false;
    });
  },
  "replies of the scheduler are lost": (world, fault) => {
    world.farm.batch.repliesLost = 0.3 + 0.6 * Math.abs(fault.amount);
    later(world, { ...fault, forMs: 5_000 + fault.forMs }, () => {
      world.farm.batch.repliesLost = 0;
    });
  },
  "listings of the scheduler leave out jobs": (world, fault) => {
    world.farm.batch.forgetful = true;
    later(world, { ...fault, forMs: Math.max(6_000, fault.forMs) }, () => {
      world.farm.batch.forgetful = false;
    });
  },
  "nothing begins in the queue": (world, fault) => {
    const { batch } = world.farm;
    batch.frozen = true;
    later(world, { ...fault, forMs: 2 * fault.forMs }, () => {
      batch.frozen = false;
      batch.startDue();
    });
  },
  "no pilot starts on the nodes": (world, fault) => {
    world.farm.batch.broken = true;
    later(world, fault, () => {
      world.farm.batch.broken = false;
    });
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
  "replies of the scheduler are lost": 2,
  "the keeper of pilots is killed": 3,
  "the scheduler is away": 2,
  "listings of the scheduler leave out jobs": 2,
  "central crashes in its next write": 3,
  "a site stands still for longer than its leases": 3,
  "a site is killed as it publishes": 2,
  "a site is told to drain": 2,
  "the disk of the results is full": 0.5,
};

function victims(kind: keyof typeof KINDS): readonly string[] {
  if (/link|passes|frames/.test(kind)) return [...SITE_NAMES, ...SITE_NAMES, ...CLIENT_NAMES, FARM, ...PILOT_NAMES];
  return /pilot/.test(kind) ? PILOT_NAMES : SITE_NAMES;
}

const OF_PILOTS = FAULT_KINDS.filter((kind) => /pilot|scheduler|queue/.test(kind));
const OF_OTHERS = FAULT_KINDS.filter((kind) => !OF_PILOTS.includes(kind));

function draw(rng: () => number, among: readonly (keyof typeof KINDS)[], count: number): Fault[] {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;
  const kinds = among.flatMap((kind) => Array.from({ length: 2 * (WEIGHTS[kind] ?? 1) }, () => kind));
  return Array.from({ length: count }, (): Fault => {
    const kind = pick(kinds);
    return {
      atMs: Math.round(rng() * FAULTS_MS),
      kind,
      who: pick(victims(kind)),
      forMs: Math.round(rng() * rng() * 15_000),
      amount: 2 * rng() - 1,
    };
  });
}

/** The faults of a seed, oldest first. Those of pilots come on top: as many of the others as if there were none. */
export function drawFaults(seed: number): Fault[] {
  const rng = seeded(seed ^ 0x5eed);
  const others = draw(rng, OF_OTHERS, 6 + Math.floor(rng() * 10));
  const ofPilots = draw(rng, OF_PILOTS, 2 + Math.floor(rng() * 6));
  return [...others, ...ofPilots].sort((a, b) => a.atMs - b.atMs);
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
  world.network.heal();
  world.crashing.clear();
  world.centralProcess?.resume();
  await world.startCentral();
  for (const name of SITE_NAMES) {
    world.sites.get(name)?.resume();
    if (name === deadForGood) world.retire(name);
    else world.startSite(name);
  }
  world.farm.heal();
}

/** A fault as a line for people. */
export function faultText({ atMs, kind, who, forMs, amount }: Fault): string {
  const whom = /^(central|the (?!node|kernels)|replies|listings|no|nothing begins)/.test(kind) ? "" : ` (${who})`;
  return `at ${(atMs / 1000).toFixed(1)} s ${kind}${whom}, for ${(forMs / 1000).toFixed(1)} s, amount ${amount.toFixed(2)}`;
}
