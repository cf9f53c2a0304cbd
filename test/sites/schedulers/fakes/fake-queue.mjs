/**
 * What the fake schedulers share: jobs as files of a folder, and for each a process that waits for its turn, runs the script, and keeps its time limit. It
 * imitates no scheduler in particular; how jobs are submitted and listed is in the file named after each.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const STATE = process.env.FAKE_BATCH_STATE;
const LOOK_MS = 50;
/** From SIGTERM to SIGKILL. */
const GRACE_MS = 2_000;

const fileOf = (id) => join(STATE, `job-${id}.json`);
const wantsDeletion = (id) => existsSync(join(STATE, `delete-${id}`));

export function jobs() {
  return readdirSync(STATE)
    .filter((name) => /^job-\d+\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(STATE, name), "utf8")))
    .sort((a, b) => a.id - b.id);
}

export const jobOf = (id) => (existsSync(fileOf(id)) ? JSON.parse(readFileSync(fileOf(id), "utf8")) : null);

function keep(job) {
  writeFileSync(`${fileOf(job.id)}.${process.pid}`, JSON.stringify(job));
  renameSync(`${fileOf(job.id)}.${process.pid}`, fileOf(job.id));
}

/** The first number that is free; a folder is made by one process only. */
function nextId() {
  for (let id = 1; ; id += 1) {
    try {
      mkdirSync(join(STATE, `id-${id}`));
      return id;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
  }
}

/**
 * Takes a job: `{ name, walltimeS, after, env(id), script | path }`; `script` is the text of it.
 * @returns its number
 */
export function submit({ script, path, env, ...rest }) {
  const id = nextId();
  const own = path ?? join(STATE, `script-${id}`);
  if (script !== undefined) writeFileSync(own, script, { mode: 0o700 });
  keep({ id, after: [], ...rest, state: "queued", endedBy: null, code: null, script: own });
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), String(id)], {
    env: { ...process.env, FAKE_BATCH_JOB: JSON.stringify(env(id)) },
    cwd: "/",
    stdio: "ignore",
    detached: true,
  });
  child.unref();
  return id;
}

/** @returns false: there is none, or it has ended */
export function cancel(id) {
  const job = jobOf(id);
  if (job === null || job.state === "ended") return false;
  writeFileSync(join(STATE, `delete-${id}`), "");
  return true;
}

export const stdin = () => readFileSync(0, "utf8");

/** Values of options that have one, and the words that are no option. */
export function options(words, withValue) {
  const found = {};
  const rest = [];
  for (let at = 0; at < words.length; at += 1) {
    if (withValue.includes(words[at])) {
      found[words[at]] = [...(found[words[at]] ?? []), words[at + 1]];
      at += 1;
    } else rest.push(words[at]);
  }
  return { found, rest };
}

/** Prints and ends, as a command does. */
export function end(stdout, stderr = "", code = 0) {
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = code;
}

function tell(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended just now.
  }
}

async function runJob(id) {
  let job = jobOf(id);
  const over = (endedBy, code) => keep({ ...job, state: "ended", endedBy, code });
  const isEnded = (other) => jobOf(Number.parseInt(other, 10))?.state === "ended";
  // A test may keep all jobs from starting.
  while (!job.after.every(isEnded) || existsSync(join(STATE, "hold"))) {
    if (wantsDeletion(id)) return over("deletion before start", null);
    await sleep(LOOK_MS);
  }
  if (wantsDeletion(id)) return over("deletion before start", null);
  const { FAKE_BATCH_STATE: _state, FAKE_BATCH_JOB: own, ...env } = process.env;
  const child = spawn("/bin/bash", [job.script], { env: { ...env, ...JSON.parse(own) }, cwd: "/", stdio: "ignore", detached: true });
  const exit = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  job = { ...job, state: "running" };
  keep(job);
  const endMs = Date.now() + job.walltimeS * 1000;
  let endedBy = null;
  let ended = null;
  exit.then((how) => {
    ended = how;
  });
  while (ended === null) {
    if (endedBy === null && (wantsDeletion(id) || Date.now() > endMs)) {
      endedBy = wantsDeletion(id) ? "deletion" : "walltime";
      tell(child, "SIGTERM");
      setTimeout(() => tell(child, "SIGKILL"), GRACE_MS).unref();
    }
    await sleep(LOOK_MS);
  }
  over(endedBy, ended.code ?? 128 + { SIGKILL: 9, SIGTERM: 15 }[ended.signal]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runJob(Number(process.argv[2]));
