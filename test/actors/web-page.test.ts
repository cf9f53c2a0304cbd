/** The page's files over HTTP: what a browser is told to trust, what it keeps, and that a path names nothing else. What the page does: test/web. */
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { pageServer } from "../../src/actors/web-page.js";
import { readPageFiles } from "../../src/cli/page-files.js";
import { realClock } from "../../src/core/real-clock.js";

const big = Buffer.from("export const a = 1;\n".repeat(200));
const PAGE = {
  files: new Map([
    ["web/main.js", { type: "text/javascript; charset=utf-8", body: big }],
    ["lib/x.js", { type: "text/javascript; charset=utf-8", body: Buffer.from("x") }],
  ]),
  imports: { x: "lib/x.js" },
};

let server: Server;
let base: string;
let told: unknown[];
beforeEach(async () => {
  told = [];
  const serve = pageServer(PAGE, (route, status) => told.push([route, status]), realClock);
  server = createServer((request, response) => {
    if (!serve(request, response)) response.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

it("allows the browser its own files and one inline script, which has the hash of what stands there", async () => {
  const response = await fetch(`${base}/`);
  const html = await response.text();
  const policy = response.headers.get("content-security-policy")!;
  const inline = /<script type="importmap">(.*?)<\/script>/s.exec(html)![1]!;
  expect(JSON.parse(inline)).toEqual({ imports: { x: "/app/lib/x.js" } });
  expect(policy).toContain(`'sha256-${createHash("sha256").update(inline).digest("base64")}'`);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe-inline|unsafe-eval'(?<!wasm-unsafe-eval')|https?:/);
  expect(html).not.toMatch(/ style=| on\w+=|https?:\/\//);
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
});

it("a file comes as it is, zipped where the browser takes that, and not again while it is the same", async () => {
  const first = await fetch(`${base}/app/web/main.js`, { headers: { "accept-encoding": "identity" } });
  expect(Buffer.from(await first.arrayBuffer())).toEqual(big);
  expect(first.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  const etag = first.headers.get("etag")!;
  const again = await fetch(`${base}/app/web/main.js`, { headers: { "if-none-match": etag } });
  expect([again.status, (await again.arrayBuffer()).byteLength]).toEqual([304, 0]);
  const raw = await new Promise<Buffer>((resolve) => {
    const socket = connect(Number(new URL(base).port), "127.0.0.1");
    const pieces: Buffer[] = [];
    socket.on("data", (piece) => pieces.push(piece));
    socket.on("close", () => resolve(Buffer.concat(pieces)));
    socket.write("GET /app/web/main.js?v=1 HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n");
  });
  const head = raw.subarray(0, raw.indexOf("\r\n\r\n")).toString();
  expect(head).toMatch(/content-encoding: gzip/i);
  expect(gunzipSync(raw.subarray(raw.indexOf("\r\n\r\n") + 4))).toEqual(big);
  const without = await fetch(`${base}/app/web/main.js`, { method: "HEAD" });
  expect([without.status, await without.text()]).toEqual([200, ""]);
  expect(told).toEqual([
    ["page", 200],
    ["page", 304],
    ["page", 200],
    ["page", 200],
  ]);
});

it.each([
  "/app/../package.json",
  "/app/web/../../package.json",
  "/app/web/%2e%2e/main.js",
  "/app/",
  "/app/web",
  "/app/web/main.js/",
  "/app//web/main.js",
])("%s is nothing", async (path) => {
  const status = await new Promise<string>((resolve) => {
    const socket = connect(Number(new URL(base).port), "127.0.0.1");
    socket.on("data", (piece) => {
      resolve(piece.toString().split(" ")[1]!);
      socket.destroy();
    });
    socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
  });
  expect(status).toBe("404");
});

it("takes no other method, and leaves what is not the page's to others", async () => {
  expect((await fetch(`${base}/app/web/main.js`, { method: "POST", body: "x" })).status).toBe(405);
  expect((await fetch(`${base}/v1/jobs`)).status).toBe(418);
});

it("the program's own page has all that its modules import", () => {
  const { files, imports } = readPageFiles();
  expect(files.size).toBeGreaterThan(10);
  for (const path of Object.values(imports)) expect(files.has(path)).toBe(true);
  for (const [path, { body }] of files) {
    if (!path.endsWith("js")) continue;
    for (const [, name] of body.toString().matchAll(/(?:^|[;}\s])(?:import|export)\s?[^;"'()]*?from\s?["']([^"']+)["']/g)) {
      const target = name!.startsWith(".") ? new URL(name!, `http://x/${path}`).pathname.slice(1) : imports[name!];
      expect(files.has(target ?? ""), `${name} of ${path}`).toBe(true);
    }
  }
});
