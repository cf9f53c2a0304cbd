/**
 * A real OAR of this machine alone, in one folder: its own PostgreSQL on a free port, its own configuration, one Almighty, and nodes n1..nN, which are this
 * machine. Its commands are started as the user oar with that configuration, as the installed ones (set-uid programs) are with /etc/oar/oar.conf. Three things
 * are not as installed: a program in place of ssh, no cpusets, and no rule that root may not submit.
 */
import { spawn } from "node:child_process";
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endAll, freePort, install, isInstalled, PATH, run, until } from "./daemons.mjs";

const PROGRAMS = ["oarsub", "oarnodesetting", "Almighty", "pg_lsclusters"];
const PACKAGES = ["oar-server", "oar-server-pgsql", "oar-user", "oar-user-pgsql", "oar-node", "libjson-perl", "postgresql"];
const INSTALLED = "/usr/lib/oar";
const POSTGRES = "/usr/lib/postgresql";
const COMMANDS = ["oarsub", "oarstat", "oardel", "oarnodes", "oarhold", "oarresume", "oarnodesetting", "oarproperty"];
const NODES = 3;
const CORES = 8;

/** Installs what is missing. @returns {string | null} why this machine cannot run it */
export function prepareOar() {
  if (process.geteuid?.() !== 0) return "OAR starts jobs of other users, so it needs root";
  if (!isInstalled("setpriv")) return "setpriv is missing";
  return install(PROGRAMS, PACKAGES);
}

/** @param {string} user @param {string} group */
const as = (user, group) => [`--reuid=${user}`, `--regid=${group}`, "--clear-groups"];

/** @param {string} path @param {string} user */
function give(path, user) {
  const [uid, gid] = ["-u", "-g"].map((option) => Number(run("id", [option, user]).stdout));
  chownSync(path, /** @type {number} */ (uid), /** @type {number} */ (gid));
}

/** @param {string} program of the newest PostgreSQL that is installed */
function postgres(program) {
  const versions = readdirSync(POSTGRES).sort((a, b) => Number(b) - Number(a));
  return join(POSTGRES, /** @type {string} */ (versions[0]), "bin", program);
}

/**
 * @param {string} folder
 * @returns {Promise<number>} its port
 */
async function startDatabase(folder) {
  const data = join(folder, "postgres");
  mkdirSync(data, { recursive: true, mode: 0o700 });
  give(data, "postgres");
  const password = join(folder, "password");
  writeFileSync(password, "of-this-test\n");
  give(password, "postgres");
  const user = as("postgres", "postgres");
  const env = { PGPASSWORD: "of-this-test" };
  const access = ["--auth=scram-sha-256", `--pwfile=${password}`, "--username=postgres"];
  run("setpriv", [...user, postgres("initdb"), `--pgdata=${data}`, ...access, "--encoding=UTF8", "--locale=C", "--no-sync"]);
  const port = await freePort();
  const options = `-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p ${port} -c fsync=off`;
  run("setpriv", [
    ...user,
    postgres("pg_ctl"),
    "start",
    "--wait",
    `--pgdata=${data}`,
    `--log=${join(data, "log")}`,
    `--options=${options}`,
  ]);
  /** @param {string} role @param {string} database @param {readonly string[]} words */
  const psql = (role, database, words) =>
    run("psql", ["-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", String(port), "-U", role, "-d", database, ...words], { env });
  const roles = ["oar", "oar_ro"].flatMap((role) => ["-c", `create role ${role} login password 'of-this-test'`]);
  psql("postgres", "postgres", [...roles, "-c", "create database oar owner oar"]);
  for (const name of ["pg_structure", "default_data", "pg_default_admission_rules"])
    psql("oar", "oar", ["-f", join(INSTALLED, "database", `${name}.sql`)]);
  // The tests may be run by root.
  const rule = "delete from admission_rules where rule like '%root and oar users are not allowed%'";
  psql("oar", "oar", ["-c", "grant select on all tables in schema public to oar_ro", "-c", rule]);
  return port;
}

/** @param {string} folder @param {{ databasePort: number, port: number }} ports */
function configuration(folder, { databasePort, port }) {
  const lines = Object.entries({
    DB_TYPE: "Pg",
    DB_HOSTNAME: "127.0.0.1",
    DB_PORT: databasePort,
    DB_BASE_NAME: "oar",
    DB_BASE_LOGIN: "oar",
    DB_BASE_PASSWD: "of-this-test",
    DB_BASE_LOGIN_RO: "oar_ro",
    DB_BASE_PASSWD_RO: "of-this-test",
    SERVER_HOSTNAME: "127.0.0.1",
    SERVER_PORT: port,
    OARSUB_DEFAULT_RESOURCES: "/resource_id=1",
    OARSUB_NODES_RESOURCES: "network_address",
    OARSUB_FORCE_JOB_KEY: "no",
    LOG_LEVEL: 2,
    LOG_CATEGORIES: "all",
    LOG_FILE: join(folder, "oar.log"),
    OAREXEC_DEBUG_MODE: 0,
    OAR_RUNTIME_DIRECTORY: join(folder, "run"),
    DEPLOY_HOSTNAME: "127.0.0.1",
    COSYSTEM_HOSTNAME: "127.0.0.1",
    DETACH_JOB_FROM_SERVER: 1,
    OPENSSH_CMD: join(folder, "to-node"),
    FINAUD_FREQUENCY: 0,
    PINGCHECKER_GENERIC_COMMAND: "/bin/true",
    SCHEDULER_TIMEOUT: 30,
    SCHEDULER_NB_PROCESSES: 1,
    SCHEDULER_JOB_SECURITY_TIME: 1,
    // Otherwise a call that comes too early waits up to ten seconds.
    SCHEDULER_MIN_TIME_BETWEEN_2_CALLS: 0,
    SCHEDULER_GANTT_HOLE_MINIMUM_TIME: 300,
    SCHEDULER_RESOURCE_ORDER: "scheduler_priority ASC, state_num ASC, network_address ASC, resource_id ASC",
    SCHEDULER_RESOURCE_ORDER_ADV_RESERVATIONS: "network_address ASC, resource_id ASC",
    SCHEDULER_PRIORITY_HIERARCHY_ORDER: "network_address/resource_id",
    SCHEDULER_AVAILABLE_SUSPENDED_RESOURCE_TYPE: "default",
    SCHEDULER_FAIRSHARING_MAX_JOB_PER_USER: 100,
    ENERGY_SAVING_INTERNAL: "no",
  });
  return lines.map(([name, value]) => `${name}="${value}"\n`).join("");
}

/**
 * In place of ssh. A job of OAR reads the .bashrc of its owner, and so does every bash that it starts: where that starts programs which are bash scripts
 * themselves, they never end. Whoever runs the tests may have such a one.
 */
const TO_NODE = `#!/bin/sh
while :; do case "$1" in -o) shift 2 ;; -*) shift ;; *) break ;; esac; done
shift
case "$*" in
  *OAREXEC*) sed -u 's,~oar/\\.batch_job_bashrc,/dev/null,' | /bin/sh -c "$*" ;;
  *) exec /bin/sh -c "$*" ;;
esac
`;

/** @param {string} folder @param {string} program of OAR */
function wrapper(folder, program) {
  const own = `OARDIR=${INSTALLED} OARCONFFILE=${join(folder, "oar.conf")} OARUSER=oar USER=oar LOGNAME=oar HOME=/var/lib/oar`;
  return [
    "#!/bin/sh",
    `export OARDO_USER="$(id -un)" OARDO_UID="$(id -u)" ${own}`,
    `export PATH=/bin:/sbin:/usr/bin:/usr/sbin:${INSTALLED}/oardodo`,
    `exec setpriv ${as("oar", "oar").join(" ")} ${INSTALLED}/${program} "$@"`,
    "",
  ].join("\n");
}

/** @param {string} folder */
function layOut(folder) {
  for (const name of ["bin", "run"]) mkdirSync(join(folder, name), { recursive: true });
  give(join(folder, "run"), "oar");
  appendFileSync(join(folder, "oar.log"), "");
  give(join(folder, "oar.log"), "oar");
  for (const command of COMMANDS) writeFileSync(join(folder, "bin", command), wrapper(folder, command), { mode: 0o755 });
  writeFileSync(join(folder, "almighty"), wrapper(folder, "Almighty"), { mode: 0o755 });
  writeFileSync(join(folder, "to-node"), TO_NODE, { mode: 0o755 });
}

/** @param {string} folder @param {Record<string, string>} env */
function addNodes(folder, env) {
  const oar = (/** @type {string} */ command, /** @type {string[]} */ ...words) => run(join(folder, "bin", command), words, { env });
  for (const property of ["cpu", "core", "gpu"]) oar("oarproperty", "-a", property);
  for (let node = 1; node <= NODES; node += 1)
    for (let core = 1; core <= CORES; core += 1)
      oar("oarnodesetting", "-a", "-h", `n${node}`, "-p", `cpu=${node}`, "-p", `core=${(node - 1) * CORES + core}`);
}

/**
 * Starts it in an empty folder and waits until its nodes are there.
 *
 * @param {string} folder
 * @returns {Promise<Record<string, string>>} environment of its commands
 */
export async function startOar(folder) {
  mkdirSync(folder, { recursive: true });
  // The database and OAR have users of their own.
  chmodSync(folder, 0o755);
  layOut(folder);
  const databasePort = await startDatabase(folder);
  writeFileSync(join(folder, "oar.conf"), configuration(folder, { databasePort, port: await freePort() }), { mode: 0o600 });
  give(join(folder, "oar.conf"), "oar");
  const env = { PATH: `${join(folder, "bin")}:${PATH}` };
  const log = openSync(join(folder, "almighty.log"), "a");
  const almighty = spawn(join(folder, "almighty"), [], { cwd: "/", detached: true, stdio: ["ignore", log, log] });
  almighty.unref();
  writeFileSync(join(folder, "almighty.pid"), `${almighty.pid}\n`);
  addNodes(folder, env);
  await until("an OAR with its nodes", 60_000, () => {
    const { code, stdout } = run(join(folder, "bin", "oarnodes"), ["-s"], { env, allowFailure: true });
    return code === 0 && stdout.split(": Alive").length - 1 === NODES * CORES;
  });
  return env;
}

/**
 * Ends its processes, by their pid files: what runs jobs on nodes, which ends them, then the server, then the database.
 *
 * @param {string} folder
 */
export async function stopOar(folder) {
  const running = join(folder, "run");
  const jobs = existsSync(running) ? readdirSync(running).filter((name) => name.startsWith("pid_of_oarexec")) : [];
  await endAll(jobs.map((name) => join(running, name)));
  await endAll([join(folder, "almighty.pid")]);
  await endAll([join(folder, "postgres", "postmaster.pid")]);
}
