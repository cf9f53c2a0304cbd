/** HTTP beside the links: a job driven to its result by curl alone, the description against the answers, and what is refused. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import type { z } from "zod";
import { jsonDepth } from "../../src/actors/http-api.js";
import { ROUTES } from "../../src/actors/http-routes.js";
import { errorShape, healthShape } from "../../src/actors/http-shapes.js";
import { tokenHash } from "../../src/actors/token-file.js";
import { makeToken } from "../../src/actors/tokens.js";
import type { TokenRequest } from "../../src/core/access.js";
import { LIMITS } from "../../src/core/limits.js";
import type { ClientApi, WorkSource } from "../../src/core/protocols.js";
import type { Connection } from "../../src/wire/connect.js";
import { noop, openClient, openSite, start, type TestCentral, temporaryDir, withCentral } from "./support.js";

const exec = promisify(execFile);
let central: TestCentral;
let boss: Connection<ClientApi>;
let base: string;

withCentral(async (made) => {
  central = made;
  base = central.url.replace("ws", "http");
  boss = await openClient(central);
});
afterEach(() => boss.close());

/** Runs curl; answers with the status and the body. */
async function curl(path: string, ...args: string[]): Promise<{ status: number; body: unknown }> {
  const auth = ["-H", `Authorization: Bearer ${central.operatorToken}`];
  const { stdout } = await exec("curl", ["-s", "-w", "\n%{http_code}", ...auth, ...args, `${base}${path}`]);
  const at = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(at + 1)), body: JSON.parse(stdout.slice(0, at)) as unknown };
}

/** A request of the test's own making. */
async function ask(path: string, init: RequestInit & { token?: string | null } = {}) {
  const { token = central.operatorToken, ...rest } = init;
  const headers = { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...rest.headers };
  const response = await fetch(`${base}${path}`, { ...rest, headers });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : null,
  };
}

const submission = (jobs: unknown[] = [noop({ scan: "53" })]) => ({
  method: "POST",
  headers: { "idempotency-key": "k1", "content-type": "application/json" },
  body: JSON.stringify({ jobs }),
});

async function worker(): Promise<Connection<WorkSource>> {
  const site = await openSite(central);
  await site.remote.join({ site: "a", instance: "1", host: "h", slots: 2, apps: ["xpcs.noop"], held: [] });
  return site;
}

/** Takes one job and finishes it. */
async function workOff(site: Connection<WorkSource>): Promise<void> {
  const me = { site: "a", instance: "1" };
  const { leases } = await site.remote.lease({ ...me, slots: 1, waitMs: 5_000 });
  const { job, epoch } = leases[0]!;
  const outputs = [{ path: "/data/a_results.hdf", bytes: 12, sha256: "0".repeat(64) }];
  await site.remote.complete({ ...me, lease: { job, epoch }, outputs, summary: {}, startedAtMs: 0, finishedAtMs: 1_000 });
}

async function tokenOf(request: Omit<TokenRequest, "hash" | "person" | "validS">): Promise<string> {
  const token = makeToken(request.role, randomBytes);
  await boss.remote.addToken({ person: "alice", validS: null, ...request, hash: tokenHash(token) });
  return token;
}

describe("curl alone", () => {
  it("drives a job to its result", async () => {
    const submit = ["-X", "POST", "-H", "Idempotency-Key: scan 53", "-d", JSON.stringify({ jobs: [noop({ scan: "53" })] })];
    const submitted = await curl("/v1/jobs", ...submit);
    expect(submitted.status).toBe(201);
    const id = (submitted.body as { jobs: string[] }).jobs[0]!;
    expect(await curl("/v1/jobs", ...submit)).toEqual(submitted);
    expect((await curl(`/v1/jobs/${id}/result`)).status).toBe(409);
    const { cursor } = (await curl("/v1/events?waitMs=0")).body as { cursor: string };
    const [waited] = await Promise.all([curl(`/v1/jobs/${id}/wait?waitMs=10000`), worker().then(workOff)]);
    expect(waited).toMatchObject({ status: 200, body: { id, state: "finished", owner: "operator" } });
    const result = await curl(`/v1/jobs/${id}/result`);
    expect(result).toMatchObject({ status: 200, body: { id, outputs: [{ path: "/data/a_results.hdf", bytes: 12 }] } });
    const events = (await curl(`/v1/events?cursor=${cursor}&waitMs=0`)).body as { jobs: { id: string; state: string }[] };
    expect(events.jobs).toMatchObject([{ id, state: "finished" }]);
    const listed = await curl("/v1/jobs?tag=scan=53&state=finished&state=failed&limit=5");
    expect(listed).toMatchObject({ status: 200, body: { jobs: [{ id }], next: null } });
    expect((await curl("/v1/jobs?tag=scan=54")).body).toEqual({ jobs: [], next: null });
    const another = (await curl("/v1/jobs", "-X", "POST", "-H", "Idempotency-Key: k2", "-d", JSON.stringify({ jobs: [noop()] }))).body as {
      jobs: string[];
    };
    const next = another.jobs[0]!;
    expect((await curl(`/v1/jobs/${next}`, "-X", "PATCH", "-d", '{"priority":7}')).body).toMatchObject({ priority: 7 });
    expect((await curl(`/v1/jobs/${next}/cancel`, "-X", "POST")).body).toEqual({ canceled: [next], alreadyFinal: [] });
    expect((await curl(`/v1/jobs/${next}/retry`, "-X", "POST")).body).toEqual({ retried: [next] });
    expect((await curl("/v1/sites")).body).toMatchObject({ sites: [{ name: "a" }] });
  });
});

describe("the output of an attempt", () => {
  const me = { site: "a", instance: "1" };
  const push = (site: Connection<WorkSource>, lease: { job: string; epoch: number }, offset: number, text: string) =>
    site.remote.pushLog({ ...me, lease, stream: "stdout", offset, data: Buffer.from(text) });

  it("is followed live by curl alone, to its end", async () => {
    const { jobs } = await boss.remote.submit({ key: "k", jobs: [noop()] });
    const logs = `/v1/jobs/${jobs[0]}/logs`;
    expect(await curl(`${logs}?waitMs=0`)).toEqual({ status: 200, body: { attempt: 0, text: "", next: 0, ended: false } });
    const early = curl(logs);
    const site = await worker();
    const { leases } = await site.remote.lease({ ...me, slots: 1, waitMs: 5_000 });
    const lease = { job: leases[0]!.job, epoch: leases[0]!.epoch };
    // The euro sign is cut in two.
    await push(site, lease, 0, "12 ");
    expect((await early).body).toEqual({ attempt: 1, text: "12 ", next: 3, ended: false });
    const cut = Buffer.from("€\n");
    const live = curl(`${logs}?attempt=1&offset=3`);
    await site.remote.pushLog({ ...me, lease, stream: "stdout", offset: 3, data: cut.subarray(0, 2) });
    await site.remote.pushLog({ ...me, lease, stream: "stdout", offset: 5, data: cut.subarray(2) });
    expect((await live).body).toEqual({ attempt: 1, text: "€\n", next: 7, ended: false });
    const last = curl(`${logs}?attempt=1&offset=7`);
    await site.remote.complete({ ...me, lease, outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 1 });
    expect((await last).body).toEqual({ attempt: 1, text: "", next: 7, ended: true });
    expect((await curl(`${logs}?stream=stderr`)).body).toEqual({ attempt: 1, text: "", next: 0, ended: true });
    expect((await curl(`${logs}?attempt=2`)).status).toBe(404);
    expect((await curl(`${logs}?stream=stdin`)).status).toBe(400);
    expect((await curl(`${logs}?offset=-1`)).status).toBe(400);
    site.close();
  });

  it("is seen within the token's experiment alone", async () => {
    const site = await worker();
    const { jobs } = await boss.remote.submit({ key: "k", jobs: [noop({}, { experiment: "2026-3/smith" })] });
    const { leases } = await site.remote.lease({ ...me, slots: 1, waitMs: 5_000 });
    await push(site, { job: leases[0]!.job, epoch: 1 }, 0, "theirs");
    const path = `/v1/jobs/${jobs[0]}/logs?waitMs=0`;
    const asked = async (request: Parameters<typeof tokenOf>[0]) => (await ask(path, { token: await tokenOf(request) })).status;
    expect(await asked({ role: "visitor", experiment: "2026-3/smith" })).toBe(200);
    expect(await asked({ role: "operator", experiment: "2026-3/jones" })).toBe(404);
    expect((await ask(path, { token: central.siteToken })).status).toBe(403);
    expect((await ask(path, { token: null })).status).toBe(401);
    site.close();
  });
});

describe("the description", () => {
  it("has every route, and each answer has the shape that it promises", async () => {
    const { body, status } = await ask("/openapi.json", { token: null });
    expect(status).toBe(200);
    const { paths } = body as { paths: Record<string, Record<string, { operationId: string }>> };
    const described = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
    expect(described.sort()).toEqual([...ROUTES.map(({ name }) => name), "health", "metrics"].sort());
    expect(JSON.stringify(paths["/v1/jobs"]?.post)).toContain("Idempotency-Key");
    expect(JSON.stringify(paths["/v1/jobs"]?.post)).toContain("xpcs.corr");

    const site = await worker();
    const id = ((await ask("/v1/jobs", submission([noop(), noop()]))).body as { jobs: string[] }).jobs[0]!;
    await workOff(site);
    const at = (path: string) => path.replace(":id", id);
    for (const route of ROUTES) {
      const body =
        route.name === "submit" ? submission() : route.method === "get" ? {} : { method: route.method.toUpperCase(), body: '{"tags":{}}' };
      const wanted =
        route.name === "retry"
          ? { method: "POST" }
          : route.name === "addDowntime"
            ? { method: "POST", body: JSON.stringify({ site: "a", from: "2026-12-07T15:00:00Z", to: null }) }
            : route.name === "probation"
              ? { method: "POST", body: '{"reason":null}' }
              : body;
      const query = route.query !== undefined && "waitMs" in route.query.shape ? "?waitMs=0" : "";
      const named = { removeDowntime: "addDowntime", probation: "a" }[route.name];
      const path = named === undefined ? at(route.path) : route.path.replace(":id", named);
      const answer = await ask(path + query, { ...wanted, headers: { "idempotency-key": route.name } });
      // A finished job cannot begin anew.
      if (route.name === "retry") expect(answer.status).toBe(409);
      else {
        expect(answer.status, `${route.name}: ${answer.text}`).toBe(route.status);
        expect((strict(route.answer) as z.ZodType).safeParse(answer.body).error, route.name).toBeUndefined();
      }
    }
    site.close();
  });
});

describe("TLS", () => {
  it("with a made certificate is trusted by its pin alone", async () => {
    const other = await temporaryDir();
    const secure = await start(other.dir, { tls: "made" });
    const url = `${secure.url.replace("ws", "http")}/healthz`;
    const pin = secure.pin!.replace("sha256/", "sha256//");
    try {
      expect(JSON.parse((await exec("curl", ["-s", "-k", "--pinnedpubkey", pin, url])).stdout)).toMatchObject({ status: "ok" });
      const wrong = `sha256//${"A".repeat(43)}=`;
      await expect(exec("curl", ["-s", "-k", "--pinnedpubkey", wrong, url])).rejects.toMatchObject({ code: 90 });
    } finally {
      await secure.stop();
      await other.remove();
    }
  });
});

describe("docs/http.md", () => {
  it("names every route, and no other", async () => {
    const page = await readFile(new URL("../../docs/http.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| `(GET|POST|PATCH) (\/v1\/[^`?]*)/gm)].map(([, method, path]) => `${method} ${path}`);
    expect(rows.sort()).toEqual(ROUTES.map(({ method, path }) => `${method.toUpperCase()} ${path.replace(":id", "ID")}`).sort());
  });
});

/** The shape with no room for fields that the description does not have, at its top and in lists of jobs. */
function strict(shape: z.ZodType): z.ZodType {
  const object = shape as z.ZodObject;
  return "shape" in object ? object.strict() : shape;
}

describe("a request", () => {
  const refusal = async (status: number, code: string, path: string, init: Parameters<typeof ask>[1] = {}) => {
    const answer = await ask(path, init);
    expect({ status: answer.status, code: (answer.body as z.infer<typeof errorShape>)?.error?.code }, answer.text).toEqual({
      status,
      code,
    });
    expect(errorShape.safeParse(answer.body).success).toBe(true);
    return answer;
  };

  it("needs a token that counts, and rights", async () => {
    const { headers } = await refusal(401, "PERMISSION_DENIED", "/v1/jobs", { token: null });
    expect(headers.get("www-authenticate")).toContain("Bearer");
    await refusal(401, "PERMISSION_DENIED", "/v1/jobs", { token: "forged" });
    await refusal(401, "PERMISSION_DENIED", "/metrics", { token: null });
    const visitor = await tokenOf({ role: "visitor" });
    expect((await ask("/v1/jobs", { token: visitor })).status).toBe(200);
    await refusal(403, "PERMISSION_DENIED", "/v1/jobs", { ...submission(), token: visitor });
    await refusal(403, "PERMISSION_DENIED", "/v1/jobs", { token: central.siteToken });
    const member = await tokenOf({ role: "operator", experiment: "2026-3/smith" });
    await refusal(403, "PERMISSION_DENIED", "/metrics", { token: member });
    const { jobs } = await boss.remote.submit({ key: "theirs", jobs: [noop()] });
    await refusal(404, "NOT_FOUND", `/v1/jobs/${jobs[0]}`, { token: member });
    await refusal(404, "NOT_FOUND", `/v1/jobs/${jobs[0]}/result`, { token: member });
    await refusal(404, "NOT_FOUND", `/v1/jobs/${jobs[0]}/wait?waitMs=0`, { token: member });
    await refusal(404, "NOT_FOUND", `/v1/jobs/${jobs[0]}/cancel`, { token: member, method: "POST" });
    expect((await ask("/v1/jobs", { token: member })).body).toEqual({ jobs: [], next: null });
    expect((await boss.remote.job({ id: jobs[0]! })).state).toBe("ready");
  });

  it("with wrong tokens again and again is not looked at any more", async () => {
    for (let n = 0; n < LIMITS.loginFailuresMax; n += 1) await ask("/v1/jobs", { token: `wrong${n}` });
    const { headers } = await refusal(429, "OVERLOADED", "/v1/jobs");
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await ask("/healthz", { token: null })).status).toBe(200);
  });

  it("that is wrong is told what is wrong", async () => {
    const post = (body: string, headers: Record<string, string> = { "idempotency-key": "k" }) => ({ method: "POST", headers, body });
    expect((await refusal(400, "INVALID_ARGUMENT", "/v1/jobs", post("{}", {}))).text).toContain("jobs");
    expect((await refusal(400, "INVALID_ARGUMENT", "/v1/jobs", post(JSON.stringify({ jobs: [noop()] }), {}))).text).toContain(
      "Idempotency-Key",
    );
    await refusal(400, "INVALID_ARGUMENT", "/v1/jobs", post("{no json"));
    await refusal(400, "INVALID_ARGUMENT", "/v1/jobs", post(JSON.stringify({ jobs: [{ ...noop(), work: { app: "sh" } }] })));
    await refusal(400, "INVALID_ARGUMENT", "/v1/jobs", post(JSON.stringify({ jobs: [noop()] }), { "idempotency-key": "x".repeat(129) }));
    await refusal(400, "INVALID_ARGUMENT", "/v1/jobs?state=asleep");
    await refusal(400, "INVALID_ARGUMENT", "/v1/jobs?colour=green");
    await refusal(400, "INVALID_ARGUMENT", "/v1/jobs?limit=1&limit=2");
    await refusal(400, "INVALID_ARGUMENT", "/v1/events?cursor=x");
    await refusal(400, "INVALID_ARGUMENT", "/v1/events?waitMs=99999999");
    await refusal(404, "NOT_FOUND", "/v1/nothing");
    await refusal(404, "NOT_FOUND", "/v1/jobs", { method: "DELETE" });
    await refusal(409, "KEY_CONFLICT", "/v1/jobs", await ask("/v1/jobs", submission()).then(() => submission([noop({ other: "job" })])));
  });

  it("that is too large or too deep is refused before anything is made of it", async () => {
    const keyed = { method: "POST", headers: { "idempotency-key": "k" } };
    await refusal(413, "INVALID_ARGUMENT", "/v1/jobs", { ...keyed, body: `{"jobs":"${"x".repeat(LIMITS.frameBytesMax)}"}` });
    expect((await refusal(400, "INVALID_ARGUMENT", "/v1/jobs", { ...keyed, body: "[".repeat(100_000) })).text).toContain("nested deeper");
    const parts = function* () {
      for (let n = 0; n < 20; n += 1) yield new Uint8Array(LIMITS.frameBytesMax / 16).fill(32);
    };
    const streamed = { ...keyed, body: ReadableStream.from(parts()), duplex: "half" } as unknown as RequestInit;
    await refusal(413, "INVALID_ARGUMENT", "/v1/jobs", streamed);
    expect((await curl("/v1/jobs", "-H", "Transfer-Encoding: chunked", "-H", "Idempotency-Key: c", "-d", "{}")).status).toBe(400);
    expect(jsonDepth('{"a":"[[[\\"[[","b":[{}]}')).toBe(3);
  });

  it("waits for an answer with a limited number of others of its token", async () => {
    const { cursor } = (await ask("/v1/events?waitMs=0")).body as { cursor: string };
    const waiting = Array.from({ length: LIMITS.httpInFlightMax }, () => ask(`/v1/events?waitMs=10000&cursor=${cursor}`));
    await expect.poll(async () => (await ask("/v1/jobs")).status, { timeout: 5_000 }).toBe(503);
    const { headers } = await refusal(503, "OVERLOADED", "/v1/jobs");
    expect(headers.get("retry-after")).toBe("1");
    const visitor = await tokenOf({ role: "visitor" });
    expect((await ask("/v1/jobs", { token: visitor })).status).toBe(200);
    expect((await ask("/healthz", { token: null })).status).toBe(200);
    await boss.remote.submit({ key: "news", jobs: [noop()] });
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([200]));
    expect((await ask("/v1/jobs")).status).toBe(200);
  });

  it("of any bytes is answered or dropped, and no defect", async () => {
    let seed = 7;
    const below = (limit: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return (seed >> 8) % limit;
    };
    const body = JSON.stringify({ jobs: [noop({ scan: "53" }, { priority: 1, parents: ["#0"] })] });
    const head = "POST /v1/jobs?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    // The token stays whole: wrong ones would soon not be looked at any more.
    const auth = `Authorization: Bearer ${central.operatorToken}\r\n`;
    const rest = `Idempotency-Key: f\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const mutated = (text: string, times: number) => {
      const bytes = Buffer.from(text);
      for (let n = 0; n < times; n += 1) bytes[below(bytes.length)] = below(2) === 0 ? below(256) : '{}[]",:0-e '.charCodeAt(below(11));
      return bytes;
    };
    const request = (n: number) => {
      if (n % 10 === 0) return mutated(head + rest, head.length + rest.length);
      return Buffer.concat([mutated(head, n % 4 === 0 ? 1 : 0), Buffer.from(auth), mutated(rest, 1 + below(3))]);
    };
    const { port, hostname } = new URL(base);
    const answer = (bytes: Buffer) =>
      new Promise<string>((resolve) => {
        let text = "";
        const socket = connectSocket(Number(port), hostname, () => socket.write(bytes));
        socket.on("data", (part) => {
          text += part.toString("latin1");
        });
        socket.on("error", () => {});
        // Some promise more than they send.
        socket.setTimeout(4_000, () => socket.destroy());
        socket.on("close", () => resolve(text));
      });
    const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => answer(request(n))));
    expect(answers.filter((text) => !/^(HTTP\/1\.1 [24]\d\d |$)/.test(text))).toEqual([]);
    expect(answers.filter((text) => text.includes("INVALID_ARGUMENT")).length).toBeGreaterThan(20);
    expect(await boss.remote.tokens({})).toBeDefined();
    expect((await ask("/healthz", { token: null })).status).toBe(200);
  });
});

describe("health and metrics", () => {
  it("tell how central is, and what it has done", async () => {
    const site = await worker();
    await ask("/v1/jobs", submission([noop(), noop()]));
    await workOff(site);
    const health = await ask("/healthz", { token: null });
    expect(health.status).toBe(200);
    expect(healthShape.strict().parse(health.body)).toMatchObject({ status: "ok", jobs: 2, sites: 1 });
    await ask("/v1/jobs", { token: "forged" });
    const { text, headers } = await ask("/metrics");
    expect(headers.get("content-type")).toContain("text/plain");
    expect(text).toContain('xpcs_jobs{state="finished"} 1');
    expect(text).toContain('xpcs_jobs{state="ready"} 1');
    expect(text).toContain('xpcs_ledger_events_total{type="submitted"} 1');
    expect(text).toContain("xpcs_jobs_submitted_total 2");
    expect(text).toContain('xpcs_ledger_events_total{type="completed"} 1');
    expect(text).toContain('xpcs_site_slots{site="a",kind="offered"} 2');
    expect(text).toContain('xpcs_site_up{site="a"} 1');
    expect(text).toContain("xpcs_links 2");
    expect(text).toContain("xpcs_logins_refused_total 1");
    expect(text).toMatch(/xpcs_ledger_commit_seconds_count [1-9]/);
    expect(text).toContain('xpcs_http_request_seconds_count{route="submit",status="201"} 1');
    expect(text).toContain("process_resident_memory_bytes");
    site.close();
  });
});
