/**
 * Brings a fresh clone to a working `xpcs`: system parts, packages, native core, TypeScript, and the command's link.
 * Plain Node, no packages; does only what is needed, so it stands in front of `npm test` and `npm run demo`.
 * Exit codes: 0 ready, 1 a step failed, 2 a person must do something first (the text says what).
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installCommands, installHints, missingParts, nodeAdvice, orphanOutputs, packagesStale, SYSTEM_PARTS } from "./setup/decide.mjs";
import { withLock } from "./setup/lock.mjs";
import { findParts, installRights } from "./setup/probe.mjs";
import { digest, filesUnder, readStamp, writeStamp } from "./setup/stamps.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const ADDON = join(ROOT, "build/Release/xpcs_core.node");
const NATIVE_STAMP = join(ROOT, "build/.stamp-native");
const TYPESCRIPT_STAMP = join(ROOT, "dist/.stamp-typescript");
/** What the addon is made of: not the C++ tests, which have a build of their own. */
const NATIVE_INPUTS = [
  "CMakeLists.txt",
  ...["CMakeLists.txt", "SOURCES", "BINDING_SOURCES", "include", "src"].map((name) => `native/xpcs-core/${name}`),
];
const TYPESCRIPT_INPUTS = ["src", "tsconfig.json", "scripts/build-typescript.mjs"];
/** Lines shown of each end of a failed program's output: npm puts the cause first, compilers last. */
const FAILURE_LINES = 40;
const NATIVE_PACKAGES = ["cmake-js", "node-addon-api", "node-api-headers"];

/** @param {string} text */
const say = (text) => console.log(`setup: ${text}`);

/**
 * @param {1 | 2} code
 * @param {string} text
 * @returns {never}
 */
function stop(code, text) {
  console.error(`setup: ${text}`);
  process.exit(code);
}

/**
 * Runs a program to its end; stops the set-up, showing the end of its output, when it fails.
 * @param {string} what
 * @param {readonly string[]} command
 */
function runStep(what, command) {
  const [program, ...args] = command;
  const done = spawnSync(/** @type {string} */ (program), args, {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (done.status === 0) return;
  const lines = `${done.stdout ?? ""}\n${done.stderr ?? ""}`.trim().split("\n");
  const reason = done.error?.message ?? `exit ${done.status ?? done.signal}`;
  stop(
    1,
    `${what} failed (${reason}): ${command.join(" ")}\n${(lines.length > 2 * FAILURE_LINES ? [...lines.slice(0, FAILURE_LINES), "...", ...lines.slice(-FAILURE_LINES)] : lines).join("\n")}`,
  );
}

/** @param {string} path */
function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : null;
}

/** @param {string} name */
function installedVersion(name) {
  return readJson(join(ROOT, "node_modules", name, "package.json"))?.version ?? "none";
}

/** Installs what the native build needs and the machine lacks, or says how and stops. */
function installSystemParts() {
  const missing = missingParts(findParts());
  if (missing.length === 0) return;
  say(`missing on this machine: ${missing.map((part) => SYSTEM_PARTS[part].label).join(", ")}`);
  const commands = installCommands(missing, installRights());
  const hints = installHints(missing)
    .map(({ name, command }) => `  ${name}:\n    ${command}`)
    .join("\n");
  if (commands === null) stop(2, `install it with one of these, then run this again:\n${hints}`);
  for (const command of commands) {
    say(command.join(" "));
    const done = spawnSync(/** @type {string} */ (command[0]), command.slice(1), { stdio: ["ignore", "ignore", "inherit"] });
    if (done.status !== 0) stop(2, `that failed; install it with one of these, then run this again:\n${hints}`);
  }
  const still = missingParts(findParts());
  if (still.length > 0)
    stop(2, `still missing or too old after installing: ${still.map((part) => SYSTEM_PARTS[part].label).join(", ")}\n${hints}`);
}

function installPackages() {
  const reason = packagesReason();
  if (reason === null) return;
  say(`npm packages (${reason})`);
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ["npm"];
  runStep("npm ci", [...npm, "ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"]);
}

function packagesReason() {
  return packagesStale(readJson(join(ROOT, "package-lock.json")), readJson(join(ROOT, "node_modules/.package-lock.json")), (path) =>
    existsSync(join(ROOT, path)),
  );
}

function nativeDigest() {
  const facts = [ROOT, process.platform, process.arch, ...NATIVE_PACKAGES.map((name) => `${name} ${installedVersion(name)}`)];
  return digest(ROOT, NATIVE_INPUTS, facts);
}

/** Built from these sources, and loads on this machine (a library may have gone since). */
function nativeIsFresh() {
  if (!existsSync(ADDON) || readStamp(NATIVE_STAMP) !== nativeDigest()) return false;
  return spawnSync(process.execPath, ["-e", "require(process.argv[1])", ADDON], { stdio: "ignore" }).status === 0;
}

function buildNative() {
  if (nativeIsFresh()) return;
  installSystemParts();
  say("native core (about a minute)");
  // A cache of another place or another compiler would be taken over silently.
  rmSync(join(ROOT, "build/CMakeCache.txt"), { force: true });
  const scripts = readJson(join(ROOT, "package.json")).scripts;
  const [tool, ...args] = scripts["build:native"].split(" ");
  runStep("the native build", [process.execPath, join(ROOT, "node_modules", tool, "bin", tool), ...args]);
  const loads = spawnSync(process.execPath, ["-e", "require(process.argv[1])", ADDON], { encoding: "utf8" });
  if (loads.status !== 0) stop(1, `the native core was built but does not load:\n${loads.stderr.trim()}`);
  writeStamp(NATIVE_STAMP, nativeDigest());
}

function typescriptDigest() {
  return digest(ROOT, TYPESCRIPT_INPUTS, [`typescript ${installedVersion("typescript")}`]);
}

function typescriptIsFresh() {
  return existsSync(join(ROOT, "dist/cli/main.js")) && readStamp(TYPESCRIPT_STAMP) === typescriptDigest();
}

function buildTypescript() {
  if (typescriptIsFresh()) return;
  say("TypeScript");
  const stamp = typescriptDigest();
  runStep("the TypeScript build", [process.execPath, join(ROOT, "scripts/build-typescript.mjs")]);
  const outputs = filesUnder(ROOT, "dist").map((path) => path.slice("dist/".length));
  const sources = filesUnder(ROOT, "src").map((path) => path.slice("src/".length));
  for (const orphan of orphanOutputs(outputs, sources)) rmSync(join(ROOT, "dist", orphan));
  writeStamp(TYPESCRIPT_STAMP, stamp);
}

const LINK = join(ROOT, "node_modules/.bin/xpcs");
const LINK_TARGET = "../../dist/cli/main.js";

function linkIsFresh() {
  const present = lstatSync(LINK, { throwIfNoEntry: false });
  return (
    present?.isSymbolicLink() === true &&
    readlinkSync(LINK) === LINK_TARGET &&
    (lstatSync(join(ROOT, "dist/cli/main.js")).mode & 0o100) !== 0
  );
}

/** Without the link, `npx xpcs` would install the folder as a package first. */
function linkCommand() {
  if (linkIsFresh()) return;
  chmodSync(join(ROOT, "dist/cli/main.js"), 0o755);
  mkdirSync(dirname(LINK), { recursive: true });
  rmSync(LINK, { force: true });
  symlinkSync(LINK_TARGET, LINK);
}

const advice = nodeAdvice(process.versions.node);
if (advice !== null) stop(2, advice);
if (packagesReason() !== null || !nativeIsFresh() || !typescriptIsFresh() || !linkIsFresh()) {
  withLock(join(ROOT, ".setup-lock"), say, () => {
    installPackages();
    buildNative();
    buildTypescript();
    linkCommand();
  });
}
say(`ready (${process.uptime().toFixed(1)} s)`);
