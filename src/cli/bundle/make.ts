/**
 * Makes a bundle: one archive with Node, the program, its packages, the native core and the libraries behind them, which runs from any folder of a
 * machine that has glibc and nothing else. The same program and libraries give the same archive, byte for byte.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { XpcsError } from "../../core/errors.js";
import { VERSION } from "../../core/version.js";
import { digestFile } from "../../files/digest.js";
import { type GlibcNeed, glibcNeed, librariesBehind, runTool } from "./elf.js";
import { BUNDLE_FOLDER, type BundleManifest } from "./manifest.js";
import { isTaken, packageFolders } from "./packages.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url)).replace(/\/$/, "");
const ADDON = "build/Release/xpcs_core.node";

/** Runs from any folder, and through links; stays in its own version when a link is switched. */
const LAUNCHER = `#!/bin/sh
# Starts xpcs from its bundle, wherever that was unpacked.
self=$(readlink -f "$0") || exit 127
root=\${self%/bin/*}
exec "$root/bin/node" "$root/dist/cli/main.js" "$@"
`;

export interface MadeBundle extends Omit<BundleManifest, "files"> {
  readonly out: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Files in it. */
  readonly files: number;
  /** A file that needs the glibc of the manifest. */
  readonly glibcFor: string;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** @throws UNSUPPORTED */
function checkPlace(): void {
  if (process.platform !== "linux") throw new XpcsError("UNSUPPORTED", `bundles are made on Linux, and this is ${process.platform}`);
  if (!existsSync(join(ROOT, ADDON))) throw new XpcsError("UNSUPPORTED", `the native core is not built (${ADDON}): run npm run setup`);
}

/** The program as it lies in a checkout, with Node in bin. */
function copyProgram(to: string, platform: string): void {
  const copy = (path: string, taken: (path: string) => boolean): void =>
    cpSync(join(ROOT, path), join(to, path), {
      recursive: true,
      dereference: true,
      filter: (source) => source === join(ROOT, path) || taken(relative(join(ROOT, path), source)),
    });
  for (const path of ["package.json", "LICENSE", ADDON]) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(to, path));
  }
  copy("dist", (path) => isTaken(path, platform) && !path.startsWith(".stamp"));
  copy("profiles", (path) => path.endsWith(".yaml"));
  for (const folder of packageFolders(ROOT)) copy(relative(ROOT, folder), (path) => isTaken(path, platform));
  mkdirSync(join(to, "bin"));
  copyFileSync(process.execPath, join(to, "bin/node"));
  chmodSync(join(to, "bin/node"), 0o755);
  writeFileSync(join(to, "bin/xpcs"), LAUNCHER, { mode: 0o755 });
}

/**
 * The libraries that the compiled files need, beside them, and in each the way there. As RPATH, which comes before LD_LIBRARY_PATH: what a facility's
 * modules put there is not meant for this program.
 */
function addLibraries(to: string): void {
  const compiled = ["bin/node", ...filesBelow(to).filter((path) => path.endsWith(".node"))];
  const libraries = librariesBehind(compiled.map((path) => join(to, path)));
  mkdirSync(join(to, "lib"));
  for (const [soname, path] of libraries) {
    copyFileSync(realpathSync(path), join(to, "lib", soname));
    chmodSync(join(to, "lib", soname), 0o755);
  }
  for (const path of [...compiled, ...[...libraries.keys()].map((soname) => `lib/${soname}`)]) {
    const way = relative(dirname(path), "lib");
    runTool("patchelf", ["--force-rpath", "--set-rpath", way === "" ? "$ORIGIN" : `$ORIGIN/${way}`, join(to, path)]);
  }
  // Again, of the copies: each must find all in the bundle.
  for (const [soname, path] of librariesBehind(compiled.map((file) => join(to, file))))
    if (!path.startsWith(`${to}/`)) throw new XpcsError("INTERNAL", `${soname} would come from ${path}, and not from the bundle`);
}

function needOf(to: string): GlibcNeed {
  const compiled = filesBelow(to).filter((path) => path.endsWith(".node") || path.startsWith("lib/") || path === "bin/node");
  const need = glibcNeed(runTool("objdump", ["-p", ...compiled.map((path) => join(to, path))]));
  if (need === null) throw new XpcsError("UNSUPPORTED", "this Node asks for no glibc: bundles are made for machines with glibc");
  return { version: need.version, file: relative(to, need.file) };
}

async function manifestOf(to: string, platform: string, glibc: string): Promise<BundleManifest> {
  const files: Record<string, string> = {};
  for (const path of filesBelow(to)) files[path] = (await digestFile(join(to, path))).sha256;
  return { format: 1, version: VERSION, platform, node: process.versions.node, glibc, files };
}

/**
 * Packs a folder into a gzipped archive whose bytes depend on names, contents and the execute bit of its files alone. The manifest comes first.
 * @throws UNSUPPORTED tar or gzip is missing · IO_FAILED
 */
export async function packFolder(parent: string, name: string, out: string): Promise<void> {
  const first = `${name}/manifest.json`;
  const fixed = ["--sort=name", "--format=ustar", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"];
  const tar = spawn("tar", [...fixed, "-C", parent, "-cf", "-", first, `--exclude=${first}`, name], { stdio: ["ignore", "pipe", "pipe"] });
  const gzip = spawn("gzip", ["-n", "-4"], { stdio: ["pipe", "pipe", "pipe"] });
  const said: string[] = [];
  for (const child of [tar, gzip]) child.stderr.on("data", (text) => said.push(String(text)));
  const codes = [tar, gzip].map((child) => once(child, "close"));
  await Promise.all([pipeline(tar.stdout, gzip.stdin), pipeline(gzip.stdout, createWriteStream(out))]);
  for (const [code] of await Promise.all(codes))
    if (code !== 0) throw new XpcsError("IO_FAILED", `the archive could not be packed: ${said.join("").trim()}`);
}

/**
 * Makes a bundle of this program at `out`, replacing what was there as a whole.
 * @param tell called with what is done
 * @throws UNSUPPORTED a tool or the native core is missing · NOT_FOUND a library or package is missing · IO_FAILED
 */
export async function makeBundle(out: string, tell: (text: string) => void): Promise<MadeBundle> {
  checkPlace();
  const target = resolve(out);
  if (!existsSync(dirname(target))) throw new XpcsError("NOT_FOUND", `the folder ${dirname(target)} of --out does not exist`);
  // Before the long work.
  runTool("patchelf", ["--version"]);
  const platform = `${process.platform}-${process.arch}`;
  const parent = mkdtempSync(join(dirname(target), ".xpcs-bundle-"));
  const to = join(parent, BUNDLE_FOLDER);
  const partial = join(parent, "archive");
  try {
    tell("copying the program and its packages");
    mkdirSync(to);
    copyProgram(to, platform);
    tell("adding libraries");
    addLibraries(to);
    const need = needOf(to);
    const manifest = await manifestOf(to, platform, need.version);
    writeFileSync(join(to, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
    tell("packing");
    await packFolder(parent, BUNDLE_FOLDER, partial);
    const { bytes, sha256 } = await digestFile(partial);
    renameSync(partial, target);
    const { files, ...about } = manifest;
    return { ...about, out: target, bytes, sha256, files: Object.keys(files).length, glibcFor: need.file };
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}
