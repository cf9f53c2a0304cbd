/**
 * A calendar (RFC 5545): events whose title, place or category has the machine's word in it are its downtimes; recurring ones are told for some weeks. It
 * says nothing of how a machine is now.
 */
import { createContext, runInContext } from "node:vm";
import ICAL from "ical.js";
import { XpcsError } from "../../core/errors.js";
import { bounded, type FeedDowntime, type FeedKind, plain, sentence, standing, stateBy } from "./define.js";
import { isZone, zonedMs } from "./zoned-time.js";

const DAY_MS = 86_400_000;
/** How far ahead recurring events are told: longer than any job. */
const AHEAD_MS = 60 * DAY_MS;
/** Of one event: one that recurs every day since ten years. */
const TURNS_MAX = 4_000;
/** A rule that has no next time keeps the library searching: it is stopped. */
const WORK_MS = 3_000;

const broken = (why: string): XpcsError => new XpcsError("CORRUPT_DATA", `the calendar cannot be read: ${plain(why)}`);

/** Runs `work`, which is the library's, for at most `WORK_MS`. @throws CORRUPT_DATA */
function withinTime<T>(work: () => T): T {
  try {
    return runInContext("work()", createContext({ work }), { timeout: WORK_MS }) as T;
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (error instanceof XpcsError) throw error;
    throw broken(code === "ERR_SCRIPT_EXECUTION_TIMEOUT" ? `it takes more than ${WORK_MS} ms` : String(message));
  }
}

/** It has no zone that the calendar defines. */
const isFloating = ({ zone }: ICAL.Time): boolean => (zone?.tzid ?? "floating") === "floating";

/** @param zone of a time that has none */
function timeMs(time: ICAL.Time, zone: string): number {
  return isFloating(time) ? zonedMs(time.toString(), zone) : time.toUnixTime() * 1000;
}

/** Zone of an event's times where the calendar does not define it. @throws CORRUPT_DATA */
function zoneOf(component: ICAL.Component, zone: string): string {
  const start = component.getFirstProperty("dtstart");
  const tzid = start?.getFirstParameter("tzid") ?? "";
  if (tzid === "" || start === null || !isFloating(start.getFirstValue() as ICAL.Time)) return zone;
  if (!isZone(tzid)) throw broken(`nobody knows the zone ${tzid}`);
  return tzid;
}

interface Occurrence {
  readonly event: ICAL.Event;
  readonly start: ICAL.Time;
  readonly end: ICAL.Time;
}

/** The times of an event that are not over and begin soon, with those that were moved. */
function* occurrences(
  event: ICAL.Event,
  isOver: (occurrence: Occurrence) => boolean,
  isLater: (start: ICAL.Time) => boolean,
): Generator<Occurrence> {
  if (!event.isRecurring()) {
    const once = { event, start: event.startDate, end: event.endDate };
    if (!isOver(once)) yield once;
    return;
  }
  const times = event.iterator();
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const next = times.next() as ICAL.Time | null | undefined;
    if (!next || isLater(next)) return;
    const { item, startDate, endDate } = event.getOccurrenceDetails(next);
    const occurrence = { event: item, start: startDate, end: endDate };
    if (!isOver(occurrence)) yield occurrence;
  }
  throw broken(`"${event.summary}" recurs more than ${TURNS_MAX} times before it is over`);
}

interface Entry {
  /** Where the machine's word is looked for. */
  readonly names: string;
  readonly downtime: FeedDowntime;
}

function textOf(component: ICAL.Component, name: string): string {
  return component
    .getAllProperties(name)
    .flatMap((property) => property.getValues().map(String))
    .join(" ");
}

/** All that is in the calendar and not over. @throws CORRUPT_DATA */
function entriesOf(text: string, nowMs: number, zone: string): Entry[] {
  // The library takes a calendar that was cut for a whole one.
  if (!/\nEND:VCALENDAR\s*$/i.test(text)) throw broken("its end is missing");
  const root = ICAL.parse(text) as [unknown, ...unknown[]];
  const calendar = new ICAL.Component(root as unknown as string);
  if (calendar.name !== "vcalendar") throw broken("it is no calendar");
  const components = calendar.getAllSubcomponents("vevent");
  const moved = components.filter((component) => component.hasProperty("recurrence-id"));
  return components
    .filter((component) => !component.hasProperty("recurrence-id"))
    .flatMap((component) => {
      const uid = textOf(component, "uid");
      const exceptions = moved.filter((other) => textOf(other, "uid") === uid);
      const event = new ICAL.Event(component, { exceptions: exceptions as unknown as ICAL.Component[] });
      const own = zoneOf(component, zone);
      const isOver = ({ end }: Occurrence): boolean => timeMs(end, own) <= nowMs;
      const isLater = (start: ICAL.Time): boolean => timeMs(start, own) > nowMs + AHEAD_MS;
      return [...occurrences(event, isOver, isLater)].flatMap(({ event: item, start, end }): Entry[] => {
        if (textOf(item.component, "status").toUpperCase() === "CANCELLED") return [];
        const [fromMs, toMs] = [timeMs(start, own), timeMs(end, own)];
        if (Number.isNaN(fromMs) || Number.isNaN(toMs)) throw broken(`"${item.summary}" has no time`);
        const names = ["summary", "location", "categories"].map((name) => textOf(item.component, name)).join(" ");
        return [{ names, downtime: { id: `${uid}/${fromMs}`, fromMs, toMs, kind: "planned", text: sentence(item.summary) } }];
      });
    });
}

export const ical: FeedKind = {
  name: "ical",
  about: "a calendar of maintenance (RFC 5545), also a file",
  zone: "UTC",
  fromFile: true,
  async read(resources, source) {
    const { status, text } = await source.get("");
    if (status !== 200) throw new XpcsError("UNAVAILABLE", `the calendar: the feed answered ${status}`);
    const entries = withinTime(() => entriesOf(text, source.nowMs, source.zone));
    return new Map(
      resources.map((word) => {
        const own = entries.filter(({ names }) => word === "*" || names.toLowerCase().includes(word.toLowerCase()));
        const downtimes = standing(
          bounded(word, own).map(({ downtime }) => downtime),
          source.nowMs,
        );
        return [word, { now: stateBy(downtimes, source.nowMs) ?? "unknown", schedule: "known", downtimes }];
      }),
    );
  },
};
