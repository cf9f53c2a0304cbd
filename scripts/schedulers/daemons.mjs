/** Starts daemons for tests, waits until they serve, finds what to stop again. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Root's folders of programs may be missing from PATH. */
export const PATH = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, input?: string, allowFailure?: boolean }} [options]
 */
export function run(program, args, { env = {}, input = "", allowFailure = false } = {}) {
  const done = spawnSync(program, args, { env: { ...process.env, PATH, LC_ALL: "C", ...env }, input, encoding: "utf8", timeout: 300_000 });
  const code = done.status ?? -1;
  if (code !== 0 && !allowFailure) {
    const words = done.error?.message ?? `${done.stderr}${done.stdout}`.trim().slice(-800);
    throw new Error(`${program} ${args.join(" ")} failed (${code}): ${words}`);
  }
  return { code, stdout: done.stdout ?? "" };
}

/** @param {string} program */
export function isInstalled(program) {
  return PATH.split(":").some((folder) => folder !== "" && existsSync(`${folder}/${program}`));
}

/**
 * Installs Debian packages whose programs are missing.
 *
 * @param {readonly string[]} programs
 * @param {readonly string[]} packages
 * @returns {string | null} why that cannot be done here
 */
export function install(programs, packages) {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) return null;
  const what = `${missing.join(", ")} missing: apt-get install ${packages.join(" ")}`;
  if (process.geteuid?.() !== 0 || !isInstalled("apt-get")) return what;
  console.error(`installing ${packages.join(" ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-qq"], { env, allowFailure: true });
  const { code } = run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...packages], {
    env,
    allowFailure: true,
  });
  return code === 0 ? null : what;
}

/**
 * @param {string} what
 * @param {number} patienceMs
 * @param {() => boolean | Promise<boolean>} holds
 */
export async function until(what, patienceMs, holds) {
  const endMs = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`${what} did not come about within ${patienceMs / 1000} s`);
    await sleep(100);
  }
}

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/**
 * True while the process lives; one that waits to be reaped does not.
 *
 * @param {number} pid
 */
export function isAlive(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** @param {string} file */
export function pidIn(file) {
  return existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) || null : null;
}

/**
 * Ends processes of which a file has the number: asked first, then killed.
 *
 * @param {readonly string[]} files
 */
export async function endAll(files) {
  const pids = files.map(pidIn).filter((pid) => pid !== null);
  for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, signal);
    const endMs = Date.now() + 10_000;
    while (pids.some(isAlive) && Date.now() < endMs) await sleep(50);
  }
}
