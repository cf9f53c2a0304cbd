/**
 * A site of the simulation that works in batch jobs: the keeper of pilots of the product over the scheduler of scheduler.ts, and its pilots,
 * sites of their own on the nodes, that leave as those of `xpcs site` do. What must hold of them is promise P8.
 */

import type { PilotLife } from "../../src/cli/pilot-life.js";
import { secondsLeft, watchLife } from "../../src/cli/pilot-life.js";
import type { WorkSource } from "../../src/core/protocols.js";
import { type BatchJobs, createBatchJobs } from "../../src/sites/batch-jobs.js";
import { batchFiles } from "../../src/sites/batch-script.js";
import { createPilots } from "../../src/sites/pilots.js";
import type { Machine, Scheduler } from "../../src/sites/schedulers/define.js";
import type { Connection } from "../../src/wire/connect.js";
import type { SimProcess } from "./process.js";
import { Broken } from "./promises.js";
import { type BatchEntry, type NodeProcess, SimScheduler } from "./scheduler.js";
import { SLOTS, type World } from "./world.js";

export const FARM = "farm";
/** Of its pilots the first names. */
export const PILOT_NAMES = [1, 2, 3].map((number) => `${FARM}-${number}`);
const FOLDER = `/batch/${FARM}`;
const LIMITS = { pilotsMin: 0, pilotsMax: 3, queuedMax: 2, slotsPerPilot: SLOTS };
const EVERY_MS = 2_000;
const STRIKE_MS = 8_000;
const LATE_MS = 3_500;
const IDLE_S = 4;
const GRACE_S = 3;

/** Whether there are pilots, and work for them alone, in the run of a seed. */
export function hasPilots(seed: number): boolean {
  return seed % 4 !== 0;
}

/** Parts of it that a planted defect replaces. */
export interface FarmReplacements {
  readonly batch?: (jobs: BatchJobs) => BatchJobs;
  readonly scheduler?: (scheduler: Scheduler) => Scheduler;
  readonly life?: (life: PilotLife) => PilotLife;
}

export class Farm {
  readonly batch: SimScheduler;
  keeper: SimProcess | null = null;
  /** By name: the process that works there now. */
  readonly pilots = new Map<string, SimProcess>();
  /** Pilots that a fault keeps from leaving in time: what stood still, or has a wrong clock. */
  readonly hindered = new Set<SimProcess>();
  readonly #world: World;
  readonly #replacements: FarmReplacements;
  readonly #walltimeS: number;
  readonly #isThere: boolean;
  #leaving = new AbortController();

  /** @param isThere otherwise there are no pilots: some seeds leave all work to the other sites */
  constructor(world: World, replacements: FarmReplacements, isThere: boolean) {
    this.#isThere = isThere;
    this.#world = world;
    this.#replacements = replacements;
    const rng = world.stream();
    this.#walltimeS = 32 + Math.floor(rng() * 28);
    world.files.folder(FOLDER);
    const { clock, files } = world;
    this.batch = new SimScheduler({
      clock,
      files,
      rng: world.stream(),
      mark: (what) => void world.marks.add(what),
      onLook: (entries) => this.#check(entries),
      startProcess: (entry, endsS, onExit) => this.#startPilot(entry, endsS, onExit),
      onOverrun: ({ tag, script }) => {
        const process = this.pilots.get(siteIn(script));
        if (process !== undefined && !this.hindered.has(process))
          world.broke(new Broken("P8", `${tag} was still there when its walltime was over, and nothing had kept it from leaving`));
      },
    });
  }

  /** What holds of the batch jobs at any time. */
  #check(entries: readonly BatchEntry[]): void {
    const alive = entries.filter(({ state }) => state !== "ended");
    const queued = alive.filter(({ state }) => state === "queued");
    const demand = (holds: boolean, what: () => string): void => {
      if (!holds) this.#world.broke(new Broken("P8", what()));
    };
    const tags = alive.map(({ tag }) => tag);
    demand(new Set(tags).size === tags.length, () => `two batch jobs have one tag: ${tags.join(" ")}`);
    demand(alive.length <= LIMITS.pilotsMax, () => `${alive.length} batch jobs, ${LIMITS.pilotsMax} are allowed: ${tags.join(" ")}`);
    demand(queued.length <= LIMITS.queuedMax, () => `${queued.length} batch jobs are queued, ${LIMITS.queuedMax} are allowed`);
    for (const { tag, folder } of alive)
      demand(this.#world.files.isFolder(folder), () => `the scheduler has the batch job ${tag}, of which its site knows nothing`);
  }

  /** Nothing of it is left: no batch job, and none that its site waits for. */
  get isSettled(): boolean {
    return this.batch.alive.length === 0 && this.#left().length === 0;
  }

  #left(): string[] {
    const { files } = this.#world;
    const names = files.below(FOLDER).map((path) => path.slice(FOLDER.length + 1));
    return names.filter((name) => !name.includes("/") && !name.startsWith("."));
  }

  /** At the end, when nothing waits and nothing begins any more. */
  checkEnd(): void {
    const alive = this.batch.alive.map(({ tag, state }) => `${tag} (${state})`);
    if (alive.length > 0) throw new Broken("P8", `no work is left, and the scheduler still has ${alive.join(" ")}`);
    if (this.#left().length > 0) throw new Broken("P8", `no batch job is left, and its site still waits for ${this.#left().join(" ")}`);
  }

  startKeeper(): void {
    if (this.keeper?.alive || !this.#isThere) return;
    const world = this.#world;
    const process = world.process(FARM);
    this.keeper = process;
    const leaving = new AbortController();
    this.#leaving = leaving;
    const { clock, rng } = process;
    const machine: Machine = {
      run: () => Promise.reject(new Error("no commands here")),
      start: () => Promise.reject(new Error("no commands here")),
      ask: () => Promise.reject(new Error("no API here")),
      api: () => {
        throw new Error("no API here");
      },
      user: "sim",
      clock,
    };
    process.run(() => {
      const { scheduler } = this.batch;
      const jobs = createBatchJobs({
        scheduler: this.#replacements.scheduler?.(scheduler) ?? scheduler,
        machine,
        folder: FOLDER,
        clock,
        strikeMs: STRIKE_MS,
        lateMs: LATE_MS,
      });
      let link: Connection<WorkSource> | null = null;
      const newLink = async (): Promise<Connection<WorkSource>> => {
        const dialled = await world.dialSite(FARM, process);
        link = dialled;
        void dialled.closed.then(() => {
          link = null;
        });
        return dialled;
      };
      const pilots = createPilots({
        name: FARM,
        batch: this.#replacements.batch?.(jobs) ?? jobs,
        settings: { nodes: 1, walltimeS: this.#walltimeS, modules: [], lines: [] },
        limits: LIMITS,
        onEachNode: false,
        expectedStarts: null,
        overheadS: GRACE_S,
        argv: (site) => ["xpcs", "site", site],
        env: () => ({}),
        onTags: () => {},
        async backlog(sites, pilotsMax) {
          const { remote } = link ?? (await newLink());
          const { why } = pilots.view();
          const like = { slots: SLOTS, apps: world.apps, capacity: { ...world.capacity, gpus: 1, walltimeS: 60 } };
          return remote.backlog({ site: FARM, pilots: sites, pilotsMax, ...like, ...(why === null ? {} : { says: why }) });
        },
        clock,
        logger: world.logger(),
        rng,
        everyMs: EVERY_MS,
      });
      pilots.run(leaving.signal).then(
        () => {
          // It has withdrawn those that had not begun.
          const { files } = world;
          const kept = this.batch.alive.filter(
            ({ state, folder }) => state === "queued" && files.text(batchFiles(folder).submitted) !== null,
          );
          if (kept.length > 0) world.broke(new Broken("P8", `the site was stopped, and ${kept[0]!.tag} is still queued`));
          world.end(process);
        },
        () => world.end(process),
      );
    });
  }

  killKeeper(): void {
    if (this.keeper?.alive) this.#world.end(this.keeper);
  }

  /** Whoever is still about to end is not waited for. */
  restartKeeper(): void {
    this.killKeeper();
    this.startKeeper();
  }

  /** SIGTERM. */
  stopKeeper(): void {
    const leaving = this.#leaving;
    this.keeper?.clock.after(0, () => leaving.abort());
  }

  #startPilot(entry: BatchEntry, endsS: number, onExit: (code: number) => void): NodeProcess {
    const world = this.#world;
    const name = siteIn(entry.script);
    const process = world.process(name);
    this.pilots.set(name, process);
    const { clock } = process;
    const life: PilotLife = { idleS: IDLE_S, endsS, graceS: GRACE_S, clock };
    world.files.folder(`/sites/${name}`);
    const site = world.runSite(name, process, {
      pilotOf: FARM,
      capacity: { ...world.capacity, gpus: 1, walltimeS: secondsLeft(life) },
    });
    const stop = (): void => void process.run(() => site.stop({ graceMs: GRACE_S * 1000 }));
    const end = (): void => {
      // Of what it has not told central, or not tidied, only a pilot of the same name would.
      if (world.files.below(`/sites/${name}`).length > 0) world.leavesHalves = true;
      world.end(process);
    };
    const over = (code: number): void => {
      if (!process.alive) return;
      end();
      onExit(code);
    };
    process.run(() => {
      watchLife(site, this.#replacements.life?.(life) ?? life, () => {
        world.marks.add("a pilot left");
        stop();
      });
      site.ended.then(
        () => over(0),
        () => over(1),
      );
    });
    return {
      terminate: () => void clock.after(0, stop),
      kill: () => {
        if (!process.alive) return;
        end();
        world.clock.after(5, () => onExit(137));
      },
    };
  }

  /** The batch job of a pilot, or of another that runs when that one does not. */
  struck(name: string): BatchEntry | undefined {
    const { running } = this.batch;
    return running.find(({ script }) => siteIn(script) === name) ?? running[0];
  }

  /** It stands still, or its clock is wrong. */
  hinder(name: string, how: (process: SimProcess) => void): void {
    const entry = this.struck(name);
    const process = entry === undefined ? undefined : this.pilots.get(siteIn(entry.script));
    if (process === undefined || !process.alive) return;
    this.hindered.add(process);
    how(process);
  }

  /** Faults are over. */
  heal(): void {
    this.batch.heal();
    // A pilot that stands still does so until its batch job is killed.
    this.keeper?.resume();
    this.startKeeper();
  }
}

/** The site that works in a batch job: a word of its script. */
function siteIn(script: string): string {
  return /exec 'xpcs' 'site' '([^']+)'/.exec(script)![1]!;
}
