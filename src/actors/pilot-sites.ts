/**
 * Sites whose pilots are still to begin, as a policy sees them: what their earlier pilots have shown, and how long a pilot waits in the queue. Only those of
 * which that wait is known: without it nobody can say when a job would be answered there.
 */
import type { SelfTest, SiteName } from "../core/job.js";
import { type Learnt, learn, pooled } from "../core/learning.js";
import { LIMITS } from "../core/limits.js";
import type { LinkStats, SiteRecord, State } from "../ledger/state.js";
import type { SiteLoad } from "../router/policy.js";
import { loadOf as withoutWork } from "../router/work-ahead.js";
import { openings } from "./downtimes.js";
import { pilotsOf, withFeaturesOf } from "./pilot-features.js";
import type { PilotSite, Sites } from "./presence.js";
import { linkRate, pooledOf } from "./site-loads.js";

function addedLinks(links: readonly (LinkStats | undefined)[]): LinkStats | undefined {
  const known = links.filter((link) => link !== undefined);
  if (known.length === 0) return undefined;
  return { bytes: known.reduce((sum, { bytes }) => sum + bytes, 0), ms: known.reduce((sum, { ms }) => sum + ms, 0) };
}

/** How long a pilot of the site waits in the queue, ms: what the self-test measured, then what its pilots have waited, the newest for most; null: nobody knows. */
function queueWaitMs(known: readonly SiteRecord[], selfTest: SelfTest | null): number | null {
  let learnt: Learnt | undefined;
  if (selfTest?.queueWaitS !== undefined) learnt = learn(learnt, selfTest.queueWaitS, Date.parse(selfTest.at));
  for (const { queueWaitS, joinedAt } of known.toReversed()) if (queueWaitS !== undefined) learnt = learn(learnt, queueWaitS, joinedAt);
  return learnt === undefined ? null : 1_000 * learnt.mean;
}

function loadOf(name: SiteName, site: PilotSite, state: State, nowMs: number, isUp: (pilot: SiteName) => boolean): SiteLoad | null {
  const known = pilotsOf(state.sites, name);
  const selfTest: SelfTest | null = known.find(({ selfTest: told }) => told?.queueWaitS !== undefined)?.selfTest ?? site.selfTest;
  const waitMs = queueWaitMs(known, selfTest);
  if (waitMs === null) return null;
  const here = site.pilots.filter((pilot) => state.sites.get(pilot)?.present === true && isUp(pilot)).length;
  const count = site.pilotsMax - here;
  if (count <= 0) return null;
  const [latest] = known;
  const told = site.capacity.cores < LIMITS.resourceMax ? site.capacity : (latest?.capacity ?? site.capacity);
  const capacity = withFeaturesOf(told, latest);
  const facts = {
    ...{ name, up: true, pilotOf: null, draining: null, submitters: site.submitters, slots: 0, capacity, apps: site.apps, granted: 0 },
    learnt: pooledOf(state, name, known),
    common: pooledOf(state, "", [...state.sites.values()]),
    links: {
      in: linkRate(
        addedLinks(known.map(({ links }) => links?.in)),
        pooled(known.map(({ learnt }) => learnt?.in)),
        selfTest?.inBytesPerS,
        nowMs,
      ),
      out: linkRate(
        addedLinks(known.map(({ links }) => links?.out)),
        pooled(known.map(({ learnt }) => learnt?.out)),
        selfTest?.outBytesPerS,
        nowMs,
      ),
    },
    // Of cores that nobody has told the number, nothing can be said.
    eventsPerCoreS: capacity.cores < LIMITS.resourceMax ? (selfTest?.eventsPerCoreS ?? null) : null,
    pilots: { count, slotsEach: site.slotsEach, queueWaitMs: waitMs },
  };
  return withoutWork(facts, [], nowMs);
}

/** One for each such site that is connected. */
export function comingPilots(state: State, sites: Sites, nowMs: number, monotonicMs: number): SiteLoad[] {
  const openingFor = openings(state, sites, nowMs);
  return [...sites.pilotSites].flatMap(([name, site]) => {
    const load = loadOf(name, site, state, nowMs, (pilot) => sites.isUp(pilot, monotonicMs));
    return load === null ? [] : [{ ...load, ...openingFor(name, null) }];
  });
}
