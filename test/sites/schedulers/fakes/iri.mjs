/**
 * A fake of the IRI Facility API, versions 1 and 2, as far as the adapter uses it. Built from the published specification (https://api.iri.nersc.gov/api/v2/openapi.json,
 * https://api.alcf.anl.gov/openapi.json) and from what the reference implementation's documentation says of keys, pages and errors. Its jobs run here, behind a queue with the states of PBS.
 *
 * FAKE_KEYS: what it does with Idempotency-Key: "kept", "none" (501: there is no store) or "ignored" (version 1 knows no such header).
 * FAKE_NAMES: "no": listings do not tell specifications, as at a facility that has not done that part.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serve, word } from "./fake-api.mjs";
import { cancel, jobOf, jobs, submit } from "./fake-queue.mjs";

const STATE = process.env.FAKE_BATCH_STATE;
const KEYS = process.env.FAKE_KEYS ?? "kept";
const NAMES = process.env.FAKE_NAMES !== "no";
const RESOURCE = "55c1c993-0000-0000-0000-000000000001";
const STORAGE = "1c3ad9d4-0000-0000-0000-000000000002";
const PAGE_MAX = 1000;

const tasks = new Map();
const keys = new Map();

const problem = (status, detail, headers) => [
  status,
  { type: `https://iri.example/problems/${status}`, title: "Problem", status, detail, instance: "/" },
  { "content-type": "application/problem+json", ...headers },
];

const SPEC = new Set(
  "executable container arguments directory name inherit_environment environment stdin_path stdout_path stderr_path resources attributes pre_launch post_launch launcher".split(
    " ",
  ),
);

function faultOf(spec) {
  const extra = Object.keys(spec ?? {}).find((name) => !SPEC.has(name));
  if (extra !== undefined) return problem(400, "Extra inputs are not permitted");
  if (typeof spec?.executable !== "string" || !Array.isArray(spec.arguments)) return problem(422, "the job says no executable");
  if (!Number.isInteger(spec.attributes?.duration) || spec.attributes.duration < 1) return problem(400, "Input should be a valid integer");
  if (!Number.isInteger(spec.resources?.node_count)) return problem(400, "Input should be a valid integer");
  if (!spec.stdout_path || !spec.stderr_path) return problem(400, "'stdout_path' is mandatory.");
  const queue = spec.attributes.queue_name ?? "debug";
  return queue === "debug" ? null : problem(422, `qsub: Unknown queue: ${queue}`);
}

const STATES = { queued: "queued", running: "active" };

function told({ id, name, state, endedBy, code }, withSpec) {
  const ended = endedBy?.startsWith("deletion") ? "canceled" : code === 0 ? "completed" : "failed";
  return {
    id: String(id),
    status: { state: STATES[state] ?? ended, time: 1708531200, message: "", exit_code: code, meta_data: {} },
    ...(withSpec && NAMES ? { job_spec: { name } } : {}),
  };
}

function launch(spec) {
  const id = submit({
    name: spec.name,
    walltimeS: spec.attributes.duration,
    script: `exec ${[spec.executable, ...spec.arguments].map(word).join(" ")}\n`,
    env: (number) => ({ PBS_JOBID: String(number) }),
  });
  return [200, { ...told(jobOf(id), false), job_spec: spec }];
}

function launchOnce(spec, key) {
  if (key === undefined || KEYS === "ignored") return launch(spec);
  if (KEYS === "none") return problem(501, "Idempotency-Key provided but no idempotency store is configured (set IRI_IDEMPOTENCY_STORE).");
  const text = JSON.stringify(spec);
  const before = keys.get(key);
  if (before !== undefined) {
    if (before.text !== text) return problem(422, "Idempotency-Key reused with a different request body.");
    return [200, before.value, { "idempotency-key-reply": "hit" }];
  }
  const [status, value] = launch(spec);
  keys.set(key, { text, value });
  return [status, value, { "idempotency-key-reply": "miss" }];
}

/** The API's names of operations to what they do with a file. */
const FILES = {
  mkdir: { v1: "POST", run: ({ path, parent }) => mkdirSync(path, { recursive: parent === true }) ?? null },
  chmod: { v1: "PUT", run: ({ path, mode }) => chmodSync(path, Number.parseInt(mode, 8)) ?? null },
  upload: { v1: "POST", run: ({ path, file }) => writeFileSync(path, file) ?? `Uploaded to ${path}` },
  tail: {
    v1: "GET",
    run: ({ path, bytes }) => ({
      content: readFileSync(path, "utf8").slice(-Number(bytes)),
      content_type: "bytes",
      start_position: 0,
      end_position: 0,
    }),
  },
};

function fileTask(version, operation, { method, query, body }) {
  const found = FILES[operation];
  if (found === undefined) return problem(404, "Not Found");
  if (method !== (version === "v1" ? found.v1 : "POST")) return problem(405, "HTTP method is not allowed for this resource.");
  const id = `task_${tasks.size}`;
  let task;
  try {
    task = { status: "completed", result: { output: found.run({ ...query, ...body }) } };
  } catch (error) {
    task = { status: "failed", result: { error: error.message } };
  }
  tasks.set(id, { ...task, looks: 0 });
  return [operation === "mkdir" ? 201 : 200, { task_id: id, task_uri: `http://fake.example/task/${id}` }];
}

function taskOf(id) {
  const task = tasks.get(id);
  if (task === undefined) return problem(404, `Task ${id} not found`);
  task.looks += 1;
  return [200, task.looks < 2 ? { id, status: "active", result: null } : { id, status: task.status, result: task.result }];
}

function list({ offset = "0", limit = "100", historical, include_spec: withSpec, ...more }) {
  if (Object.keys(more).length > 0) return problem(400, `Unexpected query parameters: ${Object.keys(more)}`);
  if (Number(limit) > PAGE_MAX) return problem(400, "Input should be less than or equal to 1000");
  const shown = jobs().filter(({ state }) => historical === "true" || state !== "ended");
  const page = shown.slice(Number(offset), Number(offset) + Number(limit));
  return [200, page.map((job) => told(job, withSpec === "true"))];
}

serve(({ method, path, query, headers, body }) => {
  const [, version, group, operation, resource, id] = /^\/api\/(v[12])\/(\w+)\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? [];
  if (group === "status" && resource === RESOURCE) return [200, { id: RESOURCE, name: "Fake Polaris", current_status: "up" }];
  if (headers.authorization !== `Bearer ${readFileSync(join(STATE, "token"), "utf8").trim()}`)
    return problem(401, "Globus token not active", { "www-authenticate": "Bearer" });
  if (!headers["user-agent"]?.startsWith("xpcs-runtime/")) return [403, { error: "error code: 1010\n" }];
  if (existsSync(join(STATE, "forbidden"))) return problem(403, "Caller is authenticated but lacks required role.");
  if (group === "task") return taskOf(operation);
  if (resource !== (group === "filesystem" ? STORAGE : RESOURCE)) return problem(404, "Resource not found");
  if (group === "filesystem") return fileTask(version, operation, { method, query, body });
  if (operation === "job" && method === "POST")
    return faultOf(body) ?? launchOnce(body, version === "v1" ? undefined : headers["idempotency-key"]);
  if (operation === "status" && method === "POST" && id === undefined) return list(query);
  const job = jobOf(id);
  if (job === null) return version === "v1" ? problem(400, `Job ${id} not found.`) : problem(404, `Job ${id} not found.`);
  if (operation === "status" && method === "GET") return [200, told(job, query.include_spec === "true")];
  if (operation !== "cancel" || method !== "DELETE") return problem(405, "HTTP method is not allowed for this resource.");
  return cancel(id) ? [204] : problem(500, "qdel: Job has finished");
});
