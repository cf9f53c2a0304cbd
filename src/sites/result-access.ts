/**
 * Who may read the results: group and mode that a site's settings give each file that it publishes, by the job's experiment. A group is looked up
 * with getent(1), so that those of a directory service count. What cannot be given is refused before anything is computed.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { DEFAULT_EXPERIMENT } from "../core/job.js";
import type { FileAccess } from "../files/publication.js";

/** The `results` of the settings (docs/settings.md). */
export interface ResultRules {
  /** Bits of the file's mode; absent: as the attempt made it. */
  readonly mode?: number | undefined;
  /** Group of the files, with `{cycle}` and `{name}` of the experiment; absent: as the attempt made them. */
  readonly group?: string | undefined;
  /** Groups of single experiments, which come first. */
  readonly groups: Readonly<Record<string, string>>;
}

/** Who this process is: its user, and the groups to which it may give its files. */
export interface Identity {
  readonly user: number;
  readonly groups: readonly number[];
}

export interface ResultAccess {
  /** @throws REFUSED this site can never give the experiment's group · UNAVAILABLE the group cannot be looked up now */
  of(experiment: string | undefined): Promise<FileAccess>;
}

const LOOKUP_MS = 5_000;
/** A found group is not looked up again for so long. */
const KEPT_MS = 60_000;

const run = promisify(execFile);

/** The number of a group; null: there is none of that name. */
async function lookUp(name: string): Promise<number | null> {
  try {
    const { stdout } = await run("getent", ["group", name], { timeout: LOOKUP_MS });
    const [found, , number] = stdout.trim().split(":");
    // It also takes a number for a name: an experiment called 0 is not the group of root.
    return found === name && number !== undefined && /^\d+$/.test(number) ? Number(number) : null;
  } catch (error) {
    if ((error as { code?: unknown }).code === 2) return null;
    throw new XpcsError("UNAVAILABLE", `the group ${name} cannot be looked up with getent: ${(error as Error).message}`);
  }
}

function groupName({ group, groups }: ResultRules, experiment: string): string | undefined {
  if (Object.hasOwn(groups, experiment)) return groups[experiment];
  const [cycle = "", name = ""] = experiment.split("/");
  return group?.replace(/\{(cycle|name)\}/g, (_, part: string) => (part === "cycle" ? cycle : name));
}

/** Follows `rules` as `identity`. */
export function resultAccess(rules: ResultRules, identity: Identity, clock: Clock): ResultAccess {
  const known = new Map<string, { readonly number: number; readonly untilMs: number }>();
  const numberOf = async (name: string): Promise<number | null> => {
    const nowMs = clock.monotonicMs();
    const kept = known.get(name);
    if (kept !== undefined && nowMs < kept.untilMs) return kept.number;
    const number = await lookUp(name);
    if (number !== null) known.set(name, { number, untilMs: nowMs + KEPT_MS });
    return number;
  };
  return {
    async of(experiment = DEFAULT_EXPERIMENT) {
      const mode = rules.mode === undefined ? {} : { mode: rules.mode };
      const name = groupName(rules, experiment);
      if (name === undefined) return mode;
      const group = await numberOf(name);
      const what = `this site gives results of ${experiment} to the group ${name}`;
      if (group === null) throw new XpcsError("REFUSED", `${what}, and there is no such group here`);
      if (identity.user !== 0 && !identity.groups.includes(group))
        throw new XpcsError(
          "REFUSED",
          `${what}, and may not: its user ${identity.user} is no member; add it to the group, and start the site anew`,
        );
      return { ...mode, group };
    },
  };
}
