/** OLCF's S3M status API: each resource with its downtimes, where it publishes a schedule at all. */
import { z } from "zod";
import type { FacilityState } from "../../core/downtime.js";
import { LIMITS } from "../../core/limits.js";
import { bounded, type FeedDowntime, type FeedKind, idOf, instant, jsonOf, newsOf, sentence, standing, stateBy, words } from "./define.js";

const DOWNTIME = z.object({ status: words, start: instant, end: instant.nullish(), description: words });
/** What is false or empty may be left out, as in JSON of protocol buffers. */
const RESOURCES = z.object({
  resources: z
    .array(
      z.object({
        name: z.string(),
        description: words,
        status: words,
        downtimeScheduleAvailable: z.boolean().nullish(),
        upcomingDowntimes: z.array(DOWNTIME).nullish(),
        retrievedAt: instant.nullish(),
      }),
    )
    .nullish(),
});

const STATES: Readonly<Record<string, FacilityState>> = { OPERATIONAL: "up", DEGRADED: "degraded", UNAVAILABLE: "down" };

function downtimeOf(resource: string, { status, start, end, description }: z.output<typeof DOWNTIME>): FeedDowntime {
  const text = sentence(description);
  const told = { id: idOf(resource, start, text), fromMs: start, toMs: end ?? null, kind: "planned" as const, text };
  return STATES[status ?? ""] === "degraded" ? { ...told, degraded: true } : told;
}

export const s3m: FeedKind = {
  name: "s3m",
  about: "OLCF's S3M status API",
  zone: null,
  fromFile: false,
  async read(resources, source) {
    const { resources: found } = jsonOf(RESOURCES, "the state of the resources", await source.get("/status"));
    return newsOf(
      "the API",
      resources,
      (resource) => found?.find(({ name }) => name === resource),
      ({ name, status, downtimeScheduleAvailable, upcomingDowntimes, retrievedAt }) => {
        const told = bounded(name, upcomingDowntimes ?? []).map((downtime) => downtimeOf(name, downtime));
        const downtimes = standing(told, source.nowMs);
        // What the API itself has not heard for long it repeats as if it were of now.
        const isOld = retrievedAt != null && source.nowMs - retrievedAt > LIMITS.feedStaleMs;
        const said = isOld ? "unknown" : (STATES[status ?? ""] ?? "unknown");
        const now = stateBy(downtimes, source.nowMs) === "down" ? "down" : said;
        return { now, schedule: downtimeScheduleAvailable === true ? "known" : "unknown", downtimes };
      },
    );
  },
};
