/** What central measures of itself, for Prometheus. Counts what it is told of; gauges are read when somebody asks. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Completed, LedgerEvent } from "../ledger/events.js";
import { keptRatio } from "../ledger/learnt.js";
import { attemptOf, type RecordState } from "../ledger/state.js";
import type { Central } from "./central.js";

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  /** Events that were decided. */
  events(events: readonly LedgerEvent[]): void;
  /** A group of turns became durable. */
  committed(durationMs: number): void;
  request(route: string, status: number, durationMs: number): void;
  refusedLogin(): void;
  /** Begins to read the gauges of `central`. */
  watch(central: Central, links: () => number): void;
}

const RECORD_STATES: Readonly<Record<RecordState, true>> = {
  "awaiting-parents": true,
  ready: true,
  leased: true,
  finished: true,
  failed: true,
  canceled: true,
};
/** Seconds, from a fast disk to a long poll. */
const BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];
/** 1: as promised. */
const RATIO_BUCKETS = [0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 4, 10];

/** Nothing measured yet. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const events = new Counter({
    name: "xpcs_ledger_events_total",
    help: "Events in the ledger since the start",
    labelNames: ["type"],
    registers,
  });
  const jobs = new Counter({ name: "xpcs_jobs_submitted_total", help: "Jobs that were accepted since the start", registers });
  const attempts = new Counter({
    name: "xpcs_attempts_ended_total",
    help: "Attempts that ended without a result",
    labelNames: ["outcome", "code"],
    registers,
  });
  const checks = new Counter({
    name: "xpcs_cross_checks_total",
    help: "Comparisons of runs of one job at several sites, and the site whose run was wrong, if it is known",
    labelNames: ["outcome", "site"],
    registers,
  });
  const commits = new Histogram({
    name: "xpcs_ledger_commit_seconds",
    help: "Synced write of a group of turns",
    buckets: BUCKETS_S,
    registers,
  });
  const requests = new Histogram({
    name: "xpcs_http_request_seconds",
    help: "HTTP requests, long polls included",
    labelNames: ["route", "status"],
    buckets: BUCKETS_S,
    registers,
  });
  const kept = new Histogram({
    name: "xpcs_answer_over_promise",
    help: "Time from the grant to the answer over what was promised, of finished jobs",
    labelNames: ["site"],
    buckets: RATIO_BUCKETS,
    registers,
  });
  let watched: Central | null = null;
  const answered = (event: Completed): void => {
    const job = watched?.state.jobs.get(event.job);
    const attempt = job && attemptOf(job, event.epoch);
    if (attempt?.promised === undefined) return;
    kept.observe({ site: attempt.site }, keptRatio(event.at - Date.parse(attempt.startedAt), attempt.promised.ms));
  };
  const refused = new Counter({ name: "xpcs_logins_refused_total", help: "Tokens that were refused, or not looked at", registers });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    events(list) {
      for (const event of list) {
        events.inc({ type: event.type });
        if (event.type === "completed") answered(event);
        if (event.type === "submitted") jobs.inc(event.jobs.length);
        if (event.type === "crossChecked")
          checks.inc({ outcome: event.agreed ? "agreed" : event.wrong === null ? "differed" : "wrong", site: event.wrong ?? "" });
        if (event.type === "attemptEnded") attempts.inc({ outcome: event.outcome, code: event.code ?? "none" });
      }
    },
    committed: (durationMs) => commits.observe(durationMs / 1_000),
    request: (route, status, durationMs) => requests.observe({ route, status }, durationMs / 1_000),
    refusedLogin: () => refused.inc(),
    watch(central, links) {
      watched = central;
      new Gauge({
        ...{ name: "xpcs_jobs", help: "Jobs by state", labelNames: ["state"], registers },
        collect() {
          for (const state of Object.keys(RECORD_STATES)) this.set({ state }, central.state.index.get("state", state)?.size ?? 0);
        },
      });
      new Gauge({
        ...{ name: "xpcs_site_slots", help: "Slots of a site, and those that run a job", labelNames: ["site", "kind"], registers },
        collect() {
          this.reset();
          for (const { name, slots, running } of central.siteViews()) {
            this.set({ site: name, kind: "offered" }, slots);
            this.set({ site: name, kind: "running" }, running);
          }
        },
      });
      new Gauge({
        ...{ name: "xpcs_site_up", help: "1 while a site is connected and heard of", labelNames: ["site"], registers },
        collect() {
          this.reset();
          for (const { name, state } of central.siteViews()) this.set({ site: name }, state === "up" ? 1 : 0);
        },
      });
      new Gauge({
        ...{ name: "xpcs_site_down", help: "1 while a downtime of a site is in force", labelNames: ["site"], registers },
        collect() {
          this.reset();
          for (const { name, downtime } of central.siteViews()) this.set({ site: name }, downtime?.state === "in-force" ? 1 : 0);
        },
      });
      new Gauge({
        ...{ name: "xpcs_site_probation", help: "1 while a site is on probation", labelNames: ["site"], registers },
        collect() {
          this.reset();
          for (const { name, probation } of central.siteViews()) this.set({ site: name }, probation === null ? 0 : 1);
        },
      });
      new Gauge({
        ...{ name: "xpcs_feed_fresh", help: "1 while a facility's feed was heard of lately, 0 while it is stale or waited for" },
        ...{ labelNames: ["feed"], registers },
        collect() {
          this.reset();
          for (const { name, state } of central.feeds.views()) this.set({ feed: name }, state === "fresh" ? 1 : 0);
        },
      });
      new Gauge({
        ...{
          name: "xpcs_facility_up",
          help: "1 up, 0.5 degraded, 0 down, by a facility's feeds; no value: unknown",
          labelNames: ["site"],
          registers,
        },
        collect() {
          this.reset();
          for (const { name, facility } of central.siteViews())
            if (facility !== null && facility !== "unknown")
              this.set({ site: name }, facility === "up" ? 1 : facility === "degraded" ? 0.5 : 0);
        },
      });
      new Gauge({
        ...{ name: "xpcs_links", help: "Links that have shown a token", registers },
        collect() {
          this.set(links());
        },
      });
    },
  };
}
