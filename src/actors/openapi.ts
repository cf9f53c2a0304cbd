/** The description of the HTTP interface (OpenAPI 3.1), made from its routes: it cannot say anything else than they do. */
import { z } from "zod";
import { VERSION } from "../core/version.js";
import { ROUTES, type Route } from "./http-routes.js";
import { errorShape, healthShape } from "./http-shapes.js";

type Json = Readonly<Record<string, unknown>>;

/** A schema as JSON Schema: what a caller writes, or what it reads. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  return rest;
}

const content = (schema: z.ZodType, io: "input" | "output"): Json => ({ "application/json": { schema: jsonSchema(schema, io) } });

function parameters({ path, query, keyed }: Route): Json[] {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } }));
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    ...{ name, in: "query", required: false },
    schema: jsonSchema(schema as z.ZodType, "input"),
  }));
  const key = { name: "Idempotency-Key", in: "header", required: true, schema: { type: "string", minLength: 1, maxLength: 128 } };
  return [...inPath, ...inQuery, ...(keyed ? [key] : [])];
}

const ERRORS: Json = Object.fromEntries(
  [
    ["400", "the request is wrong"],
    ["401", "no token, or one that does not count"],
    ["403", "the token does not allow this"],
    ["404", "there is no such job"],
    ["409", "a rule forbids this, or the key was used for another request"],
    ["413", "the body is too large"],
    ["429", "too many wrong tokens from this address"],
    ["503", "this token has too many requests in flight, or central is stopping: try again after Retry-After"],
  ].map(([status, description]) => [status, { description, content: content(errorShape, "output") }]),
);

function operation(route: Route): Json {
  return {
    operationId: route.name,
    summary: route.summary,
    parameters: parameters(route),
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: !route.body.safeParse(undefined).success, content: content(route.body, "input") } }),
    responses: { [route.status]: { description: "done", content: content(route.answer, "output") }, ...ERRORS },
  };
}

/** The document that /openapi.json answers with. */
export function openApi(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of ROUTES) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  const open = { security: [] };
  paths["/healthz"] = {
    get: {
      ...{ operationId: "health", summary: "Whether central works.", ...open },
      responses: {
        200: { description: "it does", content: content(healthShape, "output") },
        503: { description: "it does not", content: content(healthShape, "output") },
      },
    },
  };
  const text = { description: "done", content: { "text/plain": { schema: { type: "string" } } } };
  paths["/metrics"] = { get: { operationId: "metrics", summary: "Measurements for Prometheus.", responses: { 200: text, ...ERRORS } } };
  return {
    openapi: "3.1.0",
    info: {
      title: "xpcs central",
      version: VERSION,
      description: "Jobs of X-ray photon correlation spectroscopy: submit, follow, cancel.",
    },
    components: { securitySchemes: { token: { type: "http", scheme: "bearer", description: "a token of xpcs token create" } } },
    security: [{ token: [] }],
    paths,
  };
}
