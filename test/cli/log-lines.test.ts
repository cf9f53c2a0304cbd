/** The log lines of central and a site against docs/logging.md: every event of the sources is there, and every line that real processes write. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it, vi } from "vitest";
import { connect } from "../../dist/index.js";
import { EVENT_TYPES } from "../../src/ledger/events.js";
import { readTree } from "../tidy/source-tree.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(new URL("../../docs/logging.md", import.meta.url), "utf8");
const names = (cell: string) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name]) => name!);
/** Event to the fields that it may have. */
const documented = new Map(
  [...page.matchAll(/^\| (`.*?) \| (.*?) \|/gm)].flatMap(([, events, fields]) => names(events!).map((event) => [event, names(fields!)])),
);

describe("docs/logging.md", () => {
  it("has every event of the sources, and no other", () => {
    const literals = [...readTree(ROOT)]
      .filter(([path]) => path.startsWith("src/") && path.endsWith(".ts") && path !== "src/cli/pino-logger.ts")
      .flatMap(([, text]) => [...text.matchAll(/logger\.(?:info|warn|error)\(([^{)]*)/gi)].flatMap(([, first]) => quoted(first!)));
    const ledger = Object.keys(EVENT_TYPES).map((type) => type.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
    expect([...documented.keys()].sort()).toEqual([...new Set([...literals, ...ledger])].sort());
  });
});

/** The event's names in the first argument of a call. */
function quoted(text: string): string[] {
  return [...text.matchAll(/"([a-z]+(?:-[a-z]+)+)"/g)].map(([, name]) => name!);
}

describe("what central and a site log", () => {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-log-"));
  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async (...args: string[]) => {
    const child = spawn(process.execPath, [CLI, ...args, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    let [out, err] = ["", ""];
    child.stdout.on("data", (text) => {
      out += text;
    });
    child.stderr.on("data", (text) => {
      err += text;
    });
    await vi.waitFor(() => expect(out).toContain("\n"), { timeout: 20_000 });
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    return { ready: JSON.parse(out.split("\n")[0]!) as Record<string, string>, log: () => err, child, closed };
  };

  it("is JSON line by line, with the documented fields alone, and holds no token", async () => {
    const central = await start("central", "--data", join(folder, "central"), "--listen", "127.0.0.1:0");
    const { url, operatorToken, siteToken } = central.ready as { url: string; operatorToken: string; siteToken: string };
    const apps = {
      fail: { argv: ["/bin/sh", "-c", "printf 'bad \\033[31m \\n line' >&2; exit 3"] },
      pass: { argv: ["/bin/sleep", "0.3"] },
    };
    writeFileSync(join(folder, "apps.json"), JSON.stringify(apps));
    const where = ["--central", url, "--token", siteToken, "--work", join(folder, "work"), "--apps", join(folder, "apps.json")];
    const site = await start("site", ...where, "--name", "here");
    const client = await connect(url, { token: operatorToken });
    const command = (app: string) => ({ app, parameters: {}, inputs: {}, outputs: {}, overwrite: false });
    const jobs = [command("fail"), command("pass"), { app: "xpcs.noop", durationMs: 1 } as const, command("elsewhere")];
    const { jobs: ids } = await client.submit({ jobs: jobs.map((work) => ({ work, tags: {}, attemptsMax: 1 })) });
    await client.cancel([ids[3]!]);
    await client.wait(ids);
    await client.retry([ids[3]!]);
    await client.modify([ids[3]!], { priority: 3 });
    const made = [
      await client.createToken({ role: "visitor", person: "eve\u2028", validS: 60 }),
      await client.createToken({ role: "site", site: "there", person: "eve", validS: null, join: true }),
    ];
    await client.revokeToken(made[0]!.view.id);
    const http = url.replace("ws", "http");
    for (const token of [made[0]!.token, made[1]!.token, `${operatorToken}x`, "wrong"])
      expect((await fetch(`${http}/v1/jobs`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);
    await fetch(`${http}/v1/jobs`, { headers: { authorization: `Bearer ${operatorToken}` } });
    client.close();
    for (const { child, closed } of [site, central]) {
      child.kill("SIGTERM");
      await closed;
    }

    const text = central.log() + site.log();
    const lines = text.split("\n").filter((line) => line !== "");
    expect(lines.length).toBeGreaterThan(20);
    for (const line of lines) {
      const { level, time, event, ...fields } = JSON.parse(line) as Record<string, unknown>;
      expect(["info", "warn", "error"], line).toContain(level);
      expect(new Date(time as string).toISOString(), line).toBe(time);
      const allowed = [...(documented.get(event as string) ?? []), ...(site.log().includes(line) ? ["site"] : [])];
      expect({ event, unknown: Object.keys(fields).filter((name) => !allowed.includes(name)) }).toEqual({ event, unknown: [] });
      for (const value of Object.values(fields)) expect(["string", "number", "boolean", "object"], line).toContain(typeof value);
      expect(
        Object.values(fields).some((value) => typeof value === "object" && value !== null),
        line,
      ).toBe(false);
    }
    for (const token of [operatorToken, siteToken, ...made.map(({ token }) => token)]) expect(text).not.toContain(token.slice(-24));
    expect(text).not.toMatch(/xpcs_(op|vis|site|join)_[\w-]{8}/);
    const events = new Set(lines.map((line) => (JSON.parse(line) as { event: string }).event));
    for (const event of ["submitted", "completed", "attempt-failed", "token-refused", "token-revoked", "link-authenticated", "site-left"])
      expect([...events]).toContain(event);
  }, 90_000);
});
