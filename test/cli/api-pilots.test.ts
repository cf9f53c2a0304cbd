/** A site at the beamline whose pilots are submitted through the HTTP API of a facility: real processes of the built command over fakes of the APIs. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Facility, startFacility } from "../chaos/processes.js";
import { FAKE_TOKEN, type FakeApi, startFakeApi } from "../sites/schedulers/fake-apis.js";
import { startXpcs } from "./xpcs-process.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const noop = (durationMs: number) => ({ work: { app: "xpcs.noop" as const, durationMs }, tags: {}, attemptsMax: 3 });

describe.each(["iri", "sfapi"])("%s", (scheduler) => {
  let facility: Facility;
  let fake: FakeApi;
  /** What the nodes have. */
  let nodes: string;
  let file: string;
  const here = (name: string) => join(facility.folder, name);
  const there = () => join(nodes, "batch");
  const pilots = () => readdirSync(here("batch/farm")).filter((name) => name.startsWith("xpcs."));

  beforeAll(async () => {
    [facility, fake] = await Promise.all([startFacility(), startFakeApi(scheduler)]);
    nodes = mkdtempSync(join(tmpdir(), "xpcs-nodes-"));
    const program = join(nodes, "xpcs");
    writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`, { mode: 0o755 });
    mkdirSync(here("batch"));
    file = here("batch.json");
    const api = { ...fake.api, folder: there(), program };
    const pilots = { max: 1, idleS: 2, everyS: 1 };
    const commands = { perMinute: 10_000 };
    writeFileSync(file, JSON.stringify({ scheduler, folder: here("batch"), commands, api, job: { walltimeS: 600 }, pilots }));
  }, 60_000);
  afterAll(async () => {
    await facility.end();
    await fake.end();
    rmSync(nodes, { recursive: true, force: true });
  });

  it("is tried by doctor with a small job", async () => {
    const { code, stdout } = await startXpcs(["doctor", "--json", "--batch", file, "--probe"], {}).result;
    const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; found: string }[] };
    expect(checks.slice(-2)).toMatchObject([
      { name: `batch ${scheduler}`, status: "ok", found: expect.stringMatching(/^\w+ Fake \w+ \(\w+\) answers$/) },
      { name: "batch probe", status: "ok", found: expect.stringMatching(/^job \d+ waited \d+ s and ran$/) },
    ]);
    expect(code).toBe(checks.some(({ status }) => status === "fail") ? 1 : 0);
  }, 60_000);

  it("says what is wrong with a credential, and shows none of it", async () => {
    chmodSync(fake.api.credential, 0o644);
    const { code, stdout } = await startXpcs(["doctor", "--json", "--batch", file], {}).result;
    chmodSync(fake.api.credential, 0o600);
    expect(code).toBe(1);
    expect(stdout).toMatch(/may be read by others: chmod 600/);
  });

  it("runs work in pilots there, and keeps every secret", async () => {
    const site = await facility.startSite("farm", 2, ["--batch", file]);
    const { jobs } = await facility.client.submit({ jobs: [noop(100), noop(100), noop(100)] });
    const views = await facility.client.wait(jobs);
    expect(views.map(({ state, attempts }) => [state, attempts.at(-1)!.site])).toEqual(
      Array.from({ length: 3 }, () => ["finished", "farm-1"]),
    );
    const token = readFileSync(join(there(), "farm.token"), "utf8").trim();
    expect(statSync(join(there(), "farm.token")).mode & 0o777).toBe(0o600);
    expect(statSync(there()).mode & 0o777).toBe(0o700);
    await expect.poll(pilots, { timeout: 40_000 }).toEqual([]);
    expect(await site.stop("SIGTERM")).toBe(0);
    // What went with the jobs has no token in it, in no form.
    const handed = readdirSync(fake.state)
      .filter((name) => /^(script|job)-/.test(name))
      .map((name) => readFileSync(join(fake.state, name), "utf8"))
      .flatMap((text) => [
        text,
        ...[...text.matchAll(/[A-Za-z0-9+/=]{200,}/g)].map(([word]) => Buffer.from(word, "base64").toString("utf8")),
      ]);
    expect(handed.join("\n")).toContain("--token-file");
    for (const secret of [token, FAKE_TOKEN]) expect(`${handed.join("\n")}${facility.log()}`).not.toContain(secret);
    expect(facility.log()).toContain('"pilot-ended"');
  }, 120_000);

  it("refuses a folder of work that is no path of the nodes", async () => {
    const words = ["site", "--central", facility.url, "--token", "t", "--work", "work", "--name", "farm", "--batch", file];
    const { code, stderr } = await startXpcs(words, {}).result;
    expect([code, stderr]).toEqual([2, expect.stringContaining("must be an absolute path at the facility")]);
  });
});

it("refuses a batch file without what the API needs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-api-"));
  const api = { url: "https://api.example/api/v2", resource: "r", credential: "/x", folder: "/f", program: "/p" };
  for (const [own, words] of [
    [{}, "says neither storage nor siteToken"],
    [{ storage: "s", credential: "x" }, "api.credential: must be an absolute path"],
    [{ storage: "s", folder: "f" }, "api.folder: must be an absolute path at the facility"],
    [{ storage: "s", url: "file:///x" }, "api.url: must be an address"],
    [{ storage: "s", url: "http://api.example/api/v2" }, "api.url: must be https: a credential would cross the network in clear text"],
    [{ storage: "s", token: "abc" }, "token"],
  ] as const) {
    writeFileSync(
      join(folder, "b.json"),
      JSON.stringify({ scheduler: "iri", folder: "/x", api: { ...api, ...own }, job: { walltimeS: 60 } }),
    );
    const { code, stderr } = await startXpcs(["doctor", "--batch", join(folder, "b.json")], {}).result;
    expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
  }
  rmSync(folder, { recursive: true, force: true });
});
