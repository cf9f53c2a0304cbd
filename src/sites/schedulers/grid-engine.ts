/**
 * Grid Engine (Son of Grid Engine, Univa, Altair): qsub, qstat, qacct, qdel, qconf, qhost. States are those of qstat(1), failures those of
 * sge_diagnostics(1) (https://gridscheduler.sourceforge.net/htmlman/manuals.html). See docs/schedulers/grid-engine.md.
 */
import { XpcsError } from "../../core/errors.js";
import { clockSeconds, endedWith, printedBytes } from "../batch-printed.js";
import { idsOf, type Listed } from "../batch-sightings.js";
import {
  type Account,
  type BatchCommand,
  type BatchJob,
  type CommandResult,
  commandFailure,
  type Ending,
  type NodeKind,
  nodeKinds,
  type Outcome,
  type Phase,
  type Queue,
  type Scheduler,
} from "./define.js";

const UNREACHABLE =
  /commlib error|unable to (send message to|contact) qmaster|can't get configuration from qmaster|can't connect|timeout was expired|cell directory .* doesn't exist/i;

/** Letters of a state, the first that applies: a state is several of them. */
const STATES: readonly (readonly [RegExp, Phase, string])[] = [
  [/E/, "held", "an error kept it from starting: qstat -j says which, and qmod -cj lets it try again"],
  [/d/, "ending", "it is being deleted"],
  [/h/, "held", "it is held, by a person or because it waits for other jobs"],
  [/[sST]/, "suspended", "it is suspended: by a person, with its queue, or because its host has too much to do"],
  [/^[rRt]+$/, "running", "it runs"],
  [/^[Rqwz]+$/, "queued", "it waits in the queue"],
];
const LETTERS = /^[dEhrRsSTtqw]+$/;

/** Failures that have a cause; others are shown in Grid Engine's own words. */
const FAILURES = new Map<number, readonly [Outcome, string]>([
  [1, ["node-failed", "its host could not start it"]],
  [7, ["node-failed", "its host could not start it: the prolog was not reached"]],
  [8, ["node-failed", "its host could not start it: the prolog failed"]],
  [10, ["node-failed", "its parallel environment could not be started"]],
  [19, ["node-failed", "its host lost the job's supervisor"]],
  [21, ["node-failed", "its host does not know the job: it was restarted, perhaps"]],
  [25, ["preempted", "it was taken off its host, to be started again elsewhere"]],
]);
/** A limit on time or memory was enforced. */
const LIMIT = 37;

/** The command that submits a job. @throws REFUSED more than a slot needs a parallel environment */
export function qsubCommand({ tag, script, settings: s }: Pick<BatchJob, "tag" | "script" | "settings">): BatchCommand {
  const slots = s.nodes * (s.cpusPerNode ?? 1);
  if (slots > 1 && s.parallelEnvironment === undefined)
    throw new XpcsError(
      "REFUSED",
      `${tag} asks for ${slots} slots: Grid Engine gives more than one only in a parallel environment, name it`,
    );
  const limits = [
    `h_rt=${s.walltimeS}`,
    ...(s.memoryGbPerNode === undefined ? [] : [`mem_free=${Math.ceil(s.memoryGbPerNode * 1000)}M`]),
    ...(s.constraint === undefined ? [] : [s.constraint]),
  ];
  return {
    argv: [
      "qsub",
      "-terse",
      ...["-N", tag, "-S", "/bin/bash", "-r", "n", "-wd", "/", "-j", "y", "-o", "/dev/null"],
      // SIGUSR2 comes before SIGKILL, also at the time limit.
      "-notify",
      ...["-l", limits.join(",")],
      ...(s.queue === undefined ? [] : ["-q", s.queue]),
      ...(s.account === undefined ? [] : ["-P", s.account]),
      ...(s.person === undefined ? [] : ["-ac", `xpcs_for=${s.person.replaceAll(" ", "_")}`]),
      ...(s.reservation === undefined ? [] : ["-ar", s.reservation]),
      ...(s.after === undefined ? [] : ["-hold_jid", s.after.join(",")]),
      ...(s.parallelEnvironment === undefined ? [] : ["-pe", s.parallelEnvironment, String(slots)]),
    ],
    stdin: script,
  };
}

/** @throws REFUSED · UNAVAILABLE */
export function parseQsub(result: CommandResult): string {
  const id = result.code === 0 ? /^(\d+)$/m.exec(result.stdout)?.[1] : undefined;
  if (id === undefined) throw commandFailure("qsub", result, UNREACHABLE);
  return id;
}

/** All jobs of a person that have not ended. */
export function qstatCommand(user: string): BatchCommand {
  return { argv: ["qstat", "-u", user, "-xml"] };
}

function tagged(block: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(block)?.[1] ?? "";
}

/** @throws UNAVAILABLE · REFUSED · CORRUPT_DATA the listing is cut short */
export function parseQstat(result: CommandResult): Listed[] {
  if (result.code !== 0) throw commandFailure("qstat", result, UNREACHABLE);
  if (!result.stdout.trimEnd().endsWith("</job_info>")) throw new XpcsError("CORRUPT_DATA", "what qstat printed is no whole XML listing");
  return [...result.stdout.matchAll(/<job_list[^>]*>([\s\S]*?)<\/job_list>/g)].map(([, block = ""]) => {
    const id = tagged(block, "JB_job_number");
    const state = tagged(block, "state");
    const known = LETTERS.test(state) ? STATES.find(([letters]) => letters.test(state)) : undefined;
    const [, phase, sentence] = known ?? [null, "unknown" as const, `Grid Engine gives it the state "${state}"`];
    return { id, tag: tagged(block, "JB_name"), phase, words: state, sentence, ending: null };
  });
}

/** Of a time of day, or of a number with or without a unit. */
function seconds(text: string): number | null {
  const plain = Number.parseFloat(text);
  return clockSeconds(text) ?? (Number.isNaN(plain) ? null : plain);
}

function failureOf(code: number, words: string, field: (name: string) => string): readonly [Outcome, string] {
  if (code === LIMIT) {
    const limit = seconds(/\bh_rt=([\d:]+)/.exec(field("category"))?.[1] ?? "");
    const ran = seconds(field("ru_wallclock"));
    if (limit !== null && ran !== null && ran < limit)
      return ["out-of-memory", "it went over a limit other than that of time: of memory or of processor time"];
    return ["time-limit", "it reached its time limit"];
  }
  // Of 100 the manual says only that the job was started, and then ended by a signal.
  return (
    FAILURES.get(code) ?? [
      "failed",
      code === 100 ? "it was ended by a signal" : `Grid Engine gives failure ${code}${words === "" ? "" : `: ${words}`}`,
    ]
  );
}

/** How one job ended. Null: accounting does not know it (yet). @throws UNAVAILABLE · REFUSED */
export function parseQacct(result: CommandResult): Ending | null {
  if (result.code !== 0) {
    if (/not found|no jobs running since|accounting file/i.test(`${result.stderr}${result.stdout}`)) return null;
    throw commandFailure("qacct", result, UNREACHABLE);
  }
  // Of a job that ran again, the last run.
  const block = result.stdout.split(/^=+$/m).at(-1) ?? "";
  const field = (name: string): string => new RegExp(`^${name}\\s+(.*)$`, "m").exec(block)?.[1]?.trim() ?? "";
  const failed = /^(\d+)\s*(?::\s*(.*))?$/.exec(field("failed"));
  const exitCode = Number.parseInt(field("exit_status"), 10);
  if (failed === null || Number.isNaN(exitCode)) return null;
  const code = Number(failed[1]);
  if (code !== 0) {
    const [outcome, sentence] = failureOf(code, failed[2] ?? "", field);
    return { outcome, exitCode, sentence };
  }
  return endedWith(exitCode);
}

/** @throws UNAVAILABLE · REFUSED */
function checkQdel(result: CommandResult): void {
  const ended = /does not exist|already in deletion/i.test(`${result.stderr}${result.stdout}`);
  if (result.code !== 0 && !ended) throw commandFailure("qdel", result, UNREACHABLE);
}

/**
 * The queues, from `qstat -g c -xml` (slots and who is disabled) and `qconf -sq` (time limits). The nodes of a queue are not told.
 *
 * @throws UNAVAILABLE · REFUSED
 */
export function parseQueues(summary: CommandResult, definitions: CommandResult): Queue[] {
  if (summary.code !== 0) throw commandFailure("qstat", summary, UNREACHABLE);
  const limits = new Map<string, number | null>();
  for (const block of definitions.stdout.split(/^qname\s+/m).slice(1)) {
    const limit = /^h_rt\s+(\S+)/m.exec(block)?.[1] ?? "";
    limits.set(/^\S+/.exec(block)?.[0] ?? "", seconds(limit));
  }
  return [...summary.stdout.matchAll(/<cluster_queue_summary>([\s\S]*?)<\/cluster_queue_summary>/g)].map(([, block = ""]) => {
    const name = tagged(block, "name");
    const count = (key: string): number => Number.parseInt(tagged(block, key), 10) || 0;
    const open = count("total") > count("temp_disabled") + count("manual_intervention");
    return { name, open, walltimeMaxS: limits.get(name) ?? null, nodes: null };
  });
}

/** All projects of `qconf -sprjl`: who may use one, it does not say. @throws UNAVAILABLE · REFUSED */
export function parseProjects(result: CommandResult): Account[] {
  if (result.code !== 0) {
    if (/no project list defined/i.test(`${result.stderr}${result.stdout}`)) return [];
    throw commandFailure("qconf", result, UNREACHABLE);
  }
  const names = result.stdout.split("\n").map((line) => line.trim());
  return names.filter((name) => name !== "").map((name) => ({ name, isDefault: false, qos: [] }));
}

/** Hosts from `qhost -xml`; one that does not answer has no numbers and is left out. @throws UNAVAILABLE · REFUSED */
export function parseQhost(result: CommandResult): NodeKind[] {
  if (result.code !== 0) throw commandFailure("qhost", result, UNREACHABLE);
  return nodeKinds(
    [...result.stdout.matchAll(/<host name=['"]([^'"]*)['"]>([\s\S]*?)<\/host>/g)].flatMap(([, name = "", block = ""]) => {
      const value = (key: string): string => new RegExp(`<hostvalue name=['"]${key}['"]>([^<]*)<`).exec(block)?.[1]?.trim() ?? "";
      const cpus = Number.parseInt(value("num_proc"), 10);
      if (Number.isNaN(cpus)) return [];
      const cores = Number.parseInt(value("m_core"), 10);
      const bytes = printedBytes(value("mem_total"));
      const memoryGb = bytes === null ? null : Math.floor(bytes / 1e9);
      return { name, cpus, cores: Number.isNaN(cores) ? null : cores, memoryGb, gpus: null, queues: [] };
    }),
  );
}

export const gridEngine: Scheduler = {
  name: "grid-engine",
  about: "Grid Engine, as on many clusters of universities",
  takes: ["queue", "account", "constraint", "reservation", "after", "cpusPerNode", "memoryGbPerNode", "parallelEnvironment"],
  ownId: "$JOB_ID",
  launch: {
    nodes: 'if [ -n "$PE_HOSTFILE" ]; then awk \'{ print $1 }\' "$PE_HOSTFILE"; else hostname; fi',
    // It has no program for all of them at once. What it starts reads its command line with a shell again.
    pilots: ["qrsh", "-inherit", "-nostdin", "{host}"],
    jobs: ["mpiexec", "-n", "{ranks}", "--map-by", "ppr:{ranksPerNode}:node", "--host", "{hosts}"],
  },
  detection: {
    probe: { argv: ["qstat", "-help"] },
    recognise: ({ stdout, stderr }) =>
      /^\s*((?:SGE|UGE|GE|OGE|GCS|OCS|AGE|Univa)\S*\s+\S*\d\S*)/m.exec(`${stdout}\n${stderr}`)?.[1] ?? null,
  },
  submit: async (job, { run }) => parseQsub(await run(qsubCommand(job))),
  find: async (tag, _folder, { run, user }) => idsOf(tag, parseQstat(await run(qstatCommand(user)))),
  status: async (_jobs, { run, user }) => parseQstat(await run(qstatCommand(user))),
  // qacct takes one job; each is asked for once, or a few times, after its end.
  account: async (jobs, { run }) => {
    const endings = new Map<string, Ending>();
    for (const { id } of jobs) {
      const ending = parseQacct(await run({ argv: ["qacct", "-j", id] }));
      if (ending !== null) endings.set(id, ending);
    }
    return endings;
  },
  cancel: async ({ id }, { run }) => checkQdel(await run({ argv: ["qdel", id] })),
  queues: async ({ run }) => {
    const summary = await run({ argv: ["qstat", "-g", "c", "-xml"] });
    const names = [...summary.stdout.matchAll(/<name>([^<]*)<\/name>/g)].map(([, name = ""]) => name);
    const definitions = names.length === 0 ? summary : await run({ argv: ["qconf", "-sq", names.join(",")] });
    return parseQueues(summary, definitions);
  },
  accounts: async ({ run }) => parseProjects(await run({ argv: ["qconf", "-sprjl"] })),
  nodes: async ({ run }) => parseQhost(await run({ argv: ["qhost", "-xml"] })),
};
