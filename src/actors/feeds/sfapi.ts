/** NERSC's Superfacility API: the state of each system, and its planned outages. Their times name no zone: they are those of the place. */
import { z } from "zod";
import type { FacilityState } from "../../core/downtime.js";
import { XpcsError } from "../../core/errors.js";
import { bounded, type FeedDowntime, type FeedKind, idOf, jsonOf, newsOf, sentence, standing, stateBy, words } from "./define.js";
import { zonedMs } from "./zoned-time.js";

const SYSTEMS = z.array(z.object({ name: z.string(), full_name: words, description: words, status: z.string() }));
const OUTAGE = z.object({
  name: z.string(),
  start_at: z.string(),
  end_at: words,
  description: words,
  notes: words,
  status: words,
  swo: words,
});
/** Of all systems: a list for each. */
const OUTAGES = z.array(z.union([z.array(OUTAGE), OUTAGE])).transform((lists) => lists.flat());
type Outage = z.output<typeof OUTAGE>;

const STATES: Readonly<Record<string, FacilityState>> = { active: "up", degraded: "degraded", unavailable: "down" };
/** Outages that will not be, or are over. */
const OVER = new Set(["cancelled", "completed"]);

function timeMs(text: string, zone: string): number {
  const ms = /(Z|[+-]\d\d:?\d\d)$/.test(text) ? Date.parse(text) : zonedMs(text, zone);
  if (Number.isNaN(ms)) throw new XpcsError("CORRUPT_DATA", `the planned outages: "${text.slice(0, 40)}" is no time`);
  return ms;
}

function downtimeOf({ name, start_at, end_at, description, notes, swo }: Outage, zone: string): FeedDowntime {
  const told = {
    id: idOf(name, start_at, description ?? null),
    fromMs: timeMs(start_at, zone),
    toMs: end_at ? timeMs(end_at, zone) : null,
    ...{ kind: "planned" as const, text: sentence(description, notes) },
  };
  return /degr/i.test(`${swo} ${description}`) ? { ...told, degraded: true } : told;
}

export const sfapi: FeedKind = {
  name: "sfapi",
  about: "NERSC's Superfacility API",
  zone: "America/Los_Angeles",
  fromFile: false,
  async read(resources, source) {
    const systems = jsonOf(SYSTEMS, "the state of the systems", await source.get("/status"));
    const answer = await source.get("/status/outages/planned");
    const outages = jsonOf(OUTAGES, "the planned outages", answer).filter(({ status }) => !OVER.has((status ?? "").toLowerCase()));
    return newsOf(
      "the API",
      resources,
      (resource) => systems.find(({ name }) => name === resource),
      ({ name, status }) => {
        const own = bounded(
          name,
          outages.filter((outage) => outage.name === name),
        );
        const downtimes = standing(
          own.map((outage) => downtimeOf(outage, source.zone)),
          source.nowMs,
        );
        const now = stateBy(downtimes, source.nowMs) === "down" ? "down" : (STATES[status.toLowerCase()] ?? "unknown");
        return { now, schedule: "known", downtimes };
      },
    );
  },
};
