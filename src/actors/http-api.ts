/**
 * Serves HTTP beside the links, on their port: the routes of http-routes.ts for holders of a token, their description, health and metrics. Bounds
 * what a request may be before anything is made of it.
 */
import type { RequestListener } from "node:http";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import type { Principal } from "../core/access.js";
import type { Clock } from "../core/clock.js";
import { type ErrorCode, isCode, toXpcsError, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { ClientApi } from "../core/protocols.js";
import { boundedText } from "../wire/bounded-text.js";
import type { Door } from "./door.js";
import { bearerIn, InFlight } from "./http-raw.js";
import { ROUTES, type Route } from "./http-routes.js";
import { openApi } from "./openapi.js";
import { parseRequest } from "./requests.js";

export interface Health {
  readonly status: "ok" | "failed";
  readonly version: string;
  readonly jobs: number;
  readonly sites: number;
}

export interface HttpOptions {
  readonly door: Pick<Door, "admit">;
  readonly clientApi: (principal: Principal) => ClientApi;
  readonly health: () => Health;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  /** Called after each request with its route's name (never a path: a peer chooses those). */
  readonly onRequest: (route: string, status: number, durationMs: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Env = { Bindings: HttpBindings; Variables: { route: string } };
type Status = 200 | 201 | 400 | 401 | 403 | 404 | 409 | 413 | 429 | 500 | 503 | 504;

/** What is not here is 500. */
const STATUS: Readonly<Partial<Record<ErrorCode, Status>>> = {
  ...{ INVALID_ARGUMENT: 400, UNSUPPORTED: 400, CORRUPT_DATA: 400, PERMISSION_DENIED: 403, NOT_FOUND: 404 },
  ...{ ALREADY_EXISTS: 409, KEY_CONFLICT: 409, STALE_LEASE: 409, REFUSED: 409, VERSION_MISMATCH: 409, CANCELED: 409 },
  ...{ OVERLOADED: 503, UNAVAILABLE: 503, DEADLINE_EXCEEDED: 504 },
};

function failed(context: Context<Env>, error: XpcsError, status: Status): Response {
  const { code, message, details } = error;
  const { retryAfterS } = details;
  if (status === 503 || status === 429) context.header("Retry-After", String(typeof retryAfterS === "number" ? retryAfterS : 1));
  if (status === 401) context.header("WWW-Authenticate", 'Bearer realm="xpcs"');
  return context.json({ error: { code, message } }, status);
}

function peerOf(context: Context<Env>): string {
  return context.env.incoming.socket.remoteAddress ?? "unknown";
}

/** A failure with a status of its own, not that of its code. */
class Refusal extends Error {
  readonly error: XpcsError;
  readonly status: Status;

  constructor(error: XpcsError, status: Status) {
    super(error.message);
    this.error = error;
    this.status = status;
  }
}

async function principalOf(context: Context<Env>, door: HttpOptions["door"]): Promise<Principal> {
  try {
    return (await door.admit(bearerIn(context.req.header("authorization")), peerOf(context))).principal;
  } catch (error) {
    throw new Refusal(toXpcsError(error), isCode(error, "OVERLOADED") ? 429 : 401);
  }
}

/** Nesting of JSON text, without building anything from it. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{]|[\]}]/gs)) {
    if (token === "[" || token === "{") deepest = Math.max(deepest, ++depth);
    else if (token === "]" || token === "}") depth -= 1;
  }
  return deepest;
}

const tooLarge = () =>
  new Refusal(new XpcsError("INVALID_ARGUMENT", `the body has more than ${LIMITS.frameBytesMax} bytes: send less at once`), 413);

/** The body as text. (hono's bodyLimit needs the global Request replaced.) @throws Refusal too large */
async function textOf({ req }: Context<Env>): Promise<string> {
  if (Number(req.header("content-length") ?? 0) > LIMITS.frameBytesMax) throw tooLarge();
  if (req.raw.body === null) return "";
  // Its connection stays open for the refusal.
  const text = await boundedText(req.raw.body.values({ preventCancel: true }), LIMITS.frameBytesMax);
  if (text === null) throw tooLarge();
  return text;
}

/** @throws INVALID_ARGUMENT no JSON, too deep, or not what the route takes */
async function bodyOf(context: Context<Env>, { body, name }: Route): Promise<unknown> {
  if (body === undefined) return undefined;
  const text = await textOf(context);
  if (jsonDepth(text) > LIMITS.messageDepthMax)
    throw new XpcsError("INVALID_ARGUMENT", `${name}: the body is nested deeper than ${LIMITS.messageDepthMax}`);
  let value: unknown;
  try {
    value = text === "" ? undefined : JSON.parse(text);
  } catch (error) {
    throw new XpcsError("INVALID_ARGUMENT", `${name}: the body is no JSON: ${(error as Error).message}`);
  }
  return parseRequest(body, name, value);
}

function keyOf(context: Context<Env>, { keyed, name }: Route): string | null {
  if (keyed !== true) return null;
  const key = context.req.header("idempotency-key");
  if (key === undefined) {
    throw new XpcsError("INVALID_ARGUMENT", `${name}: give the header Idempotency-Key, so that the same request again makes nothing twice`);
  }
  return key;
}

async function serveRoute(
  context: Context<Env>,
  route: Route,
  { door, clientApi, clock }: HttpOptions,
  inFlight: InFlight,
): Promise<Response> {
  const principal = await principalOf(context, door);
  const answer = await inFlight.hold(principal.token, async () =>
    route.run({
      api: clientApi(principal),
      principal,
      clock,
      params: context.req.param(),
      query: context.req.queries(),
      body: await bodyOf(context, route),
      key: keyOf(context, route),
    }),
  );
  return context.json(answer, route.status);
}

function onError(error: unknown, context: Context<Env>, logger: Logger): Response {
  if (error instanceof Refusal) return failed(context, error.error, error.status);
  const known = toXpcsError(error);
  if (known.code === "INTERNAL") {
    logger.error("call-failed", { method: context.get("route"), stack: error instanceof Error ? error.stack : String(error) });
    return failed(context, new XpcsError("INTERNAL", "a defect of central; its log has more"), 500);
  }
  return failed(context, known, STATUS[known.code] ?? 500);
}

/** Answers a request that is no websocket. */
export function httpApi(options: HttpOptions): RequestListener {
  const { door, clock, logger } = options;
  const app = new Hono<Env>();
  const document = openApi();
  const inFlight = new InFlight(LIMITS.httpInFlightMax, "requests of this token wait for an answer");

  app.use(async (context, next) => {
    const startMs = clock.monotonicMs();
    context.set("route", "unknown");
    context.header("Cache-Control", "no-store");
    context.header("X-Content-Type-Options", "nosniff");
    await next();
    options.onRequest(context.get("route"), context.res.status, clock.monotonicMs() - startMs);
  });
  for (const route of ROUTES) {
    app.on(route.method.toUpperCase(), route.path, (context) => {
      context.set("route", route.name);
      return serveRoute(context, route, options, inFlight);
    });
  }
  app.get("/openapi.json", (context) => {
    context.set("route", "openapi");
    return context.json(document);
  });
  app.get("/healthz", (context) => {
    context.set("route", "health");
    const health = options.health();
    return context.json(health, health.status === "ok" ? 200 : 503);
  });
  app.get("/metrics", async (context) => {
    context.set("route", "metrics");
    const { role, experiment } = await principalOf(context, door);
    if (role === "site" || experiment !== null) {
      throw new XpcsError("PERMISSION_DENIED", "metrics: this needs the token of an operator or a visitor of all experiments");
    }
    return context.body(await options.metrics.text(), 200, { "Content-Type": options.metrics.contentType });
  });
  app.notFound((context) =>
    failed(context, new XpcsError("NOT_FOUND", "there is nothing here: /openapi.json describes what there is"), 404),
  );
  app.onError((error, context) => onError(error, context as Context<Env>, logger));
  return getRequestListener((request, env) => app.fetch(request, env), { overrideGlobalObjects: false });
}
