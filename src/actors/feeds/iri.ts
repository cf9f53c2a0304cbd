/** The IRI Facility API, as at ALCF, NERSC and ESnet: the state of a resource, and its incidents. Asks twice: for those in force, and for those to come. */
import { z } from "zod";
import { XpcsError } from "../../core/errors.js";
import { LIMITS } from "../../core/limits.js";
import {
  bounded,
  type FeedDowntime,
  type FeedKind,
  type FeedSource,
  instant,
  jsonOf,
  type ResourceNews,
  sentence,
  standing,
  stateBy,
  words,
} from "./define.js";

const STATUS = z.enum(["up", "down", "degraded", "unknown"]);
const RESOURCE = z.object({ name: words, current_status: STATUS.nullish() });
const INCIDENTS = z.array(
  z.object({
    id: z.string().min(1),
    name: words,
    description: words,
    status: STATUS,
    type: z.enum(["planned", "unplanned", "reservation"]),
    resolution: z.enum(["unresolved", "cancelled", "completed", "extended", "pending"]),
    start: instant,
    end: instant.nullish(),
  }),
);
type Incident = z.output<typeof INCIDENTS>[number];

/** More than are taken, so that too many are noticed. */
const PAGE = String(LIMITS.feedDowntimesMax + 1);

/** Incidents of a resource that are in force, or to come. An empty list is answered with 404. */
async function incidents(resource: string, source: FeedSource, inForce: boolean): Promise<Incident[]> {
  const at = new Date(source.nowMs).toISOString();
  const query = { resource_id: resource, limit: PAGE, ...(inForce ? { time: at } : { from: at }) };
  const answer = await source.get("/status/incidents", query);
  return answer.status === 404 ? [] : jsonOf(INCIDENTS, `the incidents of ${resource}`, answer);
}

/** Whether it works then, as far as the incident says. What nobody knows of an outage, the site's own signs of life tell. */
function isDegraded({ status, type }: Incident): boolean {
  return status === "degraded" || (status === "unknown" && type === "unplanned");
}

function downtimeOf(incident: Incident, nowMs: number): FeedDowntime[] {
  const { id, name, description, type: kind, resolution, start: fromMs, end, status } = incident;
  // "up" of one that is to come may be of the present; of one that has begun it says that it is over, or never hurt.
  if (resolution === "cancelled" || resolution === "completed" || (fromMs <= nowMs && status === "up")) return [];
  const told = { id, fromMs, toMs: end ?? null, kind, text: sentence(name, description) };
  return [isDegraded(incident) ? { ...told, degraded: true } : told];
}

async function newsOf(resource: string, source: FeedSource): Promise<ResourceNews> {
  const what = `resource ${resource}`;
  const answer = await source.get(`/status/resources/${encodeURIComponent(resource)}`);
  if (answer.status === 404) throw new XpcsError("NOT_FOUND", `the API knows no ${what}`);
  const { current_status: status } = jsonOf(RESOURCE, what, answer);
  const inForce = await incidents(resource, source, true);
  const found = [...inForce, ...(await incidents(resource, source, false))];
  // One that begins at this moment is in both.
  const each = [...new Map(found.map((incident) => [incident.id, incident])).values()];
  const downtimes = standing(
    bounded(what, each).flatMap((incident) => downtimeOf(incident, source.nowMs)),
    source.nowMs,
  );
  return { now: stateBy(downtimes, source.nowMs) === "down" ? "down" : (status ?? "unknown"), schedule: "known", downtimes };
}

export const iri: FeedKind = {
  name: "iri",
  about: "the IRI Facility API: ALCF, NERSC, ESnet",
  zone: null,
  fromFile: false,
  async read(resources, source) {
    const news = new Map<string, ResourceNews>();
    for (const resource of resources) news.set(resource, await newsOf(resource, source));
    return news;
  },
};
