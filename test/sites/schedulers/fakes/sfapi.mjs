/**
 * A fake of NERSC's Superfacility API and of the server of its tokens, as far as the adapter uses them. Built from https://api.nersc.gov/api/v1.2/openapi.json, from NERSC's documentation of
 * the API and of its authentication, and from the listings that its client's documentation shows. Its jobs run here, behind a queue with the states of Slurm.
 *
 * FAKE_TASK_MS: how long a task is "new" before it is done. FAKE_TOKEN_S: how long an access token lives, s.
 */
import { spawnSync } from "node:child_process";
import { createPublicKey, randomUUID, verify } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "./fake-api.mjs";
import { cancel, jobOf, jobs, submit } from "./fake-queue.mjs";

const STATE = process.env.FAKE_BATCH_STATE;
const TASK_MS = Number(process.env.FAKE_TASK_MS ?? 100);
const TOKEN_S = Number(process.env.FAKE_TOKEN_S ?? 600);
const MACHINE = "perlmutter";
const USER = "beamline";
const CLIENT = "fakeclient123";

const tasks = new Map();
const tokens = new Map();

/** Done later. */
function task(run) {
  const id = String(1_000 + tasks.size);
  const made = { id, status: "new", result: null };
  tasks.set(id, made);
  setTimeout(() => Object.assign(made, { status: "completed", result: JSON.stringify(run()) }), TASK_MS);
  return [200, { task_id: id, status: "OK", error: null }];
}

const part = (text) => JSON.parse(Buffer.from(text, "base64url").toString("utf8"));

/** Client credentials with private_key_jwt. */
function token(form) {
  const refused = (description) => [401, { error: "invalid_client", error_description: description }];
  if (form.grant_type !== "client_credentials") return [400, { error: "unsupported_grant_type" }];
  if (form.client_assertion_type !== "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") return refused("no assertion");
  const [head, body, signature] = form.client_assertion.split(".");
  const { iss, sub, aud, exp, jti } = part(body);
  const key = createPublicKey(readFileSync(join(STATE, "client.pub.pem")));
  if (part(head).alg !== "RS256" || !verify("sha256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url")))
    return refused("the assertion's signature is not valid");
  if (iss !== CLIENT || sub !== CLIENT || !jti || exp * 1000 < Date.now()) return refused("the assertion is not valid");
  if (![aud].flat().some((audience) => audience.endsWith("/c2id/token"))) return refused("the assertion is for another server");
  if (existsSync(join(STATE, "client-expired"))) return refused("the client has expired");
  const made = randomUUID();
  tokens.set(made, Date.now() + TOKEN_S * 1000);
  return [200, { access_token: made, token_type: "Bearer", expires_in: TOKEN_S }];
}

const STATES = { queued: "PENDING", running: "RUNNING" };

function row({ id, name, state, endedBy, code }) {
  const ended = endedBy === "walltime" ? "TIMEOUT" : endedBy ? "CANCELLED by 1000" : code === 0 ? "COMPLETED" : "FAILED";
  const exitcode = code === null ? "0:0" : code > 128 ? `0:${code - 128}` : `${code}:0`;
  return { jobid: String(id), name, user: USER, state: STATES[state] ?? ended, reason: "None", exitcode };
}

function sbatch(text) {
  const option = (name) => new RegExp(`^#SBATCH --${name}=(.*)$`, "m").exec(text)?.[1];
  const partition = option("partition") ?? "debug";
  if (partition !== "debug") return { status: "error", error: `sbatch: error: invalid partition specified: ${partition}`, jobid: null };
  const [, days, hours, minutes, seconds] = /^(\d+)-(\d+):(\d+):(\d+)$/.exec(option("time")).map(Number);
  const id = submit({
    name: option("job-name"),
    walltimeS: ((days * 24 + hours) * 60 + minutes) * 60 + seconds,
    after: option("dependency")?.split(":").slice(1) ?? [],
    script: text,
    env: (number) => ({ SLURM_JOB_ID: String(number) }),
  });
  return { status: "ok", jobid: String(id), error: null };
}

/** Those that have ended are in accounting only. */
function list({ kwargs, sacct }) {
  const [, name, value] = /^(user|jobid)=(.*)$/.exec(kwargs) ?? [];
  const isAsked = ({ id }) => (name === "user" ? value === USER : value.split(",").includes(String(id)));
  const asked = name === undefined ? [] : jobs().filter(isAsked);
  if (sacct !== "true") return asked.filter(({ state }) => state !== "ended").map(row);
  return asked.flatMap((job) => {
    const { jobid, state, exitcode } = row(job);
    const step = { jobid: `${jobid}.batch`, jobidraw: `${jobid}.batch`, state: state.split(" ")[0], exitcode };
    return [{ jobid, jobidraw: jobid, state, exitcode }, ...(job.state === "ended" ? [step] : [])].map((cells) => ({
      maxrss: "",
      reqmem: "",
      ...cells,
    }));
  });
}

function file(run) {
  try {
    return [200, { status: "OK", is_binary: false, error: null, ...run() }];
  } catch (error) {
    return [200, { status: "ERROR", file: null, error: `${error.message}: No such file or directory` }];
  }
}

function run(line) {
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", line], { encoding: "utf8" });
  return { status: status === 0 ? "ok" : "error", output: stdout, error: status === 0 ? null : stderr };
}

serve(({ method, path, query, headers, body }) => {
  if (path === "/c2id/token") return token(body);
  const [, what, more] = /^\/api\/v1\.2\/(status|tasks|compute\/jobs|utilities\/\w+)(?:\/(.*))?$/.exec(path) ?? [];
  if (what === "status") return [200, { name: MACHINE, full_name: "Fake Perlmutter", description: "System is active", status: "active" }];
  const shown = headers.authorization?.replace("Bearer ", "");
  if (!(tokens.get(shown) > Date.now())) return [401, { detail: "Token is not valid" }];
  if (what === "tasks" && more === undefined) return [200, { tasks: [...tasks.values()] }];
  if (what === "tasks") return tasks.has(more) ? [200, tasks.get(more)] : [404, { detail: `task ${more} not found` }];
  const [machine, ...rest] = more.split("/");
  if (machine !== MACHINE)
    return [422, { detail: [{ loc: ["path", "machine"], msg: "value is not a valid enumeration member", type: "type_error.enum" }] }];
  const name = decodeURIComponent(rest.join("/"));
  if (what === "compute/jobs" && method === "POST") return task(() => sbatch(body.job));
  if (what === "compute/jobs" && method === "GET") return [200, { status: "OK", output: list(query), error: null }];
  if (what === "compute/jobs" && method === "DELETE") {
    if (jobOf(name) === null) return [200, { status: "ERROR", output: [], error: `scancel: error: Invalid job id ${name}` }];
    cancel(name);
    return [200, { status: "OK", output: [], error: null }];
  }
  if (what === "utilities/command") return task(() => run(body.executable));
  // With a slash more before an absolute path.
  if (what === "utilities/upload" && method === "PUT") return file(() => ({ output: writeFileSync(name, body.file) ?? "" }));
  if (what === "utilities/download") return file(() => ({ file: readFileSync(name, "utf8") }));
  return [405, { detail: "Method Not Allowed" }];
});
