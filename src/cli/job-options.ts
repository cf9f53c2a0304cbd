/** The options that every kind of job takes, for `xpcs submit`, `xpcs run` and `xpcs modify`: declared once, read once. */
import { type Command, Option } from "commander";
import { type JobChanges, type JobSpec, PARENT_POLICIES, type ParentPolicy, type Resources } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { POLICIES } from "../router/registry.js";
import { experimentOption, experimentSetting } from "./client-settings.js";
import { collectPairs, collectTexts, integerOption, positiveOption, timeOption } from "./option-values.js";

/** What `modify` can change too. */
export interface ChangeableOptions {
  readonly tag?: Readonly<Record<string, string>>;
  readonly site?: string;
  readonly attempts?: number;
  readonly priority?: number;
  readonly deadline?: string;
  readonly retryDelay?: number;
  readonly onParentFailure?: ParentPolicy;
  readonly slots?: number;
  readonly cores?: number;
  readonly memory?: number;
  readonly gpus?: number;
  readonly nodes?: number;
  readonly walltime?: number;
  readonly needs?: readonly string[];
}

export interface JobOptions extends ChangeableOptions {
  readonly experiment?: string;
  readonly parent?: readonly string[];
  readonly crossCheck?: true;
  readonly policy?: string;
}

/** Adds the options that can also be changed later; nothing has a default. */
export function addChangeableOptions(command: Command): Command {
  return command
    .option("--tag <key=value>", "label the jobs (repeat for more)", collectPairs)
    .option("--site <name>", "run at this site only")
    .option(
      "--attempts <n>",
      `attempts before a job fails for good (default: ${LIMITS.attemptsMax})`,
      integerOption(1, LIMITS.attemptsMaxMax),
    )
    .option("--priority <n>", "higher comes first (default: 0)", integerOption(-LIMITS.priorityMax, LIMITS.priorityMax))
    .option(
      "--deadline <time>",
      "when the answer is wanted; fail unless begun by then: 2026-11-25T18:00:00Z, or from now: 15m, 2h",
      timeOption(1),
    )
    .option("--retry-delay <s>", "wait before the second attempt; doubles with each (default: 1)", positiveOption)
    .addOption(new Option("--on-parent-failure <what>", "fail too, or run all the same (default: fail)").choices(PARENT_POLICIES))
    .option("--slots <n>", "slots that the job takes of its site (default: 1)", integerOption(1, LIMITS.siteSlotsMax))
    .option("--cores <n>", "cores that it takes, and threads that it uses", integerOption(1, LIMITS.threadsMax))
    .option("--memory <gb>", "memory that it takes, GB", positiveOption)
    .option("--gpus <n>", "GPUs that it takes", integerOption(0, LIMITS.resourceMax))
    .option("--nodes <n>", "nodes that it needs", integerOption(1, LIMITS.resourceMax))
    .option("--walltime <s>", "stop an attempt after this time; it counts as failed", positiveOption)
    .option("--needs <feature>", "run only where this is: avx512f, boost_corr>=0.3 (docs/settings.md; repeat for more)", collectTexts);
}

/** Adds the options of a new job. */
export function addJobOptions(command: Command): Command {
  return addChangeableOptions(command)
    .option(
      "--experiment <cycle/name>",
      "experiment of the jobs (default: XPCS_EXPERIMENT, then ~/.config/xpcs/client.json)",
      experimentOption,
    )
    .option("--parent <id...>", "jobs that must end first")
    .option("--cross-check", "run them again at another site, and compare the results bit for bit")
    .addOption(new Option("--policy <name>", "how a site is chosen for them (default: central's way)").choices(Object.keys(POLICIES)));
}

function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The fields that were given. */
export function changesOf(options: ChangeableOptions): JobChanges {
  const { slots, cores, memory: memoryGb, gpus, nodes, walltime: walltimeS, needs: features } = options;
  const resources: Resources = present({ slots, cores, memoryGb, gpus, nodes, walltimeS, features });
  const { tag: tags, site, attempts: attemptsMax, priority, deadline, onParentFailure } = options;
  const retryDelayMs = options.retryDelay === undefined ? undefined : Math.round(options.retryDelay * 1000);
  return {
    ...present({ tags, site, attemptsMax, priority, deadline, onParentFailure, retryDelayMs }),
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
  };
}

/**
 * All of a job's specification but its work.
 * @throws INVALID_ARGUMENT the experiment in the environment or the settings is no experiment's name
 */
export function specOf(options: JobOptions): Omit<JobSpec, "work"> {
  const { parent: parents, experiment, policy, crossCheck } = options;
  const named = experimentSetting(experiment);
  const fields = changesOf(options) as Partial<Omit<JobSpec, "work">>;
  return {
    tags: {},
    attemptsMax: LIMITS.attemptsMax,
    ...fields,
    ...(named === null ? {} : { experiment: named }),
    ...(parents === undefined ? {} : { parents }),
    ...(crossCheck === undefined ? {} : { crossCheck }),
    ...(policy === undefined ? {} : { policy }),
  };
}
