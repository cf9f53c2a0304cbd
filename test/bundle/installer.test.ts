/** The join line and its installer against servers that fail: a small archive stands for the bundle, and all else is real. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Archive, folderName, installerText, joinLine } from "../../src/cli/bundle/installer.js";
import { packFolder } from "../../src/cli/bundle/make.js";
import type { BundleManifest } from "../../src/cli/bundle/manifest.js";

let folder: string;
let server: Server;
let serve: RequestListener;
let asked: string[];
const home = () => join(folder, "home/xpcs");
const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");

const MANIFEST: BundleManifest = {
  ...{ format: 1, version: "9.1.0", platform: process.arch === "arm64" ? "linux-arm64" : "linux-x64", node: "20.0.0", glibc: "2.17" },
  files: {},
};

/** An archive like a bundle: its node does nothing, its xpcs says what it was called with. */
async function makeArchive(version: string, bytes = 100_000): Promise<Archive & { path: string }> {
  const parent = join(folder, version);
  mkdirSync(join(parent, "xpcs/bin"), { recursive: true });
  const write = (name: string, text: string | Buffer) => writeFileSync(join(parent, "xpcs", name), text, { mode: 0o755 });
  write("manifest.json", JSON.stringify({ ...MANIFEST, version }));
  write("bin/node", "#!/bin/sh\nexit 0\n");
  write("bin/xpcs", `#!/bin/sh\necho "${version} $* code=$XPCS_JOIN_CODE key=\${XPCS_KEY:-none}"\n`);
  write("ballast", randomBytes(bytes));
  const path = join(folder, `${version}.tar.gz`);
  await packFolder(parent, "xpcs", path);
  const data = readFileSync(path);
  return { path, bytes: data.length, sha256: sha256(data) };
}

interface Case {
  readonly script: string;
  readonly archive: Archive & { path: string };
  readonly line: string;
}

async function makeCase(version = "9.1.0", manifest: Partial<BundleManifest> = {}, bytes?: number): Promise<Case> {
  const archive = await makeArchive(version, bytes);
  const script = installerText({ ...MANIFEST, version, ...manifest }, archive);
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { script, archive, line: joinLine({ url, installer: sha256(script), joinCode: "xpcs-join-abc" }) };
}

/** Serves all as it is. */
const honest =
  (...cases: Case[]): RequestListener =>
  ({ url }, response) => {
    for (const { script, archive } of cases) {
      if (url === `/bundle/${sha256(script)}`) return void response.end(script);
      if (url === `/bundle/${archive.sha256}`) return void response.end(readFileSync(archive.path));
    }
    response.writeHead(404).end();
  };

function start(line: string, shell = "sh"): { child: ChildProcess; ended: Promise<{ code: number | null; out: string; err: string }> } {
  const child = spawn(shell, ["-c", line], {
    env: { PATH: process.env.PATH, HOME: join(folder, "home"), XDG_DATA_HOME: join(folder, "home") },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (text) => {
    out += text;
  });
  child.stderr.on("data", (text) => {
    err += text;
  });
  return { child, ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err }))) };
}

const paste = (line: string, shell?: string) => start(line, shell).ended;
const left = () => (existsSync(home()) ? readdirSync(home()).sort() : []);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-installer-"));
  mkdirSync(join(folder, "home"));
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url!);
    serve(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

describe("the join line", () => {
  it.each(["sh", "bash"])("of %s unpacks the bundle and hands its options on; again, it fetches nothing twice", async (shell) => {
    const one = await makeCase();
    serve = honest(one);
    const name = folderName(MANIFEST, one.archive);
    const first = await paste(`${one.line} --slots 4 --work '/a b'`, shell);
    expect(first).toEqual({
      code: 0,
      out: "9.1.0 join --slots 4 --work /a b code=xpcs-join-abc key=none\n",
      err: expect.stringContaining("fetching"),
    });
    expect(left()).toEqual([name, "current"]);
    expect(readlinkSync(join(home(), "current"))).toBe(name);
    const again = await paste(one.line, shell);
    expect(again).toMatchObject({ code: 0, err: expect.stringContaining("is there already") });
    expect(asked.filter((url) => url.endsWith(one.archive.sha256))).toHaveLength(1);
  });

  it("without a join code installs alone, where XPCS_HOME says", async () => {
    const one = await makeCase();
    serve = honest(one);
    const elsewhere = join(folder, "else where");
    const { code, out } = await paste(one.line.replace(/XPCS_JOIN_CODE=\S+/, `XPCS_HOME='${elsewhere}'`));
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(readdirSync(elsewhere)).toContain("current");
    expect(left()).toEqual([]);
  });

  it("puts another version beside the one that is there, and switches the link", async () => {
    const [old, young] = [await makeCase("9.1.0"), await makeCase("9.2.0")];
    serve = honest(old, young);
    await paste(old.line);
    expect((await paste(young.line)).out).toMatch(/^9\.2\.0 join/);
    expect(left()).toEqual([folderName({ version: "9.1.0" }, old.archive), folderName({ version: "9.2.0" }, young.archive), "current"]);
    expect((await paste(old.line)).out).toMatch(/^9\.1\.0 join/);
  });

  it("does nothing with an installer that is not the one it names", async () => {
    const one = await makeCase();
    const other = honest(one);
    serve = (request, response) =>
      request.url!.endsWith(sha256(one.script)) ? void response.end(`${one.script}# more\n`) : other(request, response);
    expect(await paste(one.line)).toMatchObject({ code: 1, out: "", err: expect.stringContaining("did not come whole") });
    expect([left(), asked]).toEqual([[], [expect.any(String)]]);
  });

  it.each<[string, (data: Buffer) => RequestListener, RegExp]>([
    [
      "another archive",
      (data) => (_request, response) => void response.end(Buffer.concat([data, Buffer.from("x")])),
      /is not the bundle: its digest is [0-9a-f]{64}; nothing was installed/,
    ],
    [
      "half of the archive",
      (data) => (_request, response) => {
        response.writeHead(200, { "content-length": data.length });
        response.write(data.subarray(0, data.length / 2), () => response.destroy());
      },
      /could not be fetched whole .*; nothing was installed/,
    ],
    ["a central that has it no more", () => (_request, response) => void response.writeHead(404).end("gone"), /could not be fetched whole/],
  ])("leaves nothing of %s", async (_what, fault, words) => {
    const one = await makeCase();
    const [good, bad] = [honest(one), fault(readFileSync(one.archive.path))];
    serve = (request, response) => (request.url!.endsWith(one.archive.sha256) ? bad : good)(request, response);
    expect(await paste(one.line)).toMatchObject({ code: 1, out: "", err: expect.stringMatching(words) });
    expect(left()).toEqual([]);
    serve = good;
    expect((await paste(one.line)).code).toBe(0);
  });

  it.each(["SIGTERM", "SIGKILL"] as const)(
    "leaves nothing of a download that ends with %s, at the latest when it runs again",
    async (signal) => {
      const one = await makeCase("9.1.0", {}, 4_000_000);
      const good = honest(one);
      const data = readFileSync(one.archive.path);
      serve = (request, response) => {
        if (!request.url!.endsWith(one.archive.sha256)) return good(request, response);
        response.writeHead(200, { "content-length": data.length });
        response.write(data.subarray(0, 2_000_000));
      };
      const { ended } = start(`exec sh -c '${one.line.replaceAll("'", `'\\''`)}'`);
      // The script is the child's child; its folder has its number.
      const incoming = () => left().find((name) => name.startsWith(".incoming"))!;
      await vi.waitFor(() => expect(statSync(join(home(), incoming(), "archive")).size).toBeGreaterThan(1_000_000), { timeout: 10_000 });
      process.kill(Number(/\d+$/.exec(incoming())![0]), signal);
      server.closeAllConnections();
      await ended;
      serve = good;
      expect((await paste(one.line)).code).toBe(0);
      expect(left()).toEqual([folderName(MANIFEST, one.archive), "current"]);
    },
  );

  it.each<[string, Partial<BundleManifest>, RegExp]>([
    ["an older glibc", { glibc: "99.1" }, /has glibc 2\.\d+, and this bundle needs 99\.1 or newer.*; nothing was installed/],
    [
      "another processor",
      { platform: process.arch === "arm64" ? "linux-x64" : "linux-arm64" },
      /this bundle is for Linux \w+, and this machine is Linux \w+; nothing/,
    ],
  ])("fetches nothing for %s", async (_what, manifest, words) => {
    const one = await makeCase("9.1.0", manifest);
    serve = honest(one);
    expect(await paste(one.line)).toMatchObject({ code: 1, err: expect.stringMatching(words) });
    expect(asked).toHaveLength(1);
    expect(left()).toEqual([]);
  });

  it("says so when its folder cannot be made", async () => {
    const one = await makeCase();
    serve = honest(one);
    writeFileSync(home(), "a file");
    expect(await paste(one.line)).toMatchObject({ code: 1, err: expect.stringContaining("cannot be written (XPCS_HOME names another)") });
  });

  it("leaves nothing of a bundle that does not run here", async () => {
    const one = await makeCase();
    const parent = join(folder, "9.1.0");
    writeFileSync(join(parent, "xpcs/bin/node"), "#!/bin/sh\necho no >&2\nexit 1\n");
    await packFolder(parent, "xpcs", one.archive.path);
    const data = readFileSync(one.archive.path);
    const archive = { path: one.archive.path, bytes: data.length, sha256: sha256(data) };
    const script = installerText(MANIFEST, archive);
    serve = honest({ script, archive, line: "" });
    const line = one.line.replaceAll(sha256(one.script), sha256(script));
    expect(await paste(line)).toMatchObject({
      code: 1,
      err: expect.stringContaining("does not run on this machine; nothing was installed"),
    });
    expect(left()).toEqual([]);
  });
});

describe("an archive", () => {
  it("has the same bytes for the same files, whenever and however they were written, with the manifest first", async () => {
    const one = await makeArchive("9.1.0");
    const before = process.umask(0o077);
    try {
      const copy = join(folder, "copy/xpcs");
      mkdirSync(join(copy, "bin"), { recursive: true });
      for (const name of ["ballast", "bin/xpcs", "bin/node", "manifest.json"])
        writeFileSync(join(copy, name), readFileSync(join(folder, "9.1.0/xpcs", name)), { mode: 0o700 });
      await packFolder(join(folder, "copy"), "xpcs", join(folder, "copy.tar.gz"));
    } finally {
      process.umask(before);
    }
    expect(sha256(readFileSync(join(folder, "copy.tar.gz")))).toBe(one.sha256);
  });
});
