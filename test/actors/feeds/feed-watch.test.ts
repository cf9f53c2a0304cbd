/** Feeds through a real central and real HTTP: what is kept, what is said of feeds that fail, are slow, or fall silent, and that jobs go by it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FeedSettings } from "../../../src/actors/feeds/feed-settings.js";
import { FEEDS_FILE } from "../../../src/actors/feeds/feed-settings.js";
import { FEED_KINDS } from "../../../src/actors/feeds/registry.js";
import { parseSettings } from "../../../src/cli/settings-file.js";
import { LIMITS } from "../../../src/core/limits.js";
import type { ClientApi } from "../../../src/core/protocols.js";
import { realClock } from "../../../src/core/real-clock.js";
import type { Connection } from "../../../src/wire/connect.js";
import { noop, openClient, openSite, start, type TestCentral, temporaryDir } from "../support.js";
import { type FeedServer, iriAnswers, NOW_MS, POLARIS, RIGS, serve, startFeedServer } from "./rigs.js";

let folder: Awaited<ReturnType<typeof temporaryDir>>;
let central: TestCentral;
let client: Connection<ClientApi>;
let server: FeedServer;
let log: string[];
/** Added to the monotonic clock, and by which the wall clock is at the time of the recorded answers. */
let laterMs = 0;
const wallMs = NOW_MS - Date.now();
const clock = { ...realClock, nowMs: () => Date.now() + wallMs + laterMs, monotonicMs: () => realClock.monotonicMs() + laterMs };
const note = (event: string) => void log.push(event);

const settings = (kind: string, more: Partial<FeedSettings> = {}): FeedSettings => ({
  ...{ kind, url: server.url, sites: { here: RIGS[kind]!.resource }, everyS: 0.1 },
  ...more,
});

async function begin(feeds: Record<string, FeedSettings>): Promise<void> {
  central = await start(folder.dir, { feeds, clock, logger: { info: note, warn: note, error: note } });
  client = await openClient(central);
}

async function end(): Promise<void> {
  client.close();
  await central.stop();
}

const downtimes = async () => (await client.remote.downtimes({})).downtimes;
const feeds = async () => (await client.remote.downtimes({})).feeds;
const written = () => log.filter((event) => event === "downtimes-set").length;
const rounds = async (count: number) => {
  const { length } = server.asked;
  await vi.waitFor(() => expect(server.asked.length).toBeGreaterThan(length + count), { timeout: 10_000 });
};

beforeEach(async () => {
  laterMs = 0;
  log = [];
  folder = await temporaryDir();
  server = await startFeedServer(RIGS.iri!.answers);
});
afterEach(async () => {
  await end();
  await server.close();
  await folder.remove();
});

describe.each(Object.keys(FEED_KINDS))("a feed of kind %s", (kind) => {
  it("tells central of downtimes once, and of the state of the machine", async () => {
    server.answer(serve(RIGS[kind]!.answers));
    await begin({ facility: settings(kind) });
    await vi.waitFor(async () => expect(await downtimes()).not.toEqual([]), { timeout: 10_000 });
    await rounds(12);
    expect(written()).toBe(1);
    for (const downtime of await downtimes()) expect(downtime).toMatchObject({ site: "here", source: "facility", by: null });
    expect(await feeds()).toMatchObject([
      { name: "facility", kind, state: "fresh", reason: null, sites: [{ site: "here", now: kind === "ical" ? "unknown" : "up" }] },
    ]);
  });
});

describe("a feed", () => {
  it("keeps jobs from a machine that it says is down, and lets them in when it says no more", async () => {
    const resource = (state: string) => JSON.stringify({ id: POLARIS, current_status: state });
    server.answer(serve(iriAnswers(resource("down"), "[]", "[]")));
    await begin({ alcf: settings("iri") });
    await vi.waitFor(async () => expect(await downtimes()).toHaveLength(1), { timeout: 10_000 });
    const [outage] = await downtimes();
    expect(outage).toMatchObject({ kind: "unplanned", source: "alcf", to: null, state: "in-force" });
    const site = await openSite(central);
    const join = { site: "here", instance: "1" };
    await site.remote.join({ ...join, host: "h", slots: 1, apps: ["xpcs.noop"], held: [] });
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop()] });
    expect((await client.remote.job({ id: jobs[0]! })).reason).toBe(
      "site here is down, nobody has said until when (unplanned: it is said to be down, said by alcf)",
    );
    expect((await client.remote.sites({})).sites).toMatchObject([{ state: "down", facility: "down" }]);
    await rounds(6);
    // It is the same outage, since then.
    expect((await downtimes()).map(({ id, from }) => [id, from])).toEqual([[outage!.id, outage!.from]]);
    server.answer(serve(iriAnswers(resource("up"), "[]", "[]")));
    expect((await site.remote.lease({ ...join, slots: 1, waitMs: 8_000 })).leases.map(({ job }) => job)).toEqual(jobs);
    expect((await client.remote.sites({})).sites).toMatchObject([{ state: "up", facility: "up" }]);
    site.close();
  });

  it("has its word of downtimes kept when it fails, is stale after 15 minutes and then says nothing of now, and is believed again", async () => {
    await begin({ alcf: settings("iri") });
    await vi.waitFor(async () => expect((await feeds())[0]!.state).toBe("fresh"), { timeout: 10_000 });
    const before = await downtimes();
    server.answer((_request, response) => response.writeHead(500).end("broken"));
    await vi.waitFor(async () => expect((await feeds())[0]!.reason).toContain("answered 500: broken"), { timeout: 10_000 });
    expect((await feeds())[0]).toMatchObject({ state: "fresh", sites: [{ now: "up" }] });
    laterMs = LIMITS.feedStaleMs + 60_000;
    expect((await feeds())[0]).toMatchObject({ state: "stale", sites: [{ now: "unknown" }] });
    expect((await downtimes()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    const metrics = async () =>
      (
        await fetch(`${central.url.replace("ws", "http")}/metrics`, { headers: { authorization: `Bearer ${central.operatorToken}` } })
      ).text();
    expect(await metrics()).toMatch(/xpcs_feed_fresh\{feed="alcf"\} 0[\s\S]*|xpcs_feed_age_seconds\{feed="alcf"\} 9\d\d/);
    server.answer(serve(RIGS.iri!.answers));
    await vi.waitFor(async () => expect((await feeds())[0]).toMatchObject({ state: "fresh", reason: null }), { timeout: 10_000 });
    expect(await metrics()).toContain('xpcs_feed_fresh{feed="alcf"} 1');
    expect(log).toContain("feed-heard-again");
  });

  it("is said to wait, and then to be stale, where it was never heard of", async () => {
    server.answer((_request, response) => response.destroy());
    await begin({ alcf: settings("iri") });
    expect(await feeds()).toMatchObject([{ state: "waiting", heardAt: null, sites: [{ now: "unknown", schedule: "unknown" }] }]);
    laterMs = LIMITS.feedStaleMs + 60_000;
    expect((await feeds())[0]).toMatchObject({ state: "stale", heardAt: null });
  });

  it("that gives no answer, cut ones or endless ones keeps nobody waiting", async () => {
    server.answer(() => {});
    await begin({ alcf: settings("iri") });
    const startMs = Date.now();
    await client.remote.submit({ key: "k", jobs: [noop()] });
    expect(Date.now() - startMs).toBeLessThan(5_000);
    await end();
    server.answer((_request, response) => {
      response.writeHead(200, { "content-length": "1000" }).write("[{");
      setTimeout(() => response.destroy(), 10);
    });
    await begin({ alcf: settings("iri") });
    await vi.waitFor(async () => expect((await feeds())[0]!.reason).toContain("cut off"), { timeout: 10_000 });
    server.answer((_request, response) => void response.end("x".repeat(LIMITS.frameBytesMax + 1)));
    await vi.waitFor(async () => expect((await feeds())[0]!.reason).toContain("more than"), { timeout: 10_000 });
  });

  it("is asked again after a pause that it asks for, and not before", async () => {
    server.answer((_request, response) => response.writeHead(503, { "retry-after": "3600" }).end());
    await begin({ alcf: settings("iri") });
    await vi.waitFor(async () => expect((await feeds())[0]!.reason).toContain("answered 503"), { timeout: 10_000 });
    const { length } = server.asked;
    await new Promise((done) => setTimeout(done, 600));
    expect(server.asked).toHaveLength(length);
  });

  it("replaces what it said, and what somebody has removed stays so", async () => {
    const incident = (id: string, start: string) =>
      `{"id":"${id}","name":"${id}","status":"down","type":"planned","resolution":"pending","start":"${start}","end":null}`;
    const resource = JSON.stringify({ current_status: "up" });
    const later = (...incidents: string[]) => server.answer(serve(iriAnswers(resource, "[]", `[${incidents.join()}]`)));
    const [one, two] = [incident("one", "2026-12-08T00:00:00Z"), incident("two", "2026-12-09T00:00:00Z")];
    later(one, two);
    await begin({ alcf: settings("iri") });
    const words = async () => (await downtimes()).map(({ text, from, state }) => [text, from, state]);
    await vi.waitFor(async () => expect(await words()).toHaveLength(2), { timeout: 10_000 });
    await client.remote.removeDowntime({ id: (await downtimes())[0]!.id });
    later(incident("one", "2026-12-08T06:00:00Z"));
    await vi.waitFor(async () => expect(await words()).toEqual([["one", "2026-12-08T06:00:00.000Z", "removed"]]), { timeout: 10_000 });
    later();
    await vi.waitFor(async () => expect(await words()).toEqual([]), { timeout: 10_000 });
  });

  it("that publishes no schedule any more has not taken back what was planned", async () => {
    server.answer(serve(RIGS.s3m!.answers));
    await begin({ olcf: settings("s3m") });
    await vi.waitFor(async () => expect(await downtimes()).toHaveLength(1), { timeout: 10_000 });
    const none = RIGS.s3m!.texts[0]!.replace(
      /"downtimeScheduleAvailable":true,"upcomingDowntimes":\[.*?\]/,
      '"downtimeScheduleAvailable":false,"upcomingDowntimes":[]',
    );
    server.answer(serve(() => ({ status: 200, text: none })));
    await vi.waitFor(async () => expect((await feeds())[0]!.sites[0]).toMatchObject({ schedule: "unknown" }), { timeout: 10_000 });
    expect(await downtimes()).toMatchObject([{ text: "Compute system hardware maintenance" }]);
  });

  it("may be a calendar's file, which is read again; and what a feed said that is watched no more is over", async () => {
    const dir = await mkdtemp(join(tmpdir(), "xpcs-calendar-"));
    const file = join(dir, "maintenance.ics");
    const { url: _, ...calendar } = settings("ical", { file });
    await begin({ mondays: calendar });
    await vi.waitFor(async () => expect((await feeds())[0]!.reason).toContain("cannot be read"), { timeout: 10_000 });
    await writeFile(file, RIGS.ical!.texts[0]!);
    await vi.waitFor(async () => expect((await downtimes()).length).toBeGreaterThan(5), { timeout: 10_000 });
    await end();
    await begin({});
    expect(await downtimes()).toEqual([]);
    await rm(dir, { recursive: true });
  });
});

function refusal(text: string): string {
  try {
    parseSettings(FEEDS_FILE, text, "feeds.yaml");
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("a file of feeds", () => {
  beforeEach(() => begin({}));

  it("has each mistake told with its line", () => {
    const text = `feeds:
  alcf:
    kind: iri
    url: http://api.alcf.anl.gov/api/v1
    sites: { polaris: x }
  nersc:
    kind: sfapi
    url: https://api.nersc.gov/api/v1.2
    sites: {}
    zone: Mars/Olympus
  mondays:
    kind: ical
    url: https://example.org/a.ics
    file: /a.ics
    sites: { polaris: Polaris }
    everyS: 5
  olcf:
    kind: s3m
    file: /a.json
    zone: UTC
    sites: { defiant: defiant }
    colour: red
`;
    const message = refusal(text);
    const lines: [number, string][] = [
      [4, "must be https"],
      [9, "names no site"],
      [10, "is no zone"],
      [16, "everyS"],
      [22, 'there is no setting "colour"'],
    ];
    for (const [line, what] of lines) {
      expect(message).toContain(`line ${line}: `);
      expect(message).toContain(what);
    }
    expect(refusal(text.replace("nersc", "hand"))).toContain("line 6: feeds.hand: must not be hand, token, allocation");
    const both = "feeds:\n  mondays:\n    kind: ical\n    sites: { polaris: Polaris }\n";
    expect(refusal(both)).toContain("line 3: feeds.mondays: needs a url or a file, one of them");
    expect(refusal(`${both}    url: https://example.org/a\n    file: /a.ics\n`)).toContain("needs a url or a file, one of them");
    expect(refusal(both.replace("ical", "s3m"))).toContain("needs a url");
  });

  it("is right as the documentation has it", () => {
    const text = "feeds:\n  olcf: { kind: s3m, url: 'https://s3m.olcf.ornl.gov/olcf/v1alpha', sites: { defiant: defiant } }\n";
    expect(parseSettings(FEEDS_FILE, text, "feeds.yaml").feeds.olcf).toEqual({
      ...{ kind: "s3m", url: "https://s3m.olcf.ornl.gov/olcf/v1alpha", sites: { defiant: "defiant" }, everyS: 300 },
    });
    for (const wrong of ["file: /a", "zone: UTC", "everyS: 700"])
      expect(() => parseSettings(FEEDS_FILE, text.replace("kind", `${wrong.replace(": ", ": ")}, kind`), "f")).toThrow();
  });
});
