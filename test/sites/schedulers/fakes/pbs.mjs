/**
 * A fake of PBS Professional's qsub, qstat, qselect, qdel and pbsnodes, as far as the adapter uses them. Built from the PBS Professional Reference Guide (Altair;
 * commands, "Job States", "Job Exit Codes") and from listings of `qstat -x -f -F json` that ALCF and PSI/J publish. One queue, "workq". Run as `pbs.mjs COMMAND WORDS...`.
 */
import { cancel, end, jobOf, jobs, options, stdin, submit } from "./fake-queue.mjs";

const SERVER = "fake-pbs";
const WITH_VALUE = ["-N", "-S", "-r", "-j", "-o", "-l", "-q", "-A", "-v", "-W", "-u", "-F"];
const [command, ...words] = process.argv.slice(2);
const { found, rest } = options(words, WITH_VALUE);
const numberOf = (id) => Number.parseInt(id, 10);

function exitStatus({ endedBy, code }) {
  if (endedBy === "walltime") return -29;
  if (endedBy === "deletion") return 271;
  return code;
}

function attributes(job) {
  const state = { queued: job.after.length > 0 ? "H" : "Q", running: "R", ended: "F" }[job.state];
  const status = exitStatus(job);
  const comment = { Q: "Not Running: Insufficient amount of resource: ncpus", R: "Job run at Thu Nov 26 at 08:00 on (n1:ncpus=1)" }[state];
  return {
    Job_Name: job.name,
    Job_Owner: `${job.user}@login1`,
    job_state: state,
    queue: "workq",
    server: SERVER,
    ...(comment === undefined ? {} : { comment }),
    ...(state === "F" && status !== null ? { Exit_status: status } : {}),
  };
}

function qsub() {
  const limits = Object.fromEntries(
    (found["-l"] ?? []).map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]),
  );
  const queue = found["-q"]?.[0] ?? "workq";
  if (queue !== "workq") return end("", "qsub: Unknown queue\n", 170);
  const time = /^(\d+):(\d\d):(\d\d)$/.exec(limits.walltime ?? "");
  if (time === null || !/^\d+(:|$)/.test(limits.select ?? "")) return end("", "qsub: Illegal attribute or resource value\n", 1);
  const after = /^depend=afterany:(.*)$/.exec(found["-W"]?.[0] ?? "")?.[1]?.split(":") ?? [];
  const id = submit({
    name: found["-N"][0],
    user: process.env.USER ?? "me",
    walltimeS: Number(time[1]) * 3600 + Number(time[2]) * 60 + Number(time[3]),
    after,
    script: stdin(),
    env: (number) => ({ PBS_JOBID: `${number}.${SERVER}`, PBS_JOBNAME: found["-N"][0] }),
  });
  end(`${id}.${SERVER}\n`);
}

function qstat() {
  if (rest.includes("--version")) return end("pbs_version = 2022.1.1.fake\n");
  if (rest.includes("-Q")) {
    const queue = { queue_type: "Execution", enabled: "True", started: "True", resources_max: { walltime: "24:00:00", nodect: 10 } };
    return end(JSON.stringify({ pbs_version: "fake", Queue: { workq: queue } }));
  }
  const ids = rest.filter((word) => !word.startsWith("-"));
  const known = ids.filter((id) => jobOf(numberOf(id)) !== null);
  const listed = Object.fromEntries(known.map((id) => [`${numberOf(id)}.${SERVER}`, attributes(jobOf(numberOf(id)))]));
  const faults = ids.filter((id) => !known.includes(id)).map((id) => `qstat: Unknown Job Id ${id}\n`);
  const listing = { timestamp: 1732600000, pbs_version: "fake", pbs_server: SERVER, ...(known.length > 0 ? { Jobs: listed } : {}) };
  end(JSON.stringify(listing, null, 4), faults.join(""), faults.length > 0 ? 153 : 0);
}

const commands = {
  pbsnodes() {
    const resources_available = { arch: "linux", host: "n1", mem: "527672488kb", ncpus: 64, ngpus: 4, vnode: "n1" };
    const nodes = Object.fromEntries(["n1", "n2"].map((name) => [name, { ntype: "PBS", state: "free", pcpus: 64, resources_available }]));
    end(JSON.stringify({ timestamp: 1732600000, pbs_version: "fake", pbs_server: SERVER, nodes }, null, 4));
  },
  qsub,
  qstat,
  qselect() {
    const named = jobs().filter(({ name, state }) => name === found["-N"][0] && state !== "ended");
    end(named.map(({ id }) => `${id}.${SERVER}\n`).join(""));
  },
  qdel() {
    const [id = ""] = rest;
    const job = jobOf(numberOf(id));
    if (job === null) return end("", `qdel: Unknown Job Id ${id}\n`, 153);
    if (!cancel(job.id)) return end("", `qdel: Job has finished ${id}\n`, 35);
    return end("");
  },
};
commands[command]();
