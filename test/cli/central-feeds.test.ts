/** `xpcs central --feeds FILE` as a process: a file that is wrong keeps it from starting, with the line; one that is right is asked, and shown. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type FeedServer, RIGS, startFeedServer } from "../actors/feeds/rigs.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { startXpcs } from "./xpcs-process.js";

vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let server: FeedServer;
const home = () => ({ HOME: folder, XDG_CONFIG_HOME: join(folder, "config") });
const central = (feeds: string) =>
  startXpcs(["central", "--data", join(folder, "data"), "--listen", "127.0.0.1:0", "--feeds", feeds, "--json"], home());

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "xpcs-feeds-"));
  server = await startFeedServer(RIGS.sfapi!.answers);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

it("is refused with the line of the mistake, and before anything is made", async () => {
  const file = join(folder, "wrong.yaml");
  await writeFile(file, "feeds:\n  nersc:\n    kind: sfapi\n    url: http://api.nersc.gov\n    sites: { perlmutter: perlmutter }\n");
  const { code, stderr } = await central(file).result;
  expect([code, stderr]).toEqual([2, expect.stringContaining("wrong.yaml line 4: feeds.nersc.url: must be https")]);
  expect((await central(join(folder, "none.yaml")).result).code).toBe(2);
});

it("is asked, and what it says is shown", async () => {
  const file = join(folder, "feeds.yaml");
  await writeFile(
    file,
    `feeds:\n  nersc:\n    kind: sfapi\n    url: ${server.url}\n    sites: { far: dtns, gone: cori }\n  place:\n    kind: sfapi\n    url: ${server.url}\n    sites: { near: perlmutter }\n`,
  );
  const running = central(file);
  await vi.waitFor(() => expect(running.printed()).toContain("\n"), { timeout: 60_000 });
  const { url, operatorToken } = JSON.parse(running.printed()) as { url: string; operatorToken: string };
  const xpcs = (...args: string[]) => startXpcs(args, { ...home(), XPCS_CENTRAL: url, XPCS_TOKEN: operatorToken }).result;
  await vi.waitFor(async () => expect((await xpcs("site", "downtime")).stdout).toMatch(/place +sfapi +fresh/), { timeout: 60_000 });
  const { stdout } = await xpcs("site", "downtime");
  // One machine that it does not know spoils the feed, and is named.
  expect(stdout).toMatch(/nersc +sfapi +waiting +- +far +unknown +unknown +the API knows no machine "cori"/);
  expect(stdout).toMatch(/place +sfapi +fresh +2\d{3}-.* near +up +known/);
  expect(shapeFaults(documentedJson("downtimes"), JSON.parse((await xpcs("site", "downtime", "--json")).stdout))).toEqual([]);
  running.kill("SIGTERM");
  expect((await running.result).code).toBe(0);
});
