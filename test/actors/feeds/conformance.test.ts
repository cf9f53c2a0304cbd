/** One suite over every kind of feed: recorded answers, and what a service may answer in their place. Then what each kind has of its own. */
import { describe, expect, it } from "vitest";
import type { FeedKind, ResourceNews } from "../../../src/actors/feeds/define.js";
import { iri } from "../../../src/actors/feeds/iri.js";
import { FEED_KINDS } from "../../../src/actors/feeds/registry.js";
import { DOWNTIME_KINDS, FACILITY_STATES } from "../../../src/core/downtime.js";
import { isCode, isErrorCode } from "../../../src/core/errors.js";
import { LIMITS } from "../../../src/core/limits.js";
import { seeded } from "../../ledger/world.js";
import { type Answers, iriAnswers, NOW_MS, POLARIS, RIGS, sourceOf } from "./rigs.js";

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());

async function read(kind: FeedKind, resource: string, answers: Answers): Promise<ResourceNews> {
  return (await kind.read([resource], sourceOf(answers))).get(resource)!;
}

const told = ({ now, schedule, downtimes }: ResourceNews) => ({
  now,
  schedule,
  downtimes: downtimes.map(({ fromMs, toMs, kind, text, degraded }) => [
    iso(fromMs),
    iso(toMs),
    kind,
    text,
    ...(degraded ? ["degraded"] : []),
  ]),
});

/** What must hold of anything that a feed says, or of the error in its place. */
async function sane(reading: Promise<ResourceNews>): Promise<"news" | "error"> {
  let news: ResourceNews;
  try {
    news = await reading;
  } catch (error) {
    const { code } = error as { code?: unknown };
    expect(isErrorCode(code) && code !== "INTERNAL", String((error as Error).stack)).toBe(true);
    return "error";
  }
  expect(FACILITY_STATES).toContain(news.now);
  const ids = news.downtimes.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { fromMs, toMs, kind, text } of news.downtimes) {
    expect(Number.isFinite(fromMs) && (toMs === null || (toMs > fromMs && toMs > NOW_MS))).toBe(true);
    expect(DOWNTIME_KINDS).toContain(kind);
    expect(text.length).toBeLessThanOrEqual(LIMITS.tagCharsMax);
    expect(text).not.toMatch(/\p{Cc}/u);
  }
  return "news";
}

/** The answers with one text in place of another. */
function spoilt(answers: Answers, good: string, bad: string): Answers {
  return (path, query) => {
    const answer = answers(path, query);
    return answer.text === good ? { ...answer, text: bad } : answer;
  };
}

/** Changes one value of a JSON text. */
function mutated(text: string, rng: () => number): string {
  const odd = [
    null,
    -1,
    "",
    "x",
    [],
    {},
    1e308,
    "2026-13-45T00:00:00Z",
    "\u0000\u001b[2J",
    "x".repeat(10_000),
    "9999-12-31T23:59:59Z",
    true,
  ];
  const places: [Record<string, unknown>, string][] = [];
  const json: unknown = JSON.parse(text);
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) {
      places.push([value as Record<string, unknown>, key]);
      visit((value as Record<string, unknown>)[key]);
    }
  };
  visit(json);
  const [owner, key] = places[Math.floor(rng() * places.length)]!;
  if (rng() < 0.2) delete owner[key];
  else owner[key] = odd[Math.floor(rng() * odd.length)];
  return JSON.stringify(json);
}

describe.each(Object.entries(FEED_KINDS))("a feed of kind %s", (name, kind) => {
  const rig = RIGS[name]!;

  it("has the name that the registry gives it, and says what it is", () => {
    expect(kind.name).toBe(name);
    expect(kind.about.length).toBeGreaterThan(10);
  });

  it("reads its recorded answers, the same each time, with an id for each downtime", async () => {
    const news = await read(kind, rig.resource, rig.answers);
    expect(await sane(Promise.resolve(news))).toBe("news");
    expect(news.downtimes.length).toBeGreaterThan(0);
    expect(await read(kind, rig.resource, rig.answers)).toEqual(news);
    // A little later: the same downtimes have the same ids.
    const later = await kind.read([rig.resource], sourceOf(rig.answers, { nowMs: NOW_MS + 60_000 }));
    expect(later.get(rig.resource)!.downtimes.map(({ id }) => id)).toEqual(news.downtimes.map(({ id }) => id));
  });

  it("reads several machines at once, and one of them twice", async () => {
    const news = await kind.read([rig.resource, rig.resource], sourceOf(rig.answers));
    expect([...news.keys()]).toEqual([rig.resource]);
  });

  it("tells of what is over no more", async () => {
    const nowMs = Date.parse("2040-01-01T00:00:00Z");
    const news = await kind.read([rig.resource], sourceOf(rig.answers, { nowMs }));
    for (const { toMs } of news.get(rig.resource)!.downtimes) expect(toMs === null || toMs > nowMs).toBe(true);
  });

  it("takes no cut answer for a whole one", async () => {
    for (const text of rig.texts) {
      for (let cut = 0; cut < text.trimEnd().length; cut += 1 + Math.floor(text.length / 150)) {
        const reading = read(kind, rig.resource, spoilt(rig.answers, text, text.slice(0, cut)));
        await expect(reading, `cut at ${cut}: ${text.slice(0, cut).slice(-60)}`).rejects.toMatchObject({ code: "CORRUPT_DATA" });
      }
    }
  });

  it("takes no other status, and no page of a proxy, for an answer", async () => {
    for (const status of [204, 301, 400, 401, 403, 500, 502, 503])
      await expect(
        read(kind, rig.resource, () => ({ status, text: "<html>no</html>" })),
        String(status),
      ).rejects.toMatchObject({ code: "UNAVAILABLE" });
    for (const text of ["<html>welcome</html>", "", "null", "42", "\u0000", "[[[[", '{"resources":42}'])
      await expect(
        read(kind, rig.resource, () => ({ status: 200, text })),
        text,
      ).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  });

  it("says nothing senseless, whatever is changed in its answers", async () => {
    const rng = seeded(5);
    const ends = new Set<string>();
    for (let round = 0; round < 300; round += 1) {
      const text = rig.texts[round % rig.texts.length]!;
      const at = Math.floor(rng() * text.length);
      const bad = text.startsWith("BEGIN")
        ? `${text.slice(0, at)}${"0:;=,\r\nZ9"[Math.floor(rng() * 10)]}${text.slice(at + 1)}`
        : mutated(text, rng);
      ends.add(await sane(read(kind, rig.resource, spoilt(rig.answers, text, bad))));
    }
    expect([...ends].sort()).toEqual(["error", "news"]);
  });
});

it("every kind has recorded answers, and no other has", () => {
  expect(Object.keys(RIGS).sort()).toEqual(Object.keys(FEED_KINDS).sort());
});

describe("iri", () => {
  it("knows incidents in force and to come, open ends, reservations, and what was called off", async () => {
    expect(told(await read(iri, POLARIS, RIGS.iri!.answers))).toEqual({
      now: "up",
      schedule: "known",
      downtimes: [
        ["2026-12-07T11:00:00.000Z", null, "unplanned", "Slow file system: eagle", "degraded"],
        ["2026-12-07T15:00:00.000Z", "2026-12-07T23:00:00.000Z", "planned", "Polaris PM: New switches"],
        ["2026-12-08T15:00:00.000Z", "2026-12-08T16:00:00.000Z", "reservation", "Reserved for a course"],
        ["2026-12-31T06:00:00.000Z", null, "planned", "Retirement"],
      ],
    });
  });

  const resource = (state: string) => JSON.stringify({ id: POLARIS, name: "Polaris", current_status: state });
  const incident = (more: object) =>
    JSON.stringify([
      { id: "i", name: "n", status: "down", type: "planned", resolution: "pending", start: "2026-12-07T13:00:00Z", end: null, ...more },
    ]);

  it("takes a 404 for an empty list, but not for a resource", async () => {
    expect(told(await read(iri, POLARIS, iriAnswers(resource("up"), "[]", "[]")))).toEqual({ now: "up", schedule: "known", downtimes: [] });
    await expect(read(iri, "another", RIGS.iri!.answers)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("goes by an incident in force where the state is another, and by its end", async () => {
    const at = async (state: string, now: string) => told(await read(iri, POLARIS, iriAnswers(resource(state), now, "[]")));
    expect(await at("up", incident({}))).toMatchObject({ now: "down", downtimes: [["2026-12-07T13:00:00.000Z", null, "planned", "n"]] });
    expect((await at("up", incident({ status: "up" }))).downtimes).toEqual([]);
    expect((await at("up", incident({ resolution: "completed" }))).downtimes).toEqual([]);
    expect((await at("up", incident({ resolution: "extended", end: "2026-12-07T13:30:00Z" }))).downtimes).toEqual([]);
    expect(await at("unknown", "[]")).toMatchObject({ now: "unknown" });
    expect(await at("down", "[]")).toMatchObject({ now: "down", downtimes: [] });
  });

  it("refuses more incidents than anybody announces", async () => {
    const many = (count: number) =>
      `[${Array.from({ length: count }, (_, n) => incident({ id: `i${n}`, start: "2026-12-08T00:00:00Z", end: "2026-12-08T01:00:00Z" }).slice(1, -1)).join()}]`;
    expect((await read(iri, POLARIS, iriAnswers(resource("up"), "[]", many(LIMITS.feedDowntimesMax)))).downtimes).toHaveLength(200);
    await expect(read(iri, POLARIS, iriAnswers(resource("up"), "[]", many(LIMITS.feedDowntimesMax + 1)))).rejects.toMatchObject({
      code: "CORRUPT_DATA",
    });
  });
});

describe("sfapi", () => {
  const { sfapi } = FEED_KINDS;
  const { answers } = RIGS.sfapi!;

  it("reads the list of lists, times without a zone as those of the place, and leaves out what is canceled", async () => {
    expect(told(await read(sfapi!, "perlmutter", answers))).toEqual({
      now: "up",
      schedule: "known",
      downtimes: [
        ["2026-12-16T14:00:00.000Z", "2026-12-17T06:00:00.000Z", "planned", "Scheduled Maintenance"],
        ["2026-12-09T14:00:00.000Z", null, "planned", "System Degraded: Half of the GPU nodes", "degraded"],
      ],
    });
  });

  it("knows the words of its states", async () => {
    const states = await Promise.all(["spin", "jupyter"].map(async (name) => [name, (await read(sfapi!, name, answers)).now]));
    expect(states).toEqual([
      ["spin", "down"],
      ["jupyter", "unknown"],
    ]);
    // Degraded by its word, down by its maintenance, which was extended.
    expect(told(await read(sfapi!, "dtns", answers))).toMatchObject({
      now: "down",
      downtimes: [["2026-12-07T13:00:00.000Z", "2026-12-07T15:00:00.000Z", "planned", "Scheduled Maintenance: reboot"]],
    });
    await expect(read(sfapi!, "cori", answers)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("s3m", () => {
  const { s3m } = FEED_KINDS;
  const { answers } = RIGS.s3m!;

  it("tells a resource without a schedule from one without downtimes", async () => {
    expect(told(await read(s3m!, "defiant", answers))).toEqual({
      now: "up",
      schedule: "known",
      downtimes: [["2026-12-20T11:40:00.000Z", "2026-12-21T11:40:00.000Z", "planned", "Compute system hardware maintenance"]],
    });
    expect(told(await read(s3m!, "odo", answers))).toEqual({ now: "up", schedule: "unknown", downtimes: [] });
    // What is false or empty is left out.
    expect(told(await read(s3m!, "quokka", answers))).toEqual({ now: "down", schedule: "unknown", downtimes: [] });
  });

  it("does not believe what the API has not heard for long", async () => {
    expect(told(await read(s3m!, "wombat", answers))).toEqual({ now: "unknown", schedule: "known", downtimes: [] });
    await expect(read(s3m!, "frontier", answers)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("ical", () => {
  const { ical } = FEED_KINDS;
  const calendar = (...lines: string[]): Answers => {
    const text = [
      "BEGIN:VCALENDAR",
      "VERSION:2.0",
      "BEGIN:VEVENT",
      "UID:1",
      "SUMMARY:PM",
      ...lines,
      "END:VEVENT",
      "END:VCALENDAR",
      "",
    ].join("\r\n");
    return () => ({ status: 200, text });
  };
  const times = async (answers: Answers) => told(await read(ical!, "*", answers)).downtimes.map(([from, to]) => `${from} ${to}`);

  it("expands what recurs in the calendar's own zone, with what is moved and what is left out", async () => {
    const { now, schedule, downtimes } = told(await read(ical!, "polaris", RIGS.ical!.answers));
    expect([now, schedule]).toEqual(["unknown", "known"]);
    expect(downtimes.slice(0, 4)).toEqual([
      ["2026-12-07T15:00:00.000Z", "2026-12-07T23:00:00.000Z", "planned", "Preventive maintenance"],
      ["2026-12-15T14:00:00.000Z", "2026-12-15T18:00:00.000Z", "planned", "Preventive maintenance, moved"],
      ["2026-12-28T15:00:00.000Z", "2026-12-28T23:00:00.000Z", "planned", "Preventive maintenance"],
      ["2027-01-04T15:00:00.000Z", "2027-01-04T23:00:00.000Z", "planned", "Preventive maintenance"],
    ]);
    expect(downtimes.at(-1)![0]! < "2027-02-06").toBe(true);
    // A day without hours is a day of the place.
    expect(told(await read(ical!, "crux", RIGS.ical!.answers)).downtimes).toEqual([
      ["2026-12-10T08:00:00.000Z", "2026-12-11T08:00:00.000Z", "planned", "Crux: power"],
    ]);
  });

  it("follows the clock of the place over the end of summer time", async () => {
    const weekly = calendar(
      "DTSTART;TZID=America/Chicago:20261019T090000",
      "DTEND;TZID=America/Chicago:20261019T170000",
      "RRULE:FREQ=WEEKLY;COUNT=3",
    );
    const news = await ical!.read(["*"], sourceOf(weekly, { nowMs: Date.parse("2026-10-19T00:00:00Z") }));
    expect(news.get("*")!.downtimes.map(({ fromMs }) => iso(fromMs))).toEqual([
      "2026-10-19T14:00:00.000Z",
      "2026-10-26T14:00:00.000Z",
      "2026-11-02T15:00:00.000Z",
    ]);
  });

  it("is down while an event lasts", async () => {
    expect((await read(ical!, "*", calendar("DTSTART:20261207T130000Z", "DURATION:PT2H"))).now).toBe("down");
  });

  it("reads times with and without a zone, and refuses one that nobody knows", async () => {
    expect(await times(calendar("DTSTART:20261208T130000Z", "DTEND:20261208T140000Z"))).toEqual([
      "2026-12-08T13:00:00.000Z 2026-12-08T14:00:00.000Z",
    ]);
    expect(await times(calendar("DTSTART:20261208T130000", "DTEND:20261208T140000"))).toEqual([
      "2026-12-08T21:00:00.000Z 2026-12-08T22:00:00.000Z",
    ]);
    await expect(
      times(calendar("DTSTART;TZID=Nowhere/Atall:20261208T130000", "DTEND;TZID=Nowhere/Atall:20261208T140000")),
    ).rejects.toMatchObject({
      code: "CORRUPT_DATA",
      message: expect.stringContaining("nobody knows the zone Nowhere/Atall"),
    });
  });

  it.each(["FREQ=SECONDLY", "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=NEVER"])(
    "stops at a rule that leads nowhere: %s",
    async (rule) => {
      const endless = calendar("DTSTART:20200101T090000Z", "DTEND:20200101T100000Z", `RRULE:${rule}`);
      await expect(read(ical!, "*", endless)).rejects.toSatisfy((error: unknown) => isCode(error, "CORRUPT_DATA"));
    },
  );
});
