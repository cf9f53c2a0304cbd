/**
 * A real Grid Engine (Son of Grid Engine, as Debian packages it) of this machine alone, in one folder: its own SGE_ROOT with links to the programs, its
 * own spool and free ports, one sge_qmaster and one sge_execd, a queue "all.q", and "short.q" with a parallel environment. Where networks can be made, three
 * hosts more, node1 to node3, each in a network of its own, with the queue "nodes.q" and the parallel environment "hosts" that gives each host a slot.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { endAll, freePort, install, pidIn, run, until } from "./daemons.mjs";
import { makeNodes, networkHolders, nodeNetworksProblem, removeBridge } from "./node-networks.mjs";

const PROGRAMS = ["sge_qmaster", "sge_execd", "qsub", "qconf", "qacct"];
const PACKAGES = ["gridengine-master", "gridengine-exec", "gridengine-client"];
const INSTALLED = "/var/lib/gridengine";
const SHARED = "/usr/share/gridengine";
const TOOLS = "/usr/lib/gridengine";
const SLOTS = 12;
const NODES = ["node1", "node2", "node3"];

/** Installs what is missing. @returns {string | null} why this machine cannot run it */
export function prepareGridEngine() {
  if (process.geteuid?.() !== 0) return "sge_execd starts jobs of other users, so it needs root";
  return install(PROGRAMS, PACKAGES);
}

/**
 * `key value` lines with some of the values changed.
 *
 * @param {string} text
 * @param {Record<string, string>} changes
 */
function changed(text, changes) {
  const lines = text.replace(/\\\n\s*/g, " ").split("\n");
  return lines
    .map((line) => {
      const key = /^\S+/.exec(line)?.[0] ?? "";
      return Object.hasOwn(changes, key) ? `${key} ${changes[key]}` : line;
    })
    .join("\n");
}

/** @param {string} folder */
function layOut(folder) {
  const root = join(folder, "sge");
  const common = join(root, "default", "common");
  mkdirSync(common, { recursive: true });
  for (const name of ["bin", "lib", "util", "utilbin"])
    if (!existsSync(join(root, name))) symlinkSync(join(INSTALLED, name), join(root, name));
  for (const name of ["qmaster/job_scripts", "execd", "spooldb"]) mkdirSync(join(folder, name), { recursive: true });
  const bootstrap = readFileSync(join(SHARED, "default-bootstrap"), "utf8");
  writeFileSync(
    join(common, "bootstrap"),
    changed(bootstrap, {
      admin_user: "none",
      spooling_params: join(folder, "spooldb"),
      qmaster_spool_dir: join(folder, "qmaster"),
      binary_path: "/usr/sbin",
    }),
  );
  const host = hostname();
  writeFileSync(join(common, "act_qmaster"), `${host}\n`);
  // Its name is that of the loopback address, which Grid Engine otherwise refuses.
  writeFileSync(join(common, "host_aliases"), `${host} localhost localhost.localdomain\n`);
  return root;
}

/**
 * @param {string} folder
 * @param {Record<string, string>} env
 */
function initialise(folder, env) {
  const configuration = readFileSync(join(SHARED, "default-configuration"), "utf8");
  const own = join(folder, "configuration");
  writeFileSync(
    own,
    changed(configuration, {
      execd_spool_dir: join(folder, "execd"),
      min_uid: "0",
      min_gid: "0",
      load_report_time: "00:00:05",
      reporting_params: "accounting=true reporting=false flush_time=00:00:01 accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00",
    }),
  );
  run(join(TOOLS, "spoolinit"), ["berkeleydb", "libspoolb", join(folder, "spooldb"), "init"], { env });
  run(join(TOOLS, "spooldefaults"), ["configuration", own], { env });
  run(join(TOOLS, "spooldefaults"), ["complexes", join(SHARED, "util/resources/centry")], { env });
  run(join(TOOLS, "spooldefaults"), ["usersets", join(SHARED, "util/resources/usersets")], { env });
  run(join(TOOLS, "spooldefaults"), ["managers", "root"], { env });
}

/**
 * @param {string} folder
 * @param {Record<string, string>} env
 * @param {readonly string[]} here words before its commands
 * @param {readonly string[]} nodes hosts beside this machine
 */
function configure(folder, env, here, nodes) {
  const host = hostname();
  const program = here[0] ?? "qconf";
  const words = here.length === 0 ? [] : [...here.slice(1), "qconf"];
  /** @param {readonly string[]} args */
  const qconf = (args, allowFailure = false) => run(program, [...words, ...args], { env, allowFailure });
  /** @param {string} option @param {string} text */
  const add = (option, text) => {
    const file = join(folder, "new-object");
    writeFileSync(file, `${text}\n`);
    qconf([option, file]);
  };
  const none = (/** @type {string[]} */ ...keys) => keys.map((key) => `${key} NONE`);
  qconf(["-as", host], true);
  const hostKeys = [
    "load_scaling",
    "complex_values",
    "user_lists",
    "xuser_lists",
    "projects",
    "xprojects",
    "usage_scaling",
    "report_variables",
  ];
  for (const node of nodes) qconf(["-ah", node]);
  for (const each of [host, ...nodes]) add("-Ae", [`hostname ${each}`, ...none(...hostKeys)].join("\n"));
  add("-Ahgrp", `group_name @allhosts\nhostlist ${host}`);
  /** @param {string} name @param {string} rule @param {string} first */
  const addEnvironment = (name, rule, first) => {
    const nothing = none("user_lists", "xuser_lists", "start_proc_args", "stop_proc_args", "qsort_args");
    const what = [`allocation_rule ${rule}`, "control_slaves TRUE", `job_is_first_task ${first}`];
    add("-Ap", [`pe_name ${name}`, `slots ${SLOTS}`, ...nothing, ...what, "urgency_slots min", "accounting_summary FALSE"].join("\n"));
  };
  addEnvironment("smp", "$pe_slots", "TRUE");
  // The script of a job is beside what it starts on its hosts, the first one's too.
  addEnvironment("hosts", "1", "FALSE");
  const template = qconf(["-sq"]).stdout;
  const queue = {
    hostlist: "@allhosts",
    slots: String(SLOTS),
    shell: "/bin/bash",
    shell_start_mode: "unix_behavior",
    load_thresholds: "NONE",
  };
  add("-Aq", changed(template, { ...queue, qname: "all.q", pe_list: "NONE", notify: "00:00:05" }));
  add("-Aq", changed(template, { ...queue, qname: "short.q", pe_list: "smp", s_rt: "INFINITY", h_rt: "01:00:00" }));
  if (nodes.length > 0) {
    add("-Ahgrp", `group_name @nodes\nhostlist ${nodes.join(" ")}`);
    add("-Aq", changed(template, { ...queue, qname: "nodes.q", hostlist: "@nodes", pe_list: "hosts", notify: "00:00:05" }));
  }
  for (const name of ["xpcs", "beam"]) add("-Aprj", [`name ${name}`, "oticket 0", "fshare 0", ...none("acl", "xacl")].join("\n"));
  const scheduler = qconf(["-ssconf"]).stdout;
  const quick = { schedule_interval: "0:0:1", flush_submit_sec: "1", flush_finish_sec: "1" };
  add("-Msconf", changed(scheduler, quick));
}

/**
 * Starts it in an empty folder and waits until its hosts have reported.
 *
 * @param {string} folder
 * @returns {Promise<Record<string, string>>} environment of its commands; XPCS_TEST_GE_NODES says why there are no other hosts, or is empty
 */
export async function startGridEngine(folder) {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const root = layOut(folder);
  const ports = { SGE_QMASTER_PORT: String(await freePort()), SGE_EXECD_PORT: String(await freePort()) };
  const env = { SGE_ROOT: root, SGE_CELL: "default", ...ports };
  initialise(folder, env);
  const problem = nodeNetworksProblem();
  const names = problem === null ? NODES : [];
  const nodes = problem === null ? await makeNodes(folder, names) : { here: [], on: () => [] };
  /** @param {readonly string[]} words */
  const start = (...words) => run(/** @type {string} */ (words[0]), words.slice(1), { env });
  start(...nodes.here, "sge_qmaster");
  await until(
    "sge_qmaster",
    30_000,
    () => run("qconf", ["-ss"], { env, allowFailure: true }).code === 0 || pidIn(join(folder, "qmaster/qmaster.pid")) !== null,
  );
  await until("an answer of sge_qmaster", 30_000, () => run("qconf", ["-sh"], { env, allowFailure: true }).code === 0);
  configure(folder, env, nodes.here, names);
  start("sge_execd");
  for (const name of names) start(...nodes.on(name), "sge_execd");
  await until("a report of each host", 60_000, () => {
    const { stdout } = run("qhost", [], { env, allowFailure: true });
    const reported = stdout
      .split("\n")
      .slice(3)
      .filter((line) => /^\S+\s+\S+\s+\d/.test(line));
    return reported.length === 1 + names.length;
  });
  return { ...env, XPCS_TEST_GE_NODES: problem ?? "" };
}

/**
 * Ends its processes, by their pid files.
 *
 * @param {string} folder
 */
export async function stopGridEngine(folder) {
  const spool = join(folder, "execd");
  await endAll(existsSync(spool) ? readdirSync(spool).map((host) => join(spool, host, "execd.pid")) : []);
  await endAll([join(folder, "qmaster", "qmaster.pid")]);
  await endAll(networkHolders(folder));
  removeBridge(folder);
}
