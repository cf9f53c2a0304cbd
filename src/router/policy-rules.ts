/** Which policy chooses for a job: the one that it asks for, else that of the first rule for one of its tags, else central's. */
import type { JobSpec } from "../core/job.js";
import type { Policy } from "./policy.js";
import { POLICIES } from "./registry.js";

/** Jobs with this tag are routed by this policy. */
export interface TagRule {
  readonly key: string;
  readonly value: string;
  readonly policy: Policy;
}

export interface PolicyOf {
  (spec: Pick<JobSpec, "policy" | "tags">): Policy;
  /** Of two jobs that ask for the same policy, or for none, each may have another, by its tags. */
  readonly byTags?: boolean;
}

/** One policy for all jobs. */
export const always =
  (policy: Policy): PolicyOf =>
  () =>
    policy;

/** The policy of each job. A name that this version does not know, from a ledger of a later one, is passed over. */
export function policyOf(standard: Policy, rules: readonly TagRule[]): PolicyOf {
  const choose: PolicyOf = ({ policy, tags }) => {
    if (policy !== undefined && Object.hasOwn(POLICIES, policy)) return POLICIES[policy]!;
    if (rules.length === 0) return standard;
    return rules.find(({ key, value }) => Object.hasOwn(tags, key) && tags[key] === value)?.policy ?? standard;
  };
  return Object.assign(choose, { byTags: rules.length > 0 });
}
