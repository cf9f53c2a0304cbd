/**
 * A real Slurm of this machine alone, in one folder: its own munge key and socket, its own configuration (SLURM_CONF), free ports
 * on loopback, one slurmctld, a slurmd for each of the nodes n1..nN, and with it slurmdbd over a private MariaDB, so that `sacct` answers.
 */
import { spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { endAll, freePort, install, pidIn, run, until } from "./daemons.mjs";

const PROGRAMS = ["slurmctld", "slurmd", "sbatch", "munged", "mungekey", "slurmdbd", "mariadbd", "mariadb-install-db"];
const PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge", "slurmdbd", "mariadb-server"];
const CPUS = 4;
const MEMORY_MB = 2048;

/** Installs what is missing. @returns {string | null} why this machine cannot run it */
export function prepareSlurm() {
  if (process.geteuid?.() !== 0) return "slurmd starts jobs of other users, so it needs root";
  return install(PROGRAMS, PACKAGES);
}

/** @param {string} name */
function uid(name) {
  return Number(run("id", ["-u", name]).stdout);
}

/** @param {string} folder */
async function startMunge(folder) {
  const key = join(folder, "munge.key");
  if (!existsSync(key)) run("mungekey", ["--create", `--keyfile=${key}`]);
  const socket = join(folder, "munge.socket");
  const files = ["pid", "log", "seed"].map((name) => `--${name}-file=${join(folder, `munge.${name}`)}`);
  run("munged", ["--force", `--key-file=${key}`, `--socket=${socket}`, ...files]);
  await until("munged", 10_000, () => existsSync(socket));
  return socket;
}

/** @param {string} folder */
async function startDatabase(folder) {
  const data = join(folder, "mysql");
  const socket = join(data, "my.sock");
  mkdirSync(data, { recursive: true });
  chownSync(data, uid("mysql"), uid("mysql"));
  if (!existsSync(join(data, "mysql")))
    run("mariadb-install-db", ["--no-defaults", "--user=mysql", `--datadir=${data}`, "--auth-root-authentication-method=socket"]);
  const log = openSync(join(folder, "mysql.log"), "a");
  const options = [
    "--skip-networking",
    "--innodb-buffer-pool-size=64M",
    "--innodb-lock-wait-timeout=900",
    "--innodb-flush-log-at-trx-commit=0",
  ];
  const where = [`--datadir=${data}`, `--socket=${socket}`, `--pid-file=${join(data, "my.pid")}`];
  spawn("mariadbd", ["--no-defaults", "--user=mysql", ...where, ...options], { detached: true, stdio: ["ignore", log, log] }).unref();
  await until("mariadbd", 30_000, () => run("mariadb-admin", [`--socket=${socket}`, "ping"], { allowFailure: true }).code === 0);
  const statements = [
    "create database if not exists slurm_acct_db;",
    "create user if not exists slurm@localhost identified by 'of-this-test';",
    "grant all on slurm_acct_db.* to slurm@localhost;",
  ];
  run("mariadb", [`--socket=${socket}`], { input: statements.join("\n") });
  return socket;
}

/**
 * @param {string} folder
 * @param {string} munge its socket
 */
async function startAccounting(folder, munge) {
  const mysql = await startDatabase(folder);
  const port = await freePort();
  const config = join(folder, "slurmdbd.conf");
  const lines = [
    `AuthType=auth/munge\nAuthInfo=socket=${munge}\nDbdHost=localhost\nDbdPort=${port}\nSlurmUser=root`,
    `LogFile=${join(folder, "slurmdbd.log")}\nPidFile=${join(folder, "slurmdbd.pid")}`,
    "StorageType=accounting_storage/mysql\nStorageHost=localhost\nStorageUser=slurm\nStoragePass=of-this-test\nStorageLoc=slurm_acct_db",
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  chmodSync(config, 0o600);
  const env = { SLURM_CONF: join(folder, "slurm.conf"), MYSQL_UNIX_PORT: mysql };
  return { port, start: () => run("slurmdbd", [], { env }) };
}

/**
 * @param {string} folder
 * @param {{ nodes: number, munge: string, dbdPort: number }} options
 */
async function configuration(folder, { nodes, munge, dbdPort }) {
  const host = hostname().split(".")[0];
  const nodeLines = [];
  for (let n = 1; n <= nodes; n += 1) {
    mkdirSync(join(folder, `spool-n${n}`), { recursive: true });
    const shape = `CPUs=${CPUS} Boards=1 SocketsPerBoard=1 CoresPerSocket=${CPUS} ThreadsPerCore=1 RealMemory=${MEMORY_MB}`;
    nodeLines.push(`NodeName=n${n} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${await freePort()} ${shape} State=UNKNOWN`);
  }
  mkdirSync(join(folder, "state"), { recursive: true });
  return [
    `ClusterName=xpcs\nSlurmctldHost=${host}(127.0.0.1)\nSlurmctldPort=${await freePort()}\nSlurmUser=root\nSlurmdUser=root`,
    `AuthType=auth/munge\nAuthInfo=socket=${munge}\nCryptoType=crypto/munge`,
    `StateSaveLocation=${join(folder, "state")}\nSlurmdSpoolDir=${join(folder, "spool-%n")}`,
    `SlurmctldPidFile=${join(folder, "slurmctld.pid")}\nSlurmdPidFile=${join(folder, "slurmd-%n.pid")}`,
    `SlurmctldLogFile=${join(folder, "slurmctld.log")}\nSlurmdLogFile=${join(folder, "slurmd-%n.log")}`,
    // A container may have no writable cgroups.
    "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/linux\nJobAcctGatherFrequency=1",
    "JobAcctGatherParams=OverMemoryKill\nMpiDefault=none\nSwitchType=switch/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core_Memory",
    "SlurmdParameters=config_overrides\nReturnToService=2\nCommunicationParameters=NoCtldInAddrAny,NoInAddrAny",
    "SchedulerType=sched/backfill\nSchedulerParameters=bf_interval=2,sched_interval=5,sched_min_interval=100000",
    "SlurmctldTimeout=30\nSlurmdTimeout=10\nMessageTimeout=10\nKillWait=3\nMinJobAge=300\nInactiveLimit=0\nDefMemPerCPU=64\nOverTimeLimit=0",
    `AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=localhost\nAccountingStoragePort=${dbdPort}`,
    // With munge this is where its socket is.
    `AccountingStoragePass=${munge}`,
    ...nodeLines,
    "PartitionName=debug Nodes=ALL Default=YES MaxTime=01:00:00 State=UP PriorityTier=5 PreemptMode=OFF",
    "PartitionName=long Nodes=n1 Default=NO MaxTime=UNLIMITED State=UP PriorityTier=5 PreemptMode=OFF",
    // A job of "urgent" takes the nodes of those of "scavenger".
    "PreemptType=preempt/partition_prio\nPreemptMode=CANCEL",
    `PartitionName=scavenger Nodes=n${nodes} Default=NO MaxTime=01:00:00 State=UP PriorityTier=1 PreemptMode=CANCEL`,
    `PartitionName=urgent Nodes=n${nodes} Default=NO MaxTime=01:00:00 State=UP PriorityTier=10 PreemptMode=OFF`,
    "",
  ].join("\n");
}

/**
 * Starts it in an empty or a stopped folder and waits until every node is idle.
 *
 * @param {string} folder
 * @param {{ nodes?: number }} [options]
 * @returns {Promise<Record<string, string>>} environment of its commands
 */
export async function startSlurm(folder, { nodes = 3 } = {}) {
  mkdirSync(folder, { recursive: true });
  // The database has a user of its own.
  chmodSync(folder, 0o755);
  const munge = await startMunge(folder);
  const accounting = await startAccounting(folder, munge);
  const conf = join(folder, "slurm.conf");
  writeFileSync(conf, await configuration(folder, { nodes, munge, dbdPort: accounting.port }));
  const env = { SLURM_CONF: conf };
  accounting.start();
  await until("slurmdbd", 30_000, () => run("sacctmgr", ["-n", "list", "cluster"], { env, allowFailure: true }).code === 0);
  run("slurmctld", [], { env });
  for (let n = 1; n <= nodes; n += 1) run("slurmd", ["-N", `n${n}`], { env });
  await until("an idle node for every slurmd", 60_000, () => {
    if (pidIn(join(folder, "slurmctld.pid")) === null) return false;
    const { stdout } = run("sinfo", ["-h", "-N", "-o", "%N %t"], { env, allowFailure: true });
    return new Set(stdout.split("\n").filter((line) => line.endsWith(" idle"))).size === nodes;
  });
  // Accounts of whoever runs the tests, beside that of its own which Slurm gives to root.
  for (const name of ["xpcs", "beam"])
    run("sacctmgr", ["-i", "add", "account", name, "Description=test", "Organization=test"], { env, allowFailure: true });
  run("sacctmgr", ["-i", "add", "user", "root", "Account=xpcs,beam"], { env, allowFailure: true });
  return env;
}

/**
 * Ends its processes, by their pid files.
 *
 * @param {string} folder
 */
export async function stopSlurm(folder) {
  const slurmds = readdirSync(folder).filter((name) => /^slurmd-.*\.pid$/.test(name));
  await endAll(slurmds.map((name) => join(folder, name)));
  await endAll([join(folder, "slurmctld.pid")]);
  await endAll([join(folder, "slurmdbd.pid")]);
  await endAll([join(folder, "mysql/my.pid"), join(folder, "munge.pid")]);
}
