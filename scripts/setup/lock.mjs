/** One set-up at a time in one checkout: two builds in the same folder would spoil each other. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const WAIT_STEP_MS = 250;

/** @param {number} pid */
function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/** @param {string} file */
function holder(file) {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

/**
 * Runs `work` while holding the lock file; waits for another set-up, takes over from one that died.
 * @param {string} file
 * @param {(text: string) => void} say
 * @param {() => void} work
 */
export function withLock(file, say, work) {
  mkdirSync(dirname(file), { recursive: true });
  let told = false;
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
      const pid = holder(file);
      if (pid !== null && pid > 0 && !alive(pid)) {
        rmSync(file, { force: true });
        continue;
      }
      if (!told) say(`waiting for the set-up of process ${pid} in this folder`);
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_STEP_MS);
    }
  }
  const release = () => rmSync(file, { force: true });
  // A step that fails ends the process, which skips the finally.
  process.once("exit", release);
  try {
    work();
  } finally {
    release();
    process.removeListener("exit", release);
  }
}
