/** `xpcs site start|stop|status|logs`: real processes of the built command. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, it } from "vitest";
import { type Facility, startFacility } from "../chaos/processes.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { startXpcs } from "./xpcs-process.js";

let facility: Facility;
let siteToken: string;
const file = (name: string) => join(facility.folder, name);
const env = () => ({ XDG_STATE_HOME: file("state"), XDG_CONFIG_HOME: file("config") });
const site = (...words: string[]) => startXpcs(["site", ...words, "--json"], env()).result;
const where = () => ["--central", facility.url, "--token", siteToken, "--work", file("work")];
const folderOf = (name: string) => join(file("state"), "xpcs-sites", name);

interface Answer {
  readonly code: number | null;
  readonly said: Record<string, unknown>;
}
async function ask(...words: string[]): Promise<Answer> {
  const { code, stdout, stderr } = await site(...words);
  const text = stdout.trim() || stderr.trim().split("\n").at(-1)!;
  return { code, said: JSON.parse(text) as Record<string, unknown> };
}
const start = (name: string, ...words: string[]) => ask("start", name, ...where(), ...words);
const status = (name: string) => ask("status", name);
const pidOf = (name: string): number =>
  (JSON.parse(readFileSync(join(folderOf(name), "run.json"), "utf8")) as { process: { pid: number } }).process.pid;
const isThere = (pid: number): boolean => existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
const noop = (durationMs: number) => ({ work: { app: "xpcs.noop" as const, durationMs }, tags: {}, attemptsMax: 3 });

const names = ["one", "logout", "renumbered", "rebooted", "silent", "killed", "hangs", "far", "wrong", "away", "again", "farm", "ordered"];
beforeAll(async () => {
  facility = await startFacility();
  siteToken = facility.ready.central!.siteToken!;
});
afterAll(async () => {
  for (const name of names) if (existsSync(join(folderOf(name), "run.json"))) process.kill(pidOf(name), "SIGKILL");
  await facility.end();
}, 60_000);

it.concurrent("starts a site that works, tells how it is, refuses a second one, and stops it", async ({ expect }) => {
  const started = await start("one", "--slots", "2");
  expect(started).toMatchObject({ code: 0, said: { site: "one", central: facility.url, reached: true } });
  const pid = pidOf("one");
  expect(started.said.pid).toBe(pid);
  const { jobs } = await facility.client.submit({ jobs: [{ ...noop(20_000), site: "one" }] });
  await expect.poll(async () => ((await status("one")).said.jobs as object[]).length, { timeout: 15_000 }).toBe(1);
  const { code, said } = await status("one");
  expect([code, shapeFaults(documentedJson("site_status"), said)]).toEqual([0, []]);
  expect(said).toMatchObject({ state: "working", pid, user: userInfo().username, slots: 2, jobs: [{ job: jobs[0], app: "xpcs.noop" }] });
  const second = await start("one");
  expect(second).toMatchObject({ code: 4, said: { error: { code: "REFUSED", message: expect.stringContaining(`process ${pid}`) } } });
  // Its own way in, too.
  const direct = await site("--name", "one", "--state", folderOf("one"), ...where());
  expect([direct.code, direct.stderr]).toEqual([4, expect.stringContaining(`process ${pid}`)]);
  expect(await ask("stop", "one", "--grace", "0")).toMatchObject({ code: 0, said: { site: "one", killed: false } });
  expect(isThere(pid)).toBe(false);
  expect(await status("one")).toMatchObject({ code: 1, said: { state: "stopped", reason: null, pid: null } });
  // It said goodbye: the job came back uncounted.
  expect(new Set((await facility.client.job(jobs[0]!)).attempts.map(({ outcome }) => outcome))).toEqual(new Set(["returned"]));
  await facility.client.cancel(jobs);
  expect(await ask("stop", "one")).toMatchObject({ code: 0, said: { how: "was not running" } });
  const { stdout } = await site("logs", "one", "--lines", "1000");
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { event: string }).event);
  expect(events).toEqual(expect.arrayContaining(["site-joined", "lease-granted", "site-left"]));
  // As before, with nothing said.
  expect(await ask("start", "one")).toMatchObject({ code: 0, said: { reached: true } });
  expect((await status("one")).said).toMatchObject({ slots: 2 });
  await ask("stop", "one");
}, 90_000);

it.concurrent("outlives the terminal that it was started from", async ({ expect }) => {
  const words = ["site", "start", "logout", ...where()].map((word) => `'${word}'`).join(" ");
  const cli = join(import.meta.dirname, "../../dist/cli/main.js");
  // A terminal of its own, which is hung up when the command is over.
  const { status: code } = spawnSync("script", ["-qec", `'${process.execPath}' '${cli}' ${words}`, "/dev/null"], {
    env: { ...process.env, ...env() },
    stdio: "ignore",
  });
  expect(code).toBe(0);
  const pid = pidOf("logout");
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [, , , session, terminal] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  expect([Number(session), terminal]).toEqual([pid, "0"]);
  expect(await status("logout")).toMatchObject({ code: 0 });
  await ask("stop", "logout");
}, 60_000);

it.concurrent.for<[string, string, object]>([
  ["renumbered", "the number of another process", { startTick: "1" }],
  ["rebooted", "a machine that was started anew", { boot: "00000000-0000-0000-0000-000000000000" }],
  ["silent", "another login node, which is silent", { host: "login2" }],
])("never sends a signal to what has (%s) %s", { timeout: 120_000 }, async ([name, , other], { expect }) => {
  const bystander = spawn("sleep", ["600"], { stdio: "ignore" });
  await start(name);
  await ask("stop", name);
  const { stdout } = await site("status", name);
  expect(JSON.parse(stdout)).toMatchObject({ state: "stopped" });
  const stat = readFileSync(`/proc/${bystander.pid}/stat`, "utf8");
  const here = {
    host: (await import("node:os")).hostname(),
    machine: existsSync("/etc/machine-id") ? readFileSync("/etc/machine-id", "utf8").trim() : "",
    boot: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    namespace: (await import("node:fs")).readlinkSync("/proc/self/ns/pid"),
    pid: bystander.pid,
    startTick: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19],
  };
  const holder = { name, run: "r", user: "ann", since: "2026-11-26T10:00:00.000Z", version: "1" };
  const run = join(folderOf(name), "run.json");
  writeFileSync(run, JSON.stringify({ ...holder, process: { ...here, ...other } }));
  expect(await status(name)).toMatchObject({ code: 1 });
  expect(await ask("stop", name)).toMatchObject({ code: 0, said: { how: "was not running" } });
  expect(isThere(bystander.pid!)).toBe(true);
  // Nor does it keep the site from being started.
  writeFileSync(run, JSON.stringify({ ...holder, process: { ...here, ...other } }));
  expect(await start(name)).toMatchObject({ code: 0 });
  expect(isThere(bystander.pid!)).toBe(true);
  await ask("stop", name);
  bystander.kill("SIGKILL");
});

it.concurrent("stops a site of another machine by the folder that they share", async ({ expect }) => {
  await start("far");
  const pid = pidOf("far");
  const run = join(folderOf("far"), "run.json");
  const holder = JSON.parse(readFileSync(run, "utf8")) as { process: object };
  writeFileSync(run, JSON.stringify({ ...holder, process: { ...holder.process, host: "login2" } }));
  expect(await status("far")).toMatchObject({ code: 0, said: { state: "working", host: "login2" } });
  expect(await start("far")).toMatchObject({ code: 4, said: { error: { message: expect.stringContaining("on login2") } } });
  expect(await ask("stop", "far", "--grace", "0")).toMatchObject({ code: 0, said: { how: "stopped" } });
  await expect.poll(() => isThere(pid)).toBe(false);
}, 90_000);

it.concurrent("tells that a site was killed, and starts it again", async ({ expect }) => {
  await start("killed");
  process.kill(pidOf("killed"), "SIGKILL");
  await expect.poll(async () => (await status("killed")).said.state, { timeout: 10_000 }).toBe("died");
  expect(await status("killed")).toMatchObject({ code: 1, said: { reason: expect.stringContaining("was killed") } });
  expect(await ask("start", "killed")).toMatchObject({ code: 0, said: { reached: true } });
  await ask("stop", "killed");
}, 60_000);

it.concurrent("ends a site that hangs, when its time is over", async ({ expect }) => {
  await start("hangs");
  const pid = pidOf("hangs");
  process.kill(pid, "SIGSTOP");
  expect(await ask("stop", "hangs", "--grace", "0")).toMatchObject({ code: 0, said: { how: "killed", killed: true } });
  expect(isThere(pid)).toBe(false);
}, 60_000);

it.concurrent("ends with what keeps the site from working, and its exit code", async ({ expect }) => {
  writeFileSync(file("settings.yaml"), "roots:\n  red: [/data]\n");
  const wrong = await start("wrong", "--settings", file("settings.yaml"));
  expect(wrong).toMatchObject({
    code: 2,
    said: { error: { code: "INVALID_ARGUMENT", message: expect.stringContaining('line 2: roots: there is no setting "red"') } },
  });
  expect(await status("wrong")).toMatchObject({
    code: 1,
    said: { state: "failed", reason: expect.stringContaining("there is no setting") },
  });
  expect(await ask("start", "never")).toMatchObject({
    code: 2,
    said: { error: { message: expect.stringContaining("was not started before") } },
  });
  expect(await ask("start", "never", "--slots", "2")).toMatchObject({
    code: 2,
    said: { error: { message: expect.stringContaining("--work") } },
  });
}, 60_000);

it.concurrent("obeys its admin over restarts, visibly for everybody", async ({ expect }) => {
  await start("ordered");
  const views = async () =>
    (await facility.client.sites()).filter(({ name }) => name === "ordered").map(({ state, reason }) => [state, reason]);
  const { jobs } = await facility.client.submit({ jobs: [{ ...noop(60_000), site: "ordered" }] });
  const job = () => facility.client.job(jobs[0]!);
  await expect.poll(async () => (await job()).state, { timeout: 10_000 }).toBe("running");
  expect(await ask("drain", "ordered", "on", "--reason", "new disks")).toMatchObject({ code: 0, said: { drain: "new disks", halt: null } });
  await expect.poll(views, { timeout: 10_000 }).toEqual([["draining", "it is draining: new disks"]]);
  expect((await job()).state).toBe("running");
  expect(await ask("halt", "ordered", "on")).toMatchObject({ code: 0, said: { halt: `by ${userInfo().username}` } });
  await expect.poll(async () => (await job()).reason, { timeout: 10_000 }).toContain("site ordered takes no work: it was halted");
  const attempts = (await job()).attempts.length;
  expect((await job()).attempts.every(({ outcome }) => outcome === "returned")).toBe(true);
  await ask("stop", "ordered");
  await ask("start", "ordered");
  expect((await status("ordered")).said).toMatchObject({ orders: { drain: "new disks" } });
  await expect.poll(views, { timeout: 10_000 }).toEqual([["draining", `it was halted: by ${userInfo().username}`]]);
  expect((await job()).attempts.length).toBe(attempts);
  await ask("halt", "ordered", "off");
  expect(await ask("drain", "ordered", "off")).toMatchObject({ code: 0, said: { drain: null, halt: null } });
  await expect.poll(async () => (await job()).state, { timeout: 10_000 }).toBe("running");
  await facility.client.cancel(jobs);
  await ask("stop", "ordered", "--grace", "0");
  expect(await ask("drain", "ordered")).toMatchObject({ code: 2, said: { error: { message: expect.stringContaining("on or off") } } });
  expect(await ask("drain", "never", "on")).toMatchObject({ code: 2, said: { error: { code: "NOT_FOUND" } } });
}, 120_000);

it.concurrent("tells of a site's pilots", async ({ expect }) => {
  mkdirSync(file("batch"));
  const text = { scheduler: "local", folder: file("batch"), job: { walltimeS: 600 }, pilots: { min: 1, max: 1, idleS: 2, everyS: 1 } };
  writeFileSync(file("batch.json"), JSON.stringify(text));
  expect(await start("farm", "--batch", file("batch.json"))).toMatchObject({ code: 0, said: { reached: true } });
  await expect
    .poll(async () => (await status("farm")).said.pilots, { timeout: 30_000 })
    .toMatchObject({ why: expect.stringContaining("pilot"), list: [{ site: "farm-1", phase: "running" }] });
  expect(await ask("stop", "farm")).toMatchObject({ code: 0, said: { how: "stopped" } });
  // The pilot leaves by itself when it has nothing to do.
  await expect
    .poll(async () => (await facility.client.sites()).find(({ name }) => name === "farm-1")?.state, { timeout: 30_000 })
    .toBe("gone");
}, 90_000);

it.concurrent("keeps a token out of command lines, and writes units and entries only when asked", async ({ expect }) => {
  const token = siteToken;
  const unit = await start("again", "--systemd");
  expect(unit).toMatchObject({ code: 0, said: { unit: join(file("config"), "systemd/user/xpcs-site-again.service") } });
  const text = readFileSync(unit.said.unit as string, "utf8");
  expect(text).toContain(`"--token-file" "${folderOf("again")}/token"`);
  expect(text).not.toContain(token);
  expect(readFileSync(join(folderOf("again"), "token"), "utf8")).toBe(`${token}\n`);
  if (spawnSync("systemd-analyze", ["--version"]).status === 0)
    expect(
      spawnSync("systemd-analyze", ["--user", "--man=no", "verify", unit.said.unit as string], {
        encoding: "utf8",
        env: { ...process.env, XDG_RUNTIME_DIR: facility.folder },
      }),
    ).toMatchObject({ status: 0, stderr: "" });
  // What it says is what starts it.
  const line = (await ask("start", "again", "--scrontab")).said.entry as string;
  const command = line.trimEnd().split("\n").at(-1)!.replace("*/5 * * * * ", "");
  const child = spawn("/bin/sh", ["-c", command], { stdio: "ignore", env: { HOME: file("home") } });
  await expect.poll(async () => (await status("again")).code, { timeout: 20_000 }).toBe(0);
  expect(pidOf("again")).toBe(child.pid);
  expect(readFileSync(`/proc/${child.pid}/cmdline`, "utf8")).not.toContain(token);
  await ask("stop", "again");
  // Another's unit stays.
  writeFileSync(unit.said.unit as string, "[Unit]\n");
  expect(await ask("start", "again", "--systemd")).toMatchObject({ code: 2, said: { error: { code: "ALREADY_EXISTS" } } });
}, 60_000);

// Alone, since it takes central from the others.
it("tells when central is away and when it is back, and what went wrong", async ({ expect }) => {
  await start("away");
  await facility.kill("central");
  await expect.poll(async () => (await status("away")).code, { timeout: 20_000 }).toBe(3);
  const { said } = await status("away");
  expect(said).toMatchObject({ state: "working", central: { reached: false } });
  expect((said.errors as { event: string }[]).some(({ event }) => /^link-|renew-failed|lease-failed/.test(event))).toBe(true);
  await facility.startCentral();
  await expect.poll(async () => (await status("away")).code, { timeout: 20_000 }).toBe(0);
  await ask("stop", "away");
}, 90_000);
