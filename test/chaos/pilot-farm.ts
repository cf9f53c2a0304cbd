/** A site of a soak that works in pilots, batch jobs that are processes of this machine: a fixed pool, so that each name comes back after its pilot was killed. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { KeptProcess } from "./kept-process.js";

/** Its pilots are NAME-1 and NAME-2. */
export const FARM = "farm";
const POOL = 2;
/** Shorter than a soak, so that pilots leave by themselves too. */
const IDLE_S = 20;
const WALLTIME_S = 240;

export interface PilotFarm {
  /** The site that keeps them. */
  readonly keeper: KeptProcess;
  /** Names of all pilots. */
  readonly names: readonly string[];
  /** Process groups of those that run, by name. */
  running(): Map<string, number>;
  /** SIGKILL to one and all that it started. @returns false: there is none */
  kill(pick: <T>(items: readonly T[]) => T): boolean;
  /** Pilots that have begun so far. */
  readonly begun: ReadonlySet<string>;
  /** Stops the keeper, then the pilots as a scheduler would. @returns the keeper's exit code */
  stop(withinMs: number): Promise<number | null>;
  /** SIGKILL to all. */
  end(): void;
}

/** The process group of a batch job; null: it does not run. */
function groupOf(folder: string): number | null {
  try {
    const [pid, startTime] = readFileSync(join(folder, "claim", "id"), "utf8")
      .trim()
      .split("-");
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return fields[19] === startTime && fields[0] !== "Z" ? Number(fields[2]) : null;
  } catch {
    return null;
  }
}

export interface FarmOptions {
  readonly folder: string;
  readonly central: string;
  readonly siteToken: string;
  readonly work: string;
  readonly apps: string;
}

/** Prepares one; its keeper is not started yet. */
export function createFarm({ folder, central, siteToken, work, apps }: FarmOptions): PilotFarm {
  const batch = join(folder, "batch");
  mkdirSync(batch);
  const pilots = { min: POOL, max: POOL, queuedMax: POOL, idleS: IDLE_S, everyS: 1 };
  writeFileSync(join(folder, "batch.json"), JSON.stringify({ scheduler: "local", folder: batch, job: { walltimeS: WALLTIME_S }, pilots }));
  const keeper = new KeptProcess(FARM, [
    ...["site", "--central", central, "--token", siteToken, "--name", FARM, "--work", work, "--batch", join(folder, "batch.json")],
    ...["--slots", "2", "--threads", "1", "--apps", apps, "--grace", "20"],
  ]);
  const begun = new Set<string>();
  const running = (): Map<string, number> => {
    const found = new Map<string, number>();
    let tags: string[] = [];
    try {
      tags = readdirSync(join(batch, FARM)).filter((name) => name.startsWith("xpcs."));
    } catch {
      // The keeper has not begun.
    }
    for (const tag of tags) {
      const group = groupOf(join(batch, FARM, tag));
      if (group === null) continue;
      begun.add(tag);
      found.set(tag.slice("xpcs.".length, tag.lastIndexOf(".")), group);
    }
    return found;
  };
  const signal = (group: number, name: NodeJS.Signals): void => {
    try {
      process.kill(-group, name);
    } catch {
      // It has ended meanwhile.
    }
  };
  return {
    keeper,
    names: Array.from({ length: POOL }, (_, at) => `${FARM}-${at + 1}`),
    running,
    begun,
    kill(pick) {
      const groups = [...running().values()];
      if (groups.length === 0) return false;
      signal(pick(groups), "SIGKILL");
      return true;
    },
    async stop(withinMs) {
      const code = await keeper.stop(withinMs);
      for (const group of running().values()) signal(group, "SIGTERM");
      const endMs = Date.now() + withinMs;
      while (running().size > 0 && Date.now() < endMs) await pause(200);
      return running().size > 0 ? null : code;
    },
    end() {
      keeper.end();
      for (const group of running().values()) signal(group, "SIGKILL");
    },
  };
}
