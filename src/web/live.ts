/**
 * What the page knows of central, kept current: sites, and the jobs that change. Central answers a long poll when something changes, so nothing is
 * asked for on a timer but the sites and downtimes, whose news has no cursor.
 */
import { signal } from "@preact/signals";
import type { JobView, SiteView } from "../core/job.js";
import { ApiError, ask, askJson, query, saveToken } from "./api.js";
import { learnMe, me } from "./me.js";

export type Connection = "connecting" | "live" | "lost" | "logged-out";

export const connection = signal<Connection>("connecting");
export const sites = signal<readonly SiteView[]>([]);
/** Why central did not let the token in; null: it has not been asked, or did. */
export const refusal = signal<string | null>(null);
/** Of central. */
export const version = signal("");
/** Counts the news, once a second at most, so that a view can ask again for what it shows. */
export const news = signal(0);
/** The jobs that changed lately, newest state. */
export const changed = signal<ReadonlyMap<string, JobView>>(new Map());

const CHANGED_MAX = 2_000;
const RETRY_MS = 1_000;
const SITES_MS = 2_000;
const NEWS_MS = 1_000;

let stopped = new AbortController();

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

let isTelling = false;

/** A busy central has hundreds of news a second, and each view that asks again is a request. */
function tellNews(): void {
  if (isTelling) return;
  isTelling = true;
  setTimeout(() => {
    isTelling = false;
    news.value += 1;
  }, NEWS_MS);
}

function took(jobs: readonly JobView[]): void {
  if (jobs.length === 0) return;
  const next = new Map(changed.value);
  for (const job of jobs) {
    next.delete(job.id);
    next.set(job.id, job);
  }
  for (const id of next.keys()) {
    if (next.size <= CHANGED_MAX) break;
    next.delete(id);
  }
  changed.value = next;
  tellNews();
}

function failed(error: unknown): void {
  if (error instanceof ApiError && error.status === 401) {
    connection.value = "logged-out";
    refusal.value = error.message;
    saveToken(null);
    stopped.abort();
  } else connection.value = "lost";
}

async function followJobs(stop: AbortSignal): Promise<void> {
  let cursor: string | undefined;
  while (!stop.aborted) {
    try {
      const answer: { cursor: string; jobs: JobView[] } = await askJson(
        `/v1/events${query({ cursor, waitMs: cursor === undefined ? 0 : undefined })}`,
        {
          signal: stop,
        },
      );
      const isNew = connection.value !== "live";
      cursor = answer.cursor;
      connection.value = "live";
      took(answer.jobs);
      if (isNew) tellNews();
    } catch (error) {
      if (stop.aborted) return;
      failed(error);
      await pause(RETRY_MS, stop);
    }
  }
}

async function followSites(stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      const answer: { sites: SiteView[] } = await askJson("/v1/sites", { signal: stop });
      sites.value = answer.sites;
    } catch (error) {
      if (stop.aborted) return;
      failed(error);
    }
    await pause(SITES_MS, stop);
  }
}

/** Begins to follow central with the saved token. */
export function startFollowing(): void {
  stopped.abort();
  stopped = new AbortController();
  connection.value = "connecting";
  refusal.value = null;
  void followJobs(stopped.signal);
  void followSites(stopped.signal);
  learnMe().catch(() => {});
  ask("/healthz")
    .then((response) => response.json())
    .then((health: { version: string }) => {
      version.value = health.version;
    })
    .catch(() => {});
}

/** Forgets the token, and stops following. */
export function logOut(): void {
  stopped.abort();
  saveToken(null);
  me.value = null;
  refusal.value = null;
  connection.value = "logged-out";
}
