/**
 * The text that `xpcs site init` writes: settings of batch jobs (docs/schedulers/README.md) with what was found on a machine, and what its facility's profile
 * says, as comments. Pure.
 */
import type { FoundScheduler } from "../sites/detect-scheduler.js";
import type { FacilityProfile } from "../sites/facility-profile.js";
import type { Account, NodeKind, Queue } from "../sites/schedulers/define.js";
import { schedulerNamed } from "../sites/schedulers/registry.js";
import { isName, type JobPlace, jobPlace, nodeDifferences, proxyLines, queueDifferences } from "./site-profile.js";

/** What was found on a machine. */
export interface MachineReport {
  readonly host: string;
  readonly cores: number;
  readonly memoryGb: number;
  /** Of this machine's processor, or why there is none. */
  readonly kernels: string;
  readonly disks: readonly { readonly path: string; readonly freeGb: number }[];
  /** Batch schedulers that answer; at least one, and the first is used. */
  readonly schedulers: readonly [FoundScheduler, ...FoundScheduler[]];
  /** Of the first scheduler. */
  readonly queues: readonly Queue[];
  /** Of the person, by the first scheduler. */
  readonly accounts: readonly Account[];
  readonly nodes: readonly NodeKind[];
  /** For the folders of batch jobs. */
  readonly folder: string;
  /** Null: none was asked for. */
  readonly profile: FacilityProfile | null;
}

const WALLTIME_S = 3_600;
const QUEUES_TOLD = 50;

/** Words of other programs in a comment: one line, whatever they hold. */
const inComment = (text: string): string => JSON.stringify(text).slice(1, -1);

function timeText(seconds: number | null): string {
  if (seconds === null) return "no limit told";
  return seconds >= 7_200 ? `${Math.floor(seconds / 360) / 10} h` : `${Math.floor(seconds / 6) / 10} min`;
}

/** As comments, the first words with what follows them under it. */
function list(head: string, lines: readonly string[], max = QUEUES_TOLD): string[] {
  if (lines.length === 0) return [];
  const more = lines.length > max ? [`  #   and ${lines.length - max} more`] : [];
  return [`  # ${head}`, ...lines.slice(0, max).map((line) => `  #   ${inComment(line)}`), ...more];
}

function queueText({ name, open, walltimeMaxS, nodes }: Queue): string {
  return `${name}: ${timeText(walltimeMaxS)}${nodes === null ? "" : `, ${nodes} nodes`}${open ? "" : ", closed"}`;
}

function nodeText({ count, cpus, cores, memoryGb, gpus, queues }: NodeKind): string {
  const parts = [
    `${count} with ${cpus} CPUs${cores === null ? "" : ` (${cores} cores)`}`,
    ...(memoryGb === null ? [] : [`${memoryGb} GB`]),
    ...(gpus === null ? [] : [gpus === 0 ? "no GPU" : `${gpus} GPUs`]),
    ...(queues.length === 0 ? [] : [`in ${queues.join(", ")}`]),
  ];
  return parts.join(", ");
}

function accountText({ name, isDefault, qos }: Account): string {
  return `${name}${isDefault ? ", the default" : ""}${qos.length === 0 ? "" : `; QOS ${qos.join(", ")}`}`;
}

/** "; text (source)" where there is something to say. */
const cited = (note: string | undefined, from: string): string => `${note === undefined ? "" : `; ${note}`} [${from}]`;

/** What a profile says and this machine does not, by its sections. */
function profileLines(profile: FacilityProfile): string[] {
  const { title, queues = [], nodes = [], filesystems = [], scratch, login = [], modules = [], notFound, sources } = profile;
  const limit = (name: string, least: number | undefined, most: number | undefined) =>
    most === undefined ? [] : [`${least === undefined || least === 1 ? "up to" : `${least} to`} ${most} ${name}`];
  const queueOf = (queue: (typeof queues)[number]): string => {
    const { name, is, nodesMin, nodesMax, walltimeMaxS, byRequest, note, from } = queue;
    const parts = [...limit("nodes", nodesMin, nodesMax), ...(walltimeMaxS === undefined ? [] : [`up to ${timeText(walltimeMaxS)}`])];
    const all = [is === "qos" ? "QOS" : "queue", ...parts, ...(byRequest ? ["by request only"] : [])].join(", ");
    return `${name}: ${all}${cited(note, from)}`;
  };
  const nodeOf = ({ name, count, cores, coresForJobs, memoryGb, gpus, gpu, note, from }: (typeof nodes)[number]): string => {
    const parts = [
      ...(count === undefined ? [] : [`${count} nodes`]),
      ...(cores === undefined ? [] : [`${cores} cores${coresForJobs === undefined ? "" : `, ${coresForJobs} of them for jobs`}`]),
      ...(memoryGb === undefined ? [] : [`${memoryGb} GB`]),
      ...(gpus === undefined ? [] : [gpus === 0 ? "no GPU" : `${gpus} GPUs${gpu === undefined ? "" : ` (${gpu})`}`]),
    ];
    return `${name}: ${parts.join(", ")}${cited(note, from)}`;
  };
  return [
    `  # By the profile ${profile.name}: ${inComment(title)}. In brackets the page, below.`,
    ...list("Its queues:", queues.map(queueOf)),
    ...list("Its nodes:", nodes.map(nodeOf)),
    ...list(
      "Its file systems:",
      filesystems.map(({ name, path, note, from }) => `${name}: ${path}${cited(note, from)}`),
    ),
    ...(scratch === undefined ? [] : list("A disk of each node, for --work:", [`${scratch.path}${cited(scratch.note, scratch.from)}`])),
    ...list(
      "Modules:",
      modules.map(({ line, note, from }) => `${line}${cited(note, from)}`),
    ),
    ...list(
      "On login nodes:",
      login.map(({ note, from }) => `${note} [${from}]`),
    ),
    ...list(
      "Not found in its pages:",
      Object.entries(notFound).map(([what, why]) => `${what}: ${why}`),
    ),
    ...list(
      "Pages:",
      Object.entries(sources).map(
        ([name, { page, read, edition }]) => `${name}: ${page}, read ${read}${edition === undefined ? "" : ` (${edition})`}`,
      ),
    ),
  ];
}

/** Where a machine differs from what its profile says. */
export function reportDifferences({ profile, queues, nodes }: MachineReport): string[] {
  return profile === null ? [] : [...queueDifferences(profile, queues), ...nodeDifferences(profile, nodes)];
}

/** Where jobs go, for a file of this report. */
export function placeOf({ profile, queues, schedulers: [{ name }] }: MachineReport): JobPlace {
  return jobPlace(profile, queues, schedulerNamed(name).takes);
}

const demandsAccount = ({ profile }: MachineReport): boolean => (profile?.required ?? []).some(({ setting }) => setting === "account");

/** The account that jobs are to be charged to, where the facility demands one and there is no doubt which; otherwise null. */
export function accountOf(report: MachineReport): string | null {
  const usable = report.accounts.filter(({ name }) => isName(name));
  const [only, ...others] = usable.some(({ isDefault }) => isDefault) ? usable.filter(({ isDefault }) => isDefault) : usable;
  return demandsAccount(report) && only !== undefined && others.length === 0 ? only.name : null;
}

/** Settings that the facility demands and nobody but a person knows. */
export function settingsToFill(report: MachineReport): string[] {
  return demandsAccount(report) && accountOf(report) === null ? ["account"] : [];
}

const quotedOrNull = (text: string | null): string | null => (text === null ? null : JSON.stringify(text));

type Demand<S extends string> = Extract<NonNullable<FacilityProfile["required"]>[number], { setting: S }>;

/** Each setting with a line on what it is for; in force where the profile has a value, otherwise as a comment. */
function settingLines(report: MachineReport, { queue, qos }: JobPlace): string[] {
  const { profile, cores, nodes } = report;
  const kind = nodes.find(({ queues }) => queue === null || queues.length === 0 || queues.includes(queue));
  const { takes } = schedulerNamed(report.schedulers[0].name);
  const demands = profile?.required ?? [];
  const demand = <S extends (typeof demands)[number]["setting"]>(setting: S) =>
    demands.find((each): each is Demand<S> => each.setting === setting);
  const line = (setting: (typeof takes)[number], why: string, value: string | null, example: string): string[] =>
    takes.includes(setting) ? [`  # ${why}`, value === null ? `  # ${setting}: ${example}` : `  ${setting}: ${value}`] : [];
  const because = (found: { note?: string | undefined; from: string } | undefined): string =>
    found === undefined ? "" : ` Demanded here${found.note === undefined ? "" : ` (${inComment(found.note)})`} [${found.from}].`;
  const [account, filesystems, constraint] = [demand("account"), demand("filesystems"), demand("constraint")];
  const list = filesystems === undefined ? null : `[${filesystems.value.map((name) => JSON.stringify(name)).join(", ")}]`;
  return [
    ...(queue === null || !takes.includes("queue") ? ["  # queue: NAME"] : [`  queue: ${JSON.stringify(queue)}`]),
    ...line("account", `What is charged, where the facility asks for it.${because(account)}`, quotedOrNull(accountOf(report)), "NAME"),
    ...line("qos", "Quality of service, likewise.", quotedOrNull(qos), "NAME"),
    ...line("filesystems", `File systems that a job needs, where the facility asks for them.${because(filesystems)}`, list, "[home]"),
    ...line("constraint", `Which nodes.${because(constraint)}`, quotedOrNull(constraint?.value ?? null), "EXPRESSION"),
    ...line("cpusPerNode", "Cores of a node, where a job may have a part of it.", null, String(kind?.cpus ?? cores)),
    ...line("memoryGbPerNode", "Its memory, GB of 10^9 bytes.", null, String(kind?.memoryGb || 16)),
  ];
}

/** The file's text. @param file its name, for the commands in it */
export function siteFileText(report: MachineReport, file: string): string {
  const { host, cores, memoryGb, kernels, disks, schedulers, queues, accounts, nodes, folder, profile } = report;
  const [{ name, version }, ...others] = schedulers;
  const place = placeOf(report);
  const limitS = place.walltimeMaxS;
  const also = others.map((each) => `${each.name} ${inComment(each.version)}`).join(", ");
  const lines = profile === null ? [] : proxyLines(profile);
  return [
    `# Batch jobs of this site, as xpcs site init found things on ${inComment(host)}. Look through it, then:`,
    `#   xpcs doctor --batch ${inComment(file)} --probe`,
    `#   xpcs doctor --batch ${inComment(file)} --self-test --central URL --token-file FILE`,
    `#   xpcs site start NAME --batch ${inComment(file)} --work DIR`,
    "# All settings: docs/schedulers/README.md and docs/pilots.md of xpcs.",
    "",
    `# ${name} ${inComment(version)} answers here.${also === "" ? "" : ` So does ${also}: to use that one, write its name.`}`,
    `scheduler: ${name}`,
    "",
    "# A folder for each batch job. The nodes must see it under the same path.",
    `folder: ${JSON.stringify(folder)}`,
    "",
    "job:",
    ...(queues.length === 0
      ? ["  # The scheduler names no queues."]
      : list("Queues, with the longest walltime of a job:", queues.map(queueText))),
    ...list("Nodes, as the scheduler counts them:", nodes.map(nodeText)),
    ...list("Accounts:", accounts.map(accountText)),
    ...(profile === null ? [] : profileLines(profile)),
    ...list("What was found differs from the profile; what was found holds:", reportDifferences(report)),
    ...settingLines(report, place),
    "  nodes: 1",
    `  # Of a pilot, s.${limitS === null ? "" : ` This ${place.queue === null ? "QOS" : "queue"} gives at most ${limitS}.`}`,
    `  walltimeS: ${Math.min(WALLTIME_S, limitS ?? WALLTIME_S)}`,
    ...(lines.length === 0
      ? ["  # Bash lines before the command.", '  # lines: ["export TMPDIR=/local/scratch"]']
      : [
          `  # Bash lines before the command: nodes reach other networks through a proxy [${profile?.proxy?.from}].`,
          `  lines: ${JSON.stringify(lines)}`,
        ]),
    "",
    "pilots:",
    "  # Never more batch jobs than this at a time, and of them so many that wait.",
    "  max: 1",
    "  queuedMax: 1",
    "  # One leaves when it has had nothing to do for this long, s.",
    "  idleS: 120",
    "",
    "# Never more node-hours than this, in a day, a month (UTC) and in all.",
    "# nodeHours: { day: 24, month: 300, all: 3000 }",
    "",
    "commands:",
    "  # The scheduler is asked no more often than this.",
    "  perMinute: 30",
    "",
    `# This machine (nodes may be other): ${cores} cores, ${memoryGb} GB; kernels: ${inComment(kernels)}.`,
    "# Disks of it with room for --work; a pilot's must be one that the nodes have:",
    ...disks.map(({ path, freeGb }) => `#   ${inComment(path)}: ${freeGb} GB free`),
    "",
  ].join("\n");
}
