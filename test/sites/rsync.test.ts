/** rsync over ssh beyond the suite of all transfers: what is outside its folder, hosts that do not answer or let nobody in, a cut on the way. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { realClock } from "../../src/core/real-clock.js";
import { openCache } from "../../src/sites/staging/cache.js";
import type { LocationSettings, Transfer } from "../../src/sites/transfers/define.js";
import { rsyncBackend } from "../../src/sites/transfers/rsync.js";
import { recordArrival } from "./recorded-arrival.js";
import { type SshServer, sshObstacle, startSshServer } from "./ssh-server.js";

const obstacle = sshObstacle();
let folder: string;
let ssh: SshServer;
const at = (...names: string[]): string => join(folder, ...names);
const told: string[] = [];
const quiet = {
  lease: { job: "j1", epoch: 1 },
  report: (reason: string | null) => {
    if (reason !== null) told.push(reason);
  },
  signal: new AbortController().signal,
};

function open(more: object): Transfer {
  const settings = {
    folder: "/beamline",
    by: "rsync",
    host: ssh.host,
    path: at("data"),
    sshConfig: ssh.config,
    connections: 2,
    giveUpS: 1,
    ...more,
  };
  return rsyncBackend.open(settings as LocationSettings, {
    site: "here",
    central: () => ({ url: "", token: "", trust: {}, insecure: false }),
    cache: openCache({ folder: at("staged"), bytesMax: 1e9, clock: realClock, boot: "this" }),
    clock: realClock,
    rng: Math.random,
  });
}
const stage = (transfer: Transfer, ...paths: string[]) => {
  const dir = at("attempt");
  mkdirSync(dir, { recursive: true });
  return transfer.stageIn({ refs: paths.map((path) => ({ path })), dir, ...quiet });
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-rsync-"));
  for (const name of ["data/results", "secret"]) mkdirSync(at(name), { recursive: true });
  writeFileSync(at("secret/key"), "secret");
  symlinkSync(at("secret"), at("data/out"));
  symlinkSync(at("secret/key"), at("data/link"));
  writeFileSync(at("data/real"), "data");
  symlinkSync(at("data/real"), at("data/alias"));
  if (obstacle === null) ssh = await startSshServer();
});
afterAll(async () => {
  await ssh?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(obstacle !== null)("rsync over ssh", () => {
  it("finds the submitter's paths under another folder over there", async () => {
    const [real, alias] = await stage(open({}), "/beamline/real", "/beamline/alias");
    expect([readFileSync(real!, "utf8"), readFileSync(alias!, "utf8")]).toEqual(["data", "data"]);
    const destination = { ref: { path: "/beamline/results/a.hdf" }, job: "j1", overwrite: false };
    writeFileSync(at("local"), "result");
    const sha256 = createHash("sha256").update("result").digest("hex");
    const local = { path: at("local"), bytes: 6, sha256 };
    const request = { destination, epoch: 1, local, seen: null, access: { mode: 0o640 }, confirm: async () => {}, ...quiet };
    expect(await open({}).stageOut(request)).toEqual({ path: "/beamline/results/a.hdf", bytes: 6, sha256 });
    expect(await open({}).inspect(destination)).toMatchObject({ kind: "published", output: { path: "/beamline/results/a.hdf" } });
    expect(readFileSync(at("data/results/a.hdf"), "utf8")).toBe("result");
  });

  it("refuses what leads out of the folder, for reading and for writing", async () => {
    for (const path of ["/beamline/link", "/beamline/out/key"])
      await expect(stage(open({}), path)).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining("is not in") });
    const destination = { ref: { path: "/beamline/out/new" }, job: "j1", overwrite: true };
    await expect(open({}).inspect(destination)).rejects.toMatchObject({ code: "REFUSED" });
    expect(readdirSync(at("secret"))).toEqual(["key"]);
    await expect(stage(open({}), "/beamline/results")).rejects.toMatchObject({
      code: "REFUSED",
      message: expect.stringContaining("no plain file"),
    });
    await expect(stage(open({}), "/beamline/a\nb")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("tells at once that the host does not answer, tries again, and gives up", async () => {
    writeFileSync(at("nobody"), readFileSync(ssh.config, "utf8").replace(/Port \d+/, "Port 1"));
    told.length = 0;
    await expect(stage(open({ sshConfig: at("nobody") }), "/beamline/real")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("Connection refused"),
    });
    expect(told.length).toBeGreaterThan(0);
    expect(told[0]).toContain("ssh to beamline: ");
  });

  it("does not try again where nobody lets it in", async () => {
    const config = readFileSync(ssh.config, "utf8");
    writeFileSync(at("stranger"), config.replace(/IdentityFile .*/, `IdentityFile ${at("none")}`).replace(/User .*/, "User nobody"));
    told.length = 0;
    await expect(stage(open({ sshConfig: at("stranger") }), "/beamline/real")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(told).toEqual([]);
  });

  it("brings many small files in one call, and again only what is new", async () => {
    mkdirSync(at("data/many"));
    const names = Array.from({ length: 200 }, (_, at) => `/beamline/many/${at}`);
    for (const [n, name] of names.entries()) writeFileSync(at("data/many", name.split("/").at(-1)!), `file ${n}`);
    const places = await stage(open({}), ...names);
    expect(places.map((place) => readFileSync(place, "utf8"))).toEqual(names.map((_, n) => `file ${n}`));
    writeFileSync(at("data/many/7"), "changed");
    expect(readFileSync((await stage(open({}), ...names))[7]!, "utf8")).toBe("changed");
    expect(existsSync(at("attempt/incoming"))).toBe(false);
  });

  it.each([
    ["with others", 10_000],
    ["alone", 64_000_001],
  ])("counts what a try brought that was cut once, of a file that crosses %s", async (how, bytes) => {
    // Each try tells of the first bytes, the second one because they lie here.
    const cut = at(`cut ${how}`);
    const { PATH } = process.env;
    const lines = [
      "printf '\\r  4,000  40%%\\n'",
      `[ -e '${cut}' ] || { touch '${cut}'; exit 12; }`,
      `PATH='${PATH}' exec rsync "$@" >/dev/null`,
    ];
    mkdirSync(at("bin"), { recursive: true });
    writeFileSync(at("bin/rsync"), ["#!/bin/sh", ...lines].join("\n"), { mode: 0o755 });
    writeFileSync(at("data/cut"), how);
    truncateSync(at("data/cut"), bytes);
    const { files, arriving } = recordArrival();
    process.env.PATH = `${at("bin")}:${PATH}`;
    try {
      await open({ giveUpS: 20 }).stageIn({ refs: [{ path: "/beamline/cut" }], dir: at("attempt"), ...quiet, arriving });
    } finally {
      process.env.PATH = PATH;
    }
    expect(existsSync(cut)).toBe(true);
    expect(files).toEqual([{ bytes, moves: [4_000], was: 0, whole: { lacked: bytes - 4_000, crossed: true } }]);
  });
});
