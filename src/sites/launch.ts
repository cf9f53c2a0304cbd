/**
 * How programs get onto the nodes of a batch job: the templates of schedulers/ filled in, as lines of its script for pilots, and as words before the program of
 * a job that needs many nodes. Pure.
 */
import { quoted } from "./bash-words.js";
import type { Launch } from "./schedulers/define.js";

type Values = Readonly<Record<string, string | number>>;

/** A template's text with the values; what is no value of these stays as it is. */
function filled(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/** Another process on the nodes than there are nodes. */
export const NO_SUCH_NODE = 76;
/** The names of its nodes are not told. */
const NODES_UNKNOWN = 73;

/** Bash that writes the names of a job's nodes to `path`, one a line. Where they are not told, the job ends, unless it has but one. */
export function nodesLine({ nodes: text }: Launch, nodes: number, path: string): string {
  const otherwise = nodes === 1 ? `uname -n >${path}` : `{ echo "it has not ${nodes} nodes, but:" $(cat ${path}); exit ${NODES_UNKNOWN}; }`;
  return `{ ${filled(text, { nodes })}; } >${path} 2>/dev/null; [ "$(wc -l <${path})" -eq ${nodes} ] || ${otherwise}`;
}

/**
 * A command line for bash that runs `argv` once on each node, and ends when all have ended, with the exit code of one that failed, if any did. A loop over the
 * nodes passes SIGTERM on.
 *
 * @param argv plain words: some launchers have a shell read them again
 */
export function onEachNode({ pilots }: Launch, nodes: number, argv: readonly string[], nodesPath: string): string {
  const words = pilots.map((word) => filled(word, { nodes }));
  const line = [...words, ...argv].map((word) => quoted(word).replaceAll("{host}", `'"$xpcs_host"'`)).join(" ");
  if (words.length > 0 && !words.some((word) => word.includes("{host}"))) return `exec ${line}`;
  return [
    "xpcs_pids=",
    `trap 'xpcs_signaled=1; [ -n "$xpcs_pids" ] && kill -TERM $xpcs_pids 2>/dev/null' TERM`,
    `while read -r xpcs_host; do ${line} </dev/null & xpcs_pids="$xpcs_pids $!"; done <${nodesPath}`,
    "xpcs_worst=0",
    'for xpcs_pid in $xpcs_pids; do xpcs_wait "$xpcs_pid"; [ "$xpcs_code" = 0 ] || xpcs_worst=$xpcs_code; done',
    'exit "$xpcs_worst"',
  ].join("\n");
}

export interface JobShape {
  /** Names of its nodes. */
  readonly hosts: readonly string[];
  readonly ranksPerNode: number;
  /** In all. */
  readonly cores: number;
}

/** The words before the program of a job on many nodes. */
export function jobLauncher(template: readonly string[], { hosts, ranksPerNode, cores }: JobShape): string[] {
  const nodes = hosts.length;
  const ranks = nodes * ranksPerNode;
  const coresPerRank = Math.max(1, Math.floor(cores / Math.max(1, ranks)));
  return template.map((word) => filled(word, { nodes, hosts: hosts.join(","), ranks, ranksPerNode, coresPerRank }));
}
