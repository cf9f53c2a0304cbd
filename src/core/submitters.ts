/** Whose jobs a site takes: its rule, and what follows from it. Pure; central asks it too, for a site that starts pilots. */
import { DEFAULT_EXPERIMENT } from "./job.js";

/** A job may run whose person or whose experiment is named. */
export interface Submitters {
  /** As their tokens name them. */
  readonly persons: readonly string[];
  /** `CYCLE/NAME`, or `CYCLE/*` for all of a cycle. */
  readonly experiments: readonly string[];
}

/** Of a job. Absent: not known; for the experiment, the default one. */
export interface Submitter {
  readonly owner?: string | undefined;
  readonly experiment?: string | undefined;
}

/** Null: everybody's. */
export type SubmitterRule = Submitters | null;

/** Whether the rule takes a job of that person and experiment. */
export function takesFrom(rule: SubmitterRule, { owner, experiment = DEFAULT_EXPERIMENT }: Submitter): boolean {
  if (rule === null) return true;
  const cycle = experiment.slice(0, experiment.indexOf("/"));
  return (
    (owner !== undefined && rule.persons.includes(owner)) ||
    rule.experiments.includes(experiment) ||
    rule.experiments.includes(`${cycle}/*`)
  );
}

/** The sentence for a job that it does not take. */
export function notTaken(site: string, { owner, experiment = DEFAULT_EXPERIMENT }: Submitter): string {
  return `site ${site} takes jobs of certain persons and experiments, and not of ${owner ?? "somebody without a name"} in ${experiment}`;
}
