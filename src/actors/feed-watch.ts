/**
 * Asks the feeds of facilities, each for itself, beside the turns: with a time limit, again later after a failure, and puts what they say of downtimes into the
 * ledger where it is new. A feed that was not heard of for too long is stale: what it said of downtimes holds, of how a machine is now nothing is known.
 */
import { readFile, stat } from "node:fs/promises";
import type { Clock, Timer } from "../core/clock.js";
import { BY_HAND, type Downtime, type FacilityState, type FeedView } from "../core/downtime.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import type { SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { VERSION } from "../core/version.js";
import { createHttpClient, type HttpClient } from "../wire/http-client.js";
import { pauseMs } from "../wire/retry-after.js";
import type { Central } from "./central.js";
import type { FeedNews } from "./downtimes.js";
import { type FeedAnswer, type FeedDowntime, type FeedKind, idOf, type ResourceNews } from "./feeds/define.js";
import type { FeedSettings } from "./feeds/feed-settings.js";
import { FEED_KINDS } from "./feeds/registry.js";

/** Of one request. */
const TIMEOUT_MS = 20_000;
/** After a failure; doubled with each further one, up to the feed's usual time. */
const RETRY_MS = 15_000;
/** The outage that follows from the state alone, as no incident tells of it. */
const NOW = "now";

const iso = (ms: number) => new Date(ms).toISOString();

interface Watched {
  readonly name: string;
  readonly kind: FeedKind;
  readonly settings: FeedSettings;
  readonly client: HttpClient | null;
  news: ReadonlyMap<string, ResourceNews>;
  heardMs: number | null;
  /** The same by the monotonic clock; before there was one, when central began to ask. */
  freshMono: number;
  failures: number;
  reason: string | null;
  /** Of a pause that it has asked for, monotonic ms. */
  pausedUntilMs: number;
  timer: Timer | null;
  asking: Promise<void>;
}

export class FeedWatch implements FeedNews {
  readonly #central: Central;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #feeds: readonly Watched[];
  readonly #stopping = new AbortController();

  constructor(central: Central, feeds: Readonly<Record<string, FeedSettings>>, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#central = central;
    this.#clock = clock;
    this.#logger = logger;
    this.#feeds = Object.entries(feeds).map(([name, settings]) => ({
      ...{ name, settings, kind: FEED_KINDS[settings.kind]!, news: new Map(), heardMs: null, failures: 0, reason: null },
      client: settings.url === undefined ? null : createHttpClient({ url: new URL(settings.url), speaks: "other", proxy: "environment" }),
      freshMono: clock.monotonicMs(),
      ...{ pausedUntilMs: Number.NEGATIVE_INFINITY, timer: null, asking: Promise.resolve() },
    }));
  }

  /** Begins to ask, and to tell central. What feeds that are no longer watched have said is over. */
  async start(): Promise<void> {
    this.#central.feeds = this;
    const watched = new Set(this.#feeds.map(({ name }) => name));
    await this.#central.turn(() => {
      for (const source of [...this.#central.state.downtimes.keys()])
        if (source !== BY_HAND && !watched.has(source)) this.#central.execute({ type: "setDowntimes", source, downtimes: [] });
    });
    for (const feed of this.#feeds) this.#ask(feed);
  }

  /** Asks no more; ends when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const feed of this.#feeds) {
      feed.timer?.cancel();
      await feed.asking;
      feed.client?.close();
    }
  }

  #ask(feed: Watched): void {
    feed.asking = this.#askOnce(feed).then((waitMs) => {
      if (!this.#stopping.signal.aborted) feed.timer = this.#clock.after(waitMs, () => this.#ask(feed));
    });
  }

  /** @returns when to ask again, ms from now */
  async #askOnce(feed: Watched): Promise<number> {
    const everyMs = 1000 * feed.settings.everyS;
    const askedMs = this.#clock.nowMs();
    try {
      const resources = [...new Set(Object.values(feed.settings.sites))];
      const zone = feed.settings.zone ?? feed.kind.zone ?? "UTC";
      const news = await feed.kind.read(resources, { get: (path, query) => this.#get(feed, path, query), nowMs: askedMs, zone });
      await this.#central.turn(() => {
        const downtimes = this.#downtimes(feed, news, askedMs);
        this.#central.execute({ type: "setDowntimes", source: feed.name, downtimes });
      });
      feed.news = news;
      feed.heardMs = askedMs;
      feed.freshMono = this.#clock.monotonicMs();
      if (feed.failures > 0) this.#logger.info("feed-heard-again", { feed: feed.name });
      feed.failures = 0;
      feed.reason = null;
      return everyMs;
    } catch (error) {
      if (this.#stopping.signal.aborted) return everyMs;
      const { code, message } = toXpcsError(error);
      feed.failures += 1;
      feed.reason = message;
      this.#logger.warn("feed-failed", { feed: feed.name, code, reason: message, failures: feed.failures, state: this.#state(feed) });
      return Math.max(Math.min(everyMs, RETRY_MS * 2 ** (feed.failures - 1)), feed.pausedUntilMs - this.#clock.monotonicMs());
    }
  }

  async #get(feed: Watched, path: string, query: Readonly<Record<string, string>> = {}): Promise<FeedAnswer> {
    const { client, settings } = feed;
    if (client === null) return { status: 200, text: await fileText(settings.file!) };
    const url = new URL(settings.url!);
    const search = new URLSearchParams([...url.searchParams, ...Object.entries(query)]).toString();
    const stop = new AbortController();
    const timer = this.#clock.after(TIMEOUT_MS, () => stop.abort());
    const abort = () => stop.abort();
    this.#stopping.signal.addEventListener("abort", abort, { once: true });
    try {
      const answer = await client.ask({
        method: "GET",
        path: `${path === "" ? url.pathname : url.pathname.replace(/\/+$/, "")}${path}${search === "" ? "" : `?${search}`}`,
        headers: { accept: "application/json, text/calendar", "user-agent": `xpcs-runtime/${VERSION}` },
        signal: stop.signal,
      });
      const { status } = answer;
      const pause = status === 429 || status === 503 ? pauseMs(answer.headers["retry-after"], this.#clock.nowMs()) : null;
      if (pause !== null) feed.pausedUntilMs = this.#clock.monotonicMs() + pause;
      return { status, text: await answer.text() };
    } catch (error) {
      if (stop.signal.aborted && !this.#stopping.signal.aborted)
        throw new XpcsError("DEADLINE_EXCEEDED", `${url.origin} gave no answer within ${TIMEOUT_MS / 1000} s`);
      throw error;
    } finally {
      timer.cancel();
      this.#stopping.signal.removeEventListener("abort", abort);
    }
  }

  /** Within a turn: what the feed says, as central keeps it, of each site. */
  #downtimes({ name: source, settings }: Watched, news: ReadonlyMap<string, ResourceNews>, askedMs: number): Downtime[] {
    const before = this.#central.state.downtimes.get(source) ?? [];
    return Object.entries(settings.sites).flatMap(([site, resource]) => {
      const { now, schedule, downtimes } = news.get(resource)!;
      const base = { site, source, fetchedMs: askedMs };
      const told = downtimes.map((downtime): Downtime => ({ ...downtime, ...base, id: `${source}-${idOf(site, downtime.id)}` }));
      const known = before.filter((downtime) => downtime.site === site);
      // No schedule is not "nothing planned": what was planned when there was one still is.
      const kept = schedule === "known" ? [] : known.filter((old) => isPlanned(old, askedMs) && !told.some(({ id }) => id === old.id));
      return [...told, ...kept, ...outage(now, base, downtimes, known, askedMs)];
    });
  }

  #state({ heardMs, freshMono }: Watched): FeedView["state"] {
    if (this.#clock.monotonicMs() - freshMono > LIMITS.feedStaleMs) return "stale";
    return heardMs === null ? "waiting" : "fresh";
  }

  /** Of the present only what is fresh counts. */
  #now(feed: Watched, resource: string): FacilityState {
    return this.#state(feed) === "fresh" ? (feed.news.get(resource)?.now ?? "unknown") : "unknown";
  }

  views(): FeedView[] {
    return this.#feeds.map((feed) => ({
      ...{ name: feed.name, kind: feed.kind.name, state: this.#state(feed) },
      ...{ heardAt: feed.heardMs === null ? null : iso(feed.heardMs), reason: feed.reason },
      sites: Object.entries(feed.settings.sites).map(([site, resource]) => ({
        ...{ site, resource, now: this.#now(feed, resource) },
        schedule: feed.news.get(resource)?.schedule ?? "unknown",
      })),
    }));
  }

  heardMs(name: string): number | null {
    return this.#feeds.find((feed) => feed.name === name)?.heardMs ?? null;
  }

  facility(site: SiteName): FacilityState | null {
    const said = this.#feeds.flatMap((feed) => {
      const resource = feed.settings.sites[site];
      return resource === undefined ? [] : [this.#now(feed, resource)];
    });
    if (said.length === 0) return null;
    return (["down", "degraded", "up"] as const).find((state) => said.includes(state)) ?? "unknown";
  }
}

/** And not over. */
function isPlanned({ kind, toMs }: Downtime, nowMs: number): boolean {
  return kind !== "unplanned" && (toMs === null || toMs > nowMs);
}

/** It is said to be down, and no downtime says why: it is so since it was first seen. */
function outage(
  now: FacilityState,
  base: Pick<Downtime, "site" | "source" | "fetchedMs">,
  downtimes: readonly FeedDowntime[],
  known: readonly Downtime[],
  nowMs: number,
): Downtime[] {
  const isTold = downtimes.some(({ fromMs, toMs, degraded }) => !degraded && fromMs <= nowMs && (toMs === null || toMs > nowMs));
  if (now !== "down" || isTold) return [];
  const begin = `${base.source}-${NOW}-`;
  const earlier = known.find(({ id }) => id.startsWith(begin));
  if (earlier !== undefined) return [earlier];
  return [
    { ...base, id: `${begin}${idOf(base.site, nowMs)}`, fromMs: nowMs, toMs: null, kind: "unplanned", text: "it is said to be down" },
  ];
}

/** A calendar's file. @throws UNAVAILABLE */
async function fileText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > LIMITS.frameBytesMax) throw new Error(`it has more than ${LIMITS.frameBytesMax} bytes`);
    return await readFile(path, "utf8");
  } catch (error) {
    throw new XpcsError("UNAVAILABLE", `${path} cannot be read: ${(error as Error).message}`);
  }
}
