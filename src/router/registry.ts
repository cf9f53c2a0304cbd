/** The routing policies by name. A new one is one file in policies/ and one line here. */
import { highestThroughput } from "./policies/highest-throughput.js";
import { pinned } from "./policies/pinned.js";
import { roundRobin } from "./policies/round-robin.js";
import { shortestBacklog } from "./policies/shortest-backlog.js";
import { soonest } from "./policies/soonest.js";
import type { Policy } from "./policy.js";

const ALL: readonly Policy[] = [soonest, roundRobin, shortestBacklog, highestThroughput, pinned];

export const POLICIES: Readonly<Record<string, Policy>> = Object.fromEntries(ALL.map((policy) => [policy.name, policy]));
