/** What goes wrong in a run: each thing once, at a part of the jobs' end, in an order and with victims drawn from the seed. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { TcpProxy } from "../../test/chaos/tcp-proxy.js";
import { type PilotProcess, pilotProcesses } from "./pilots-seen.js";

/** Slurm gives a node and its jobs up after SlurmdTimeout, 10 s, when it looks. */
const NODE_DOWN_MS = 90_000;
/** Longer than a lease: central takes the site's jobs back. */
const LINK_DOWN_MS = 12_000;
const SITE_DOWN_MS = 4_000;
/** A pilot that has just been replaced is waited for. */
const PATIENCE_MS = 60_000;

export interface Victims {
  /** Environment of Slurm's commands. */
  readonly slurm: Readonly<Record<string, string>>;
  /** Proxies by the name of the facility whose link they are. */
  readonly proxies: ReadonlyMap<string, TcpProxy>;
  readonly addressOf: (facility: string) => string;
  /** Of the site of a facility. */
  readonly stop: (facility: string) => Promise<void>;
  readonly start: (facility: string) => Promise<void>;
  readonly rng: () => number;
}

async function somePilot(site: string, { addressOf, rng }: Victims): Promise<PilotProcess> {
  const endMs = Date.now() + PATIENCE_MS;
  for (;;) {
    const there = pilotProcesses(site, addressOf(site));
    const chosen = there[Math.floor(rng() * there.length)];
    if (chosen !== undefined) return chosen;
    if (Date.now() > endMs) throw new Error(`no pilot of ${site} came within ${PATIENCE_MS / 1000} s`);
    await pause(100);
  }
}

async function killNode(victims: Victims): Promise<string> {
  const { node } = await somePilot("slurm", victims);
  if (node === null) throw new Error("a pilot of slurm does not know its node");
  const environment = { ...process.env, ...victims.slurm, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const command = (program: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(program, args, { env: environment, encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed: ${stderr}`);
    return stdout;
  };
  const folder = dirname(victims.slurm.SLURM_CONF ?? "");
  const killedMs = Date.now();
  process.kill(Number(readFileSync(join(folder, `slurmd-${node}.pid`), "utf8")), "SIGKILL");
  const isDown = (): boolean => command("sinfo", "--noheader", `--nodes=${node}`, "--format=%t").startsWith("down");
  let down = isDown();
  while (!down && Date.now() < killedMs + NODE_DOWN_MS) {
    await pause(500);
    down = isDown();
  }
  const downS = (Date.now() - killedMs) / 1000;
  command("slurmd", "-N", node);
  return `slurmd of ${node} killed, and started ${down ? "when" : "before"} Slurm had given the node up, after ${downS.toFixed(0)} s`;
}

async function killPilot(victims: Victims): Promise<string> {
  const { pid, site } = await somePilot("gridengine", victims);
  process.kill(pid, "SIGKILL");
  return `pilot ${site} killed`;
}

/** Resets the connections of a link, and lets nothing pass for a time. @returns how many there were */
export async function cutLink(proxy: TcpProxy, downMs: number): Promise<number> {
  proxy.stall({ out: true, in: true });
  const count = proxy.cut();
  await pause(downMs);
  proxy.flow();
  return count;
}

async function cutSomeLink({ proxies, rng }: Victims): Promise<string> {
  const names = [...proxies.keys()];
  const name = names[Math.floor(rng() * names.length)]!;
  const count = await cutLink(proxies.get(name)!, LINK_DOWN_MS);
  return `link of ${name} cut (${count} connections), and nothing passed for ${LINK_DOWN_MS / 1000} s`;
}

async function restartSite({ stop, start }: Victims): Promise<string> {
  await stop("local");
  await pause(SITE_DOWN_MS);
  await start("local");
  return `site local stopped, and started after ${SITE_DOWN_MS / 1000} s`;
}

const FAULTS = [killNode, killPilot, cutSomeLink, restartSite];

export interface PlannedFault {
  /** Part of the jobs that have finished when it comes. */
  readonly at: number;
  readonly act: (victims: Victims) => Promise<string>;
}

/** All faults, in an order drawn by `rng`, spread over the first three quarters of the jobs. */
export function planFaults(rng: () => number): PlannedFault[] {
  const left = [...FAULTS];
  return FAULTS.map((_, place) => {
    const [act] = left.splice(Math.floor(rng() * left.length), 1);
    return { at: 0.1 + (0.65 * (place + 0.5 * rng())) / FAULTS.length, act: act! };
  });
}
