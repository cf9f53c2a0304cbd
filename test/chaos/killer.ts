/** What goes wrong in a soak, one thing after the other, drawn from a seed. */
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { KeptProcess } from "./kept-process.js";
import type { PilotFarm } from "./pilot-farm.js";
import type { SmallDisk } from "./small-disk.js";
import type { TcpProxy } from "./tcp-proxy.js";

export interface Victims {
  readonly central: KeptProcess;
  readonly ledger: string;
  readonly sites: readonly KeptProcess[];
  readonly farm: PilotFarm;
  /** By the name of who dials through it. */
  readonly proxies: ReadonlyMap<string, TcpProxy>;
  readonly disk: SmallDisk;
  readonly rng: () => number;
  /** Central may be killed, and the disk filled under it. */
  readonly centralMayDie: () => boolean;
}

type Action = (victims: Victims, pick: <T>(items: readonly T[]) => T) => Promise<boolean> | boolean;

/** What a write that the power cut short leaves: the head of a record whose rest is missing, or noise. */
function tearLog(ledger: string, rng: () => number): void {
  const log = readdirSync(ledger)
    .filter((name) => /^\d+\.log$/.test(name))
    .sort()
    .at(-1);
  if (log === undefined) return;
  const noise = Buffer.from(Array.from({ length: 7 + Math.floor(rng() * 300) }, () => Math.floor(rng() * 256)));
  // LevelDB's record: checksum (4 bytes), length (2), type (1: whole), data.
  if (rng() < 0.5) {
    noise.writeUInt16LE(noise.length + 100, 4);
    noise[6] = 1;
  }
  try {
    appendFileSync(join(ledger, log), noise);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

const stop = async (process: KeptProcess, ms: number) => {
  if (!process.pause()) return false;
  await pause(ms);
  process.resume();
  return true;
};

const ACTIONS: Readonly<Record<string, Action>> = {
  "SIGKILL of a site": ({ sites, rng }, pick) => pick(sites.slice(0, -1)).kill(rng() * 8_000),
  "SIGKILL of a pilot": ({ farm }, pick) => farm.kill(pick),
  "SIGKILL of the site that keeps pilots": ({ farm, rng }) => farm.keeper.kill(rng() * 8_000),
  "SIGKILL of kernel hosts": ({ sites }, pick) => pick(sites).killHosts() > 0,
  "SIGKILL of central": ({ central, centralMayDie, rng }) => centralMayDie() && central.kill(rng() * 8_000),
  "SIGSTOP of a site": ({ sites, rng }, pick) => stop(pick(sites), 1_000 + rng() * 5_000),
  "SIGSTOP of a site beyond its leases": ({ sites, rng }, pick) => stop(pick(sites), 10_000 + rng() * 6_000),
  "SIGSTOP of central": ({ central, rng }) => stop(central, 1_000 + rng() * 11_000),
  "sockets cut": ({ proxies, rng }) => {
    let count = 0;
    for (const proxy of proxies.values()) if (rng() < 0.5) count += proxy.cut();
    return count > 0;
  },
  "nothing passes": async ({ proxies, rng }, pick) => {
    const proxy = pick([...proxies.values()]);
    const way = rng();
    proxy.stall({ out: way < 0.66, in: way > 0.33 });
    await pause(1_000 + rng() * 18_000);
    proxy.flow();
    return true;
  },
  "disk full": async ({ disk, rng, centralMayDie }) => {
    if (!disk.small || !centralMayDie()) return false;
    disk.fill();
    await pause(1_000 + rng() * 5_000);
    disk.free();
    return true;
  },
  "log tail torn": ({ central, centralMayDie, ledger, rng }) => centralMayDie() && central.kill(rng() * 3_000, () => tearLog(ledger, rng)),
};

const KILLER_ACTIONS = Object.keys(ACTIONS);

/** Does one thing after another until `signal`; several may overlap. @returns how often each was done */
export async function killUntil(signal: AbortSignal, victims: Victims, say: (what: string) => void): Promise<Record<string, number>> {
  const { rng } = victims;
  const pick = <T>(items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;
  const counts: Record<string, number> = Object.fromEntries(KILLER_ACTIONS.map((name) => [name, 0]));
  const under = new Set<Promise<void>>();
  // Each kind once in each round, in random order: a short soak has all of them.
  let round: string[] = [];
  while (!signal.aborted) {
    await pause(1_000 + rng() * 4_000);
    if (signal.aborted) break;
    if (round.length === 0) round = [...KILLER_ACTIONS];
    const [name] = round.splice(Math.floor(rng() * round.length), 1) as [string];
    const doing = Promise.resolve(ACTIONS[name]!(victims, pick)).then((done) => {
      if (!done) return;
      counts[name]! += 1;
      say(name);
    });
    const entry = doing.finally(() => under.delete(entry));
    under.add(entry);
  }
  await Promise.all(under);
  return counts;
}
