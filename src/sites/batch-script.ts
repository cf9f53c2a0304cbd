/**
 * The script of a batch job, and what it leaves in the job's folder:
 *
 *     script.sh      this script
 *     node.sh        where a command runs on each node: what each runs (node-script.ts)
 *     submitted      the job's id, when the scheduler has told it
 *     claim/         made by the first start; in it
 *       id           the job's id, as the job itself knows it
 *       started      seconds since 1970, and its walltime in s
 *       nodes        names of its nodes, one a line
 *       environment  for commands on its other nodes
 *       pilot-N/     made by the command on one of them
 *       signaled     seconds since 1970: a signal told it to end
 *     output.log     all that it printed; output-N.log: likewise
 *     exit-code      of its command; not there if the job was killed
 *     canceled       its cancellation was asked for here
 */
import { join } from "node:path";
import { XpcsError } from "../core/errors.js";
import { quoted } from "./bash-words.js";
import type { BatchSettings } from "./batch-settings.js";
import { nodesLine, onEachNode } from "./launch.js";
import { nodeScript } from "./node-script.js";
import type { Launch } from "./schedulers/define.js";

/** Another start of a script that has run, or runs. */
export const STARTED_TWICE = 75;

const TAG = /^[a-z][A-Za-z0-9_.-]{0,62}$/;

export interface BatchFiles {
  readonly script: string;
  readonly nodeScript: string;
  readonly nodes: string;
  readonly submitted: string;
  readonly claimedId: string;
  readonly started: string;
  readonly signaled: string;
  readonly output: string;
  readonly exitCode: string;
  readonly canceled: string;
}

/** Where the files of a job are. */
export function batchFiles(folder: string): BatchFiles {
  return {
    script: join(folder, "script.sh"),
    nodeScript: join(folder, "node.sh"),
    nodes: join(folder, "claim", "nodes"),
    submitted: join(folder, "submitted"),
    claimedId: join(folder, "claim", "id"),
    started: join(folder, "claim", "started"),
    signaled: join(folder, "claim", "signaled"),
    output: join(folder, "output.log"),
    exitCode: join(folder, "exit-code"),
    canceled: join(folder, "canceled"),
  };
}

/** A tag is a job's name at every scheduler and a folder's name. @throws INVALID_ARGUMENT */
export function checkTag(tag: string): void {
  if (!TAG.test(tag))
    throw new XpcsError("INVALID_ARGUMENT", `"${tag}" is no tag: a small letter, then letters, digits and _ . - , 63 at most`);
}

const MODULE_FILES = '"$MODULESHOME/init/bash" /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /usr/share/lmod/lmod/init/bash';

function moduleLines(modules: readonly string[]): string[] {
  if (modules.length === 0) return [];
  return [
    "# Batch shells are often no login shells.",
    `command -v module >/dev/null || for xpcs_file in ${MODULE_FILES}; do [ -r "$xpcs_file" ] && . "$xpcs_file" && break; done`,
    ...modules.map((name) => `module load ${quoted(name)} || { echo "the module ${name} cannot be loaded"; exit 72; }`),
  ];
}

export interface ScriptRequest {
  readonly tag: string;
  readonly folder: string;
  readonly argv: readonly [program: string, ...words: string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly settings: BatchSettings;
  /** The scheduler's: a bash word. */
  readonly ownId: string;
  /** The folder is on another machine, and may not be there. */
  readonly makesFolder: boolean;
  readonly launch: Launch;
  /** The command runs on each node, by the node's script; otherwise once, on the first. */
  readonly onEachNode: boolean;
}

/** Lines that run the command in the background, as `$xpcs_child`. */
function commandLines({ argv, folder, settings, launch, onEachNode: each }: ScriptRequest): string[] {
  // Some schedulers send these to all processes of a job, whom they would end; the command is to hear of the end once, by SIGTERM. A pilot sees to that
  // itself (job-signals.ts).
  const deaf = "trap '' USR1 USR2 XCPU";
  if (!each) return [`(${deaf}; exec ${argv.map(quoted).join(" ")}) &`];
  const start = onEachNode(launch, settings.nodes, ["/bin/bash", batchFiles(folder).nodeScript], "claim/nodes");
  const script = `printf '%s' ${quoted(nodeScript(folder, settings.nodes, argv))} >node.sh && chmod 700 node.sh`;
  return [script, "export -p >claim/environment", "(", deaf, start, ") &"];
}

/**
 * The text of the script. Signals that announce the end (of whatever scheduler) reach the command as SIGTERM; the command finds
 * the job's end in XPCS_BATCH_ENDS_S, seconds since 1970, and the names of its nodes in the file XPCS_BATCH_NODES.
 *
 * @throws INVALID_ARGUMENT a tag, variable or word that cannot be
 */
export function batchScript(request: ScriptRequest): string {
  const { tag, folder, env, settings, ownId, launch, makesFolder } = request;
  checkTag(tag);
  const bad = Object.keys(env).find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (bad !== undefined) throw new XpcsError("INVALID_ARGUMENT", `"${bad}" is no name of an environment variable`);
  return `${[
    "#!/bin/bash",
    `# The batch job ${tag} of xpcs. Only the first start of it does anything.`,
    ...(makesFolder ? [`mkdir -p -m 700 -- ${quoted(folder)}`] : []),
    `cd -- ${quoted(folder)} || exit 74`,
    `mkdir claim 2>/dev/null || { [ -d claim ] && exit ${STARTED_TWICE}; exit 74; }`,
    "exec >>output.log 2>&1",
    `printf '%s %s\\n' "$(date +%s)" ${settings.walltimeS} >claim/started`,
    `printf '%s\\n' "${ownId}" >claim/id.new && mv claim/id.new claim/id`,
    "xpcs_end() {",
    "  xpcs_code=$?",
    "  trap - EXIT",
    `  printf '%s\\n' "$xpcs_code" >exit-code.new && mv -f exit-code.new exit-code`,
    '  exit "$xpcs_code"',
    "}",
    "trap xpcs_end EXIT",
    "xpcs_child=",
    "xpcs_warned=",
    "xpcs_signal() {",
    "  xpcs_signaled=1",
    "  date +%s >claim/signaled",
    "  # OAR sends its warning every few seconds: it is the same one, and no order to leave at once.",
    '  case "$1 $xpcs_warned " in',
    "  TERM* | INT*) ;;",
    '  "$1 "*" $1 "*) return ;;',
    "  esac",
    '  xpcs_warned="$xpcs_warned $1"',
    '  case "$xpcs_child" in',
    '  "") exit 143 ;;',
    "  # It may have begun, and would outlive the job.",
    "  starting) xpcs_early=1 ;;",
    '  *) kill -TERM "$xpcs_child" 2>/dev/null ;;',
    "  esac",
    "}",
    'for xpcs_name in TERM INT USR1 USR2 XCPU; do trap "xpcs_signal $xpcs_name" "$xpcs_name"; done',
    ...moduleLines(settings.modules),
    ...settings.lines,
    nodesLine(launch, settings.nodes, "claim/nodes"),
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `export XPCS_BATCH_TAG=${quoted(tag)} XPCS_BATCH_ENDS_S=$(($(cut -d' ' -f1 claim/started) + ${settings.walltimeS}))`,
    `export XPCS_BATCH_NODES=${quoted(batchFiles(folder).nodes)} XPCS_BATCH_LAUNCHER=${quoted(JSON.stringify(launch.jobs))}`,
    "# A signal ends wait, not the command.",
    "xpcs_wait() {",
    "  xpcs_code=",
    "  while :; do",
    "    xpcs_signaled=",
    '    wait "$1"',
    "    xpcs_now=$?",
    '    [ "$xpcs_now" = 127 ] && [ -n "$xpcs_code" ] && break',
    "    xpcs_code=$xpcs_now",
    '    [ -z "$xpcs_signaled" ] && break',
    "  done",
    "}",
    "xpcs_early=",
    "xpcs_child=starting",
    ...commandLines(request),
    "xpcs_child=$!",
    '[ -n "$xpcs_early" ] && kill -TERM "$xpcs_child" 2>/dev/null',
    'xpcs_wait "$xpcs_child"',
    'exit "$xpcs_code"',
  ].join("\n")}\n`;
}
