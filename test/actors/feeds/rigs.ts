/** What the facilities' services answer (test/fixtures/feeds), and servers on loopback that answer so. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { FeedAnswer, FeedSource } from "../../../src/actors/feeds/define.js";

export const NOW_MS = Date.parse("2026-12-07T14:00:00Z");
const fixture = (name: string) => readFileSync(new URL(`../../fixtures/feeds/${name}`, import.meta.url), "utf8");

export type Answers = (path: string, query: URLSearchParams) => FeedAnswer;

export interface FeedRig {
  /** Of the machine that all tests ask for. */
  readonly resource: string;
  readonly answers: Answers;
  /** The texts that it answers with, for those who spoil them. */
  readonly texts: readonly string[];
}

const ok = (text: string): FeedAnswer => ({ status: 200, text });
const none = (detail: string): FeedAnswer => ({ status: 404, text: JSON.stringify({ detail }) });

export const POLARIS = "55c1c993-1124-47f9-b823-514ba3849a9a";
const IRI_KEYS = new Set([
  "name",
  "description",
  "status",
  "type",
  "from",
  "to",
  "time",
  "modified_since",
  "resource_id",
  "offset",
  "limit",
  "resolution",
]);

/** As the reference implementation answers: unknown query keys are refused, an empty list is a 404. */
export function iriAnswers(resource: string, now: string, later: string): Answers {
  return (path, query) => {
    const unknown = [...query.keys()].filter((key) => !IRI_KEYS.has(key));
    if (unknown.length > 0) return { status: 422, text: JSON.stringify({ detail: `Unexpected query parameters: ${unknown}` }) };
    if (path === `/status/resources/${POLARIS}`) return ok(resource);
    if (path !== "/status/incidents") return none("Item not found");
    if (query.get("resource_id") !== POLARIS) return none("No incidents found");
    const text = query.has("time") ? now : query.has("from") ? later : "[]";
    return text.trim() === "[]" ? none("No incidents found") : ok(text);
  };
}

const IRI = ["iri-resource.json", "iri-incidents-now.json", "iri-incidents-later.json"].map(fixture) as [string, string, string];
const SFAPI = ["sfapi-status.json", "sfapi-planned.json"].map(fixture) as [string, string];
const S3M = fixture("s3m-status.json");
const ICAL = fixture("alcf-mondays.ics");

/** Of each kind; a kind without one fails the suite. */
export const RIGS: Readonly<Record<string, FeedRig>> = {
  iri: { resource: POLARIS, answers: iriAnswers(...IRI), texts: IRI },
  sfapi: {
    resource: "perlmutter",
    answers: (path) => (path === "/status" ? ok(SFAPI[0]) : path === "/status/outages/planned" ? ok(SFAPI[1]) : none("Not found")),
    texts: SFAPI,
  },
  s3m: { resource: "defiant", answers: (path) => (path === "/status" ? ok(S3M) : none("Not found")), texts: [S3M] },
  ical: { resource: "Polaris", answers: (path) => (path === "" ? ok(ICAL) : none("Not found")), texts: [ICAL] },
};

/** A source that answers at once. */
export function sourceOf(answers: Answers, more: Partial<FeedSource> = {}): FeedSource {
  return {
    get: async (path, query = {}) => answers(path, new URLSearchParams(query)),
    nowMs: NOW_MS,
    zone: "America/Los_Angeles",
    ...more,
  };
}

export interface FeedServer {
  readonly url: string;
  /** Paths with their queries, as they came. */
  readonly asked: string[];
  /** Changes what it does from now on. */
  answer(handle: (request: IncomingMessage, response: ServerResponse) => void): void;
  close(): Promise<void>;
}

/** Answers of a rig below `/api`. */
export function serve(answers: Answers): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, "http://feed");
    const { status, text } = answers(pathname.replace(/^\/api/, ""), searchParams);
    response.writeHead(status).end(text);
  };
}

export async function startFeedServer(answers: Answers): Promise<FeedServer> {
  let handle = serve(answers);
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    asked.push(request.url!);
    handle(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
    asked,
    answer: (next) => {
      handle = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
