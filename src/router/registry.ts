/** The routing policies by name. A new one is one file in policies/ and one line here. */
import { roundRobin } from "./policies/round-robin.js";
import { soonest } from "./policies/soonest.js";
import type { Policy } from "./policy.js";

export const POLICIES: Readonly<Record<string, Policy>> = {
  [soonest.name]: soonest,
  [roundRobin.name]: roundRobin,
};
