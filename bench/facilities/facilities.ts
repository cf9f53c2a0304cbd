/**
 * The three facilities of a run: a Slurm of three nodes, a Grid Engine and a site of its own, each with its own folder, its own link to central, and no way to
 * the files but central; alike, or not. Processes of the built command.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { TcpProxy } from "../../test/chaos/tcp-proxy.js";
import { type CentralProcess, createFacility, type Facility, type Started } from "../runtime/processes.js";
import type { PilotStart } from "./figures.js";
import { pilotEnds, pilotProcesses, pilotStarts, scriptLines } from "./pilots-seen.js";

/** Minutes are what Slurm counts in. */
const WALLTIME_S = 120;
/** For jobs that run when a site is stopped, or its walltime is near: as long as the longest of them. */
const GRACE_S = 20;
const IDLE_S = 5;
const PILOTS_END_MS = 60_000;

interface Batch {
  readonly scheduler: string;
  readonly job: object;
  readonly pilots: number;
}

/** By the name of the facility. */
const BATCHES: Readonly<Record<string, Batch>> = {
  // A pilot has a node of its own.
  slurm: { scheduler: "slurm", job: { queue: "debug", cpusPerNode: 4, memoryGbPerNode: 1 }, pilots: 3 },
  gridengine: { scheduler: "grid-engine", job: { queue: "all.q" }, pilots: 2 },
};
export const FACILITIES = [...Object.keys(BATCHES), "local"] as const;

/** How a facility may differ from another. */
export interface Shape {
  /** Of its site, or of each of its pilots. */
  readonly slots: number;
  /** Of its site, or of each of its pilots, to central and back; null: no bound. */
  readonly mbPerS: number | null;
  /** Of its kernels: all facilities share the cores of this machine. */
  readonly niceness: number;
}

/** What goes on at one facility must not wait for the kernels of another. */
const ALIKE: Shape = { slots: 1, mbPerS: null, niceness: 10 };

export interface Wish {
  /** By facility; default: all alike. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Command apps of all facilities, as a site's file has them. */
  readonly apps?: object;
  /** False: sites of their own, with as many slots as they would have had pilots. */
  readonly schedulers?: boolean;
}

/** Whether a site, or a pilot, is of a facility. */
export const isOf =
  (facility: string) =>
  (site: string): boolean =>
    site === facility || (site.startsWith(`${facility}-`) && /^-\d+$/.test(site.slice(facility.length)));

export interface Pilots {
  readonly starts: readonly PilotStart[];
  /** By facility: how its pilots ended, and how often. */
  readonly ends: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface Facilities {
  readonly central: CentralProcess;
  readonly proxies: ReadonlyMap<string, TcpProxy>;
  readonly addressOf: (facility: string) => string;
  /** Starts a facility. */
  readonly start: (name: string) => Promise<void>;
  /** Stops the site of a facility: by SIGTERM, so that it says goodbye. */
  readonly stop: (name: string) => Promise<void>;
  /** A command of `xpcs` at the beamline. @throws it failed */
  readonly submit: (words: readonly string[]) => Promise<void>;
  /** Waits until all pilots have left. @returns names of batch jobs that are still there */
  readonly pilotsLeft: () => Promise<string[]>;
  readonly pilots: () => Pilots;
  /** Ends all that still runs, and removes the folder unless it is to be kept. */
  readonly end: (keep: boolean) => Promise<void>;
}

function siteSettings(beamline: string, { mbPerS, niceness }: Shape): object {
  return {
    // The site itself may read and write nothing: what succeeds has come through central.
    roots: { read: [], write: [] },
    locations: [{ folder: beamline, by: "http", ...(mbPerS === null ? {} : { mbPerS }) }],
    cache: { gb: 1 },
    supervision: { hosts: { niceness } },
  };
}

/**
 * Starts central, and makes a link to it for each facility; none is started.
 *
 * @param root the project's folder
 * @param folder removed first
 * @param beamline its files, in `data`; `results` are to be there
 */
export async function prepareFacilities(root: string, folder: string, beamline: string, wish: Wish = {}): Promise<Facilities> {
  const { shapes = {}, apps = {}, schedulers = true } = wish;
  const batches = schedulers ? BATCHES : {};
  const shapeOf = (name: string): Shape => shapes[name] ?? ALIKE;
  const facility: Facility = createFacility(root, folder);
  const proxies = new Map<string, TcpProxy>();
  const sites = new Map<string, Started>();
  const addressOf = (name: string): string => `ws://127.0.0.1:${proxies.get(name)!.port}`;
  const end = async (keep: boolean): Promise<void> => {
    // Pilots are no children of this process, and go on without whoever submitted them.
    for (const name of proxies.keys()) for (const { pid } of pilotProcesses(name, addressOf(name))) process.kill(pid, "SIGKILL");
    await facility.end(keep);
    for (const proxy of proxies.values()) await proxy.close();
  };
  try {
    const write = (name: string, content: object): string => {
      const path = join(folder, name);
      writeFileSync(path, JSON.stringify(content));
      return path;
    };
    const data = { read: [join(beamline, "data")], write: [join(beamline, "results")] };
    const central = await facility.startCentral(["--settings", write("central.json", { data })]);
    const appsFile = write("apps.json", apps);
    for (const name of FACILITIES) {
      mkdirSync(join(folder, name, "batch"), { recursive: true });
      proxies.set(name, await TcpProxy.listen(Number(new URL(central.url).port)));
    }
    const notes = (name: string): string => join(folder, name, "notes");
    const batchFile = (name: string, { scheduler, job, pilots }: Batch): string =>
      write(`${name}.json`, {
        scheduler,
        folder: join(folder, name, "batch"),
        commands: { perMinute: 120 },
        job: { ...job, walltimeS: WALLTIME_S, lines: scriptLines(notes(name)) },
        pilots: { max: pilots, queuedMax: pilots, idleS: IDLE_S, everyS: 1 },
      });
    const batchJobs = (): string[] =>
      Object.keys(batches).flatMap((name) => {
        const tags = sites.has(name) ? readdirSync(join(folder, name, "batch", name)) : [];
        return tags.filter((tag) => !tag.startsWith("."));
      });
    return {
      central,
      proxies,
      addressOf,
      async start(name) {
        const settings = write(`${name}-site.json`, siteSettings(beamline, shapeOf(name)));
        const files = ["--work", join(folder, name, "work"), "--settings", settings, "--apps", appsFile];
        const batch = batches[name];
        const slots = shapeOf(name).slots * (batch === undefined ? (BATCHES[name]?.pilots ?? 1) : 1);
        const more = batch === undefined ? [] : ["--batch", batchFile(name, batch)];
        sites.set(name, await facility.startSite(name, slots, ["--central", addressOf(name), ...files, "--grace", `${GRACE_S}`, ...more]));
      },
      stop: async (name) => sites.get(name)?.stop("SIGTERM"),
      submit: (words) => facility.run(["submit", ...words, "--central", central.url, "--token", central.operatorToken]),
      async pilotsLeft() {
        const endMs = Date.now() + PILOTS_END_MS;
        while (batchJobs().length > 0 && Date.now() < endMs) await pause(200);
        return batchJobs();
      },
      pilots: () => ({
        starts: Object.keys(batches).flatMap((name) => pilotStarts(notes(name))),
        ends: Object.fromEntries(Object.keys(batches).map((name) => [name, pilotEnds(notes(name), join(folder, `${name}.log`))])),
      }),
      end,
    };
  } catch (error) {
    await end(true);
    throw error;
  }
}
