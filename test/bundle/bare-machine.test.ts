/** One pasted line on a machine without Node, compiler and HDF5: it becomes a site, and computes what this machine computes. Real bundle, real processes. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type DetectorRun, writeDetectorRun } from "../chaos/detector-run.js";
import { gone } from "../chaos/processes.js";
import { documentedJson, shapeFaults } from "../cli/cli-docs.js";
import { datasetOf } from "../xpcs/file-contents.js";
import { type BareMachine, bareRootProblem, makeBareMachine } from "./bare-root.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const problem = bareRootProblem();

let folder: string;
let machine: BareMachine;
let run: DetectorRun;
let central: { url: string; pin: string; operatorToken: string; bundle: string };
let line: string;
const children: ChildProcess[] = [];
const file = (name: string): string => join(folder, name);

interface Bundle {
  readonly bytes: number;
  readonly sha256: string;
  readonly glibc: string;
  readonly files: number;
}
let bundle: Bundle;

/** Runs a command of this machine in the bare one's network, to its end. */
function xpcs(args: readonly string[]): { code: number | null; value: unknown; err: string } {
  const [program, ...words] = machine.onNetwork([process.execPath, CLI, ...args, "--json"]);
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    XPCS_CENTRAL: central?.url,
    XPCS_TOKEN: central?.operatorToken,
    XPCS_PIN: central?.pin,
  };
  const { status, stdout, stderr } = spawnSync(program!, words, { env, encoding: "utf8", cwd: folder });
  return { code: status, value: stdout === "" ? null : JSON.parse(stdout), err: stderr };
}

/** What a process writes, and a promise of its first words on stdout. */
function listen(child: ChildProcess): { said: () => string; ready: Promise<string> } {
  children.push(child);
  let said = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on("data", (text) => {
      said += text;
    });
  }
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout!.once("data", (text) => resolve(String(text)));
    child.once("close", (code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
  return { said: () => said, ready };
}

const g2 = (path: string): Promise<ArrayLike<number>> => datasetOf(path, "/xpcs/multitau/normalized_g2");

/** As Ctrl-C does. */
async function stop(child: ChildProcess): Promise<void> {
  process.kill(-child.pid!, "SIGINT");
  await gone(child);
}

/** Ends what is left of a process group; it may have ended. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, "SIGKILL");
  } catch {}
}

describe.skipIf(problem !== null)(`a bare machine${problem === null ? "" : ` (skipped: ${problem})`}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "xpcs-bundle-test-"));
    machine = await makeBareMachine();
    for (const name of ["data", "results"]) mkdirSync(file(name));
    run = await writeDetectorRun(file("data"), { frames: 500, photonsPerFrame: 200 });
    const made = xpcs(["bundle", "--out", file("xpcs.tar.gz")]);
    expect(made).toMatchObject({ code: 0, err: "" });
    expect(shapeFaults(documentedJson("bundle"), made.value)).toEqual([]);
    bundle = made.value as Bundle;
    writeFileSync(file("central.json"), JSON.stringify({ data: { read: [file("data")], write: [file("results")] } }));
    const options = ["--listen", "127.0.0.1:7878", "--tls", "--bundle", file("xpcs.tar.gz"), "--settings", file("central.json"), "--json"];
    const [program, ...args] = machine.onNetwork([process.execPath, CLI, "central", "--data", file("central"), ...options]);
    central = JSON.parse(await listen(spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"], detached: true })).ready);
    const code = xpcs(["token", "create", "--role", "site", "--site", "bare", "--person", "admin", "--join"]);
    line = (code.value as { joinLine: string }).joinLine;
    // What a facility's modules may put in front of this program's libraries.
    mkdirSync(join(machine.root, "modules"));
    for (const name of ["libstdc++.so.6", "libhdf5_serial.so.103", "libcurl.so.4"])
      writeFileSync(join(machine.root, "modules", name), "no library");
    writeFileSync(join(machine.root, "site.json"), JSON.stringify({ locations: [{ folder, by: "http", giveUpS: 20 }] }));
  }, 240_000);
  afterAll(async () => {
    for (const child of children) killGroup(child);
    await Promise.all(children.map(gone));
    await machine?.remove();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  it("has neither Node nor HDF5, and reaches nobody but central", async () => {
    const text = "node --version; gcc --version; ls /; curl -sS -m 5 http://192.0.2.1/ ; echo done";
    const { said, ready } = listen(machine.shell(text));
    await ready;
    await vi.waitFor(() => expect(said()).toContain("done"));
    expect(said()).toMatch(/node: not found[\s\S]*gcc: not found/);
    expect(said()).toMatch(/curl: \(7\)/);
  });

  it("takes nothing from a central with another key than the line pins", async () => {
    const pin = central.pin.slice("sha256/".length);
    expect(line).toContain(`'sha256//${pin}'`);
    const child = machine.shell(line.replaceAll(pin, createHash("sha256").update("another").digest("base64")));
    const { said, ready } = listen(child);
    await expect(ready).rejects.toThrow("ended with 1");
    expect(said()).toContain("public key does not match");
    expect(said()).toContain("nothing was installed");
    expect(existsSync(join(machine.root, "home/.local"))).toBe(false);
  });

  it("becomes a site with the join line, and computes what is computed here", async () => {
    expect(central.bundle).toBe(bundle.sha256);
    expect(line).not.toContain("\n");
    const site = machine.shell(`${line} --slots 1 --threads 2 --settings /site.json`, { LD_LIBRARY_PATH: "/modules" });
    const { said, ready } = listen(site);
    expect(await ready).toContain("site bare has joined");
    expect(said()).toMatch(/fetching xpcs \S+ \([\d.]+ MB\)/);
    const maps = ["--qmap", run.qmap, "--frame-time", String(run.frameTimeS)];
    const done = xpcs(["submit", run.input, ...maps, "--out", file("results"), "--wait"]);
    expect(done.code, `${done.err}\n${said()}`).toBe(0);
    expect(xpcs(["job", (done.value as { jobs: string[] }).jobs[0]!]).value).toMatchObject({ state: "finished", site: "bare" });
    expect(xpcs(["corr", run.input, ...maps, "--threads", "1", "--out", file("here_results.hdf")]).code).toBe(0);
    const here = await g2(file("here_results.hdf"));
    expect(here.length).toBeGreaterThan(20);
    expect(await g2(file("results/run_0001_results.hdf"))).toEqual(here);
    await stop(site);
    expect(said()).not.toContain("native-core-missing");
  }, 120_000);

  it("needs no second download, and keeps nothing but the bundle and its link", async () => {
    const site = machine.shell(`${line} --slots 1`);
    const { said, ready } = listen(site);
    expect(await ready).toContain("site bare has joined");
    expect(said()).toContain("is there already");
    expect(said()).not.toContain("fetching");
    await stop(site);
    const home = join(machine.root, "home/.local/share/xpcs");
    const name = readlinkSync(join(home, "current"));
    expect(name).toBe(`0.1.0-${bundle.sha256.slice(0, 12)}`);
    expect(readdirSync(home).sort()).toEqual([name, "current"].sort());
    expect(existsSync(join(home, name, "node_modules/typescript"))).toBe(false);
    const doctor = listen(machine.shell("/home/.local/share/xpcs/current/bin/xpcs doctor --json"));
    const { checks } = JSON.parse(await doctor.ready) as { checks: { name: string; status: string }[] };
    for (const check of ["bundle", "native core", "HDF5"])
      expect(checks.find((each) => each.name === check)).toMatchObject({ status: "ok" });
    const init = listen(machine.shell("/home/.local/share/xpcs/current/bin/xpcs site init b.yaml --profile none"));
    await expect(init.ready).rejects.toThrow("there are aurora, frontier, perlmutter, polaris");
  }, 60_000);
});
