/**
 * The script that starts one pilot on each node of a batch job, whatever launcher runs it there: it takes the next free number, by making a folder of that
 * name, and the environment of the job's script where the launcher has not brought it.
 */
import { quoted } from "./bash-words.js";
import { NO_SUCH_NODE } from "./launch.js";

/**
 * The text of the script. Its command finds its number, from 1, in XPCS_PILOT, and what it prints goes to `output-NUMBER.log`.
 *
 * @param folder of the batch job
 * @param argv the pilot's command line
 */
export function nodeScript(folder: string, nodes: number, argv: readonly string[]): string {
  return `${[
    "#!/bin/bash",
    `cd -- ${quoted(folder)} || exit 74`,
    "XPCS_PILOT=1",
    'until mkdir "claim/pilot-$XPCS_PILOT" 2>/dev/null; do',
    `  [ "$XPCS_PILOT" -ge ${nodes} ] && { echo "more processes were started than there are nodes"; exit ${NO_SUCH_NODE}; }`,
    "  XPCS_PILOT=$((XPCS_PILOT + 1))",
    "done",
    'exec >>"output-$XPCS_PILOT.log" 2>&1',
    "# What the node itself has set stays; where programs are is known to the job's script.",
    "xpcs_own=$(export -p)",
    ". claim/environment",
    "xpcs_path=$PATH xpcs_libraries=$(printenv LD_LIBRARY_PATH)",
    'eval "$xpcs_own"',
    "export XPCS_PILOT PATH=$xpcs_path",
    '[ -z "$xpcs_libraries" ] || export LD_LIBRARY_PATH=$xpcs_libraries',
    "trap '' USR1 USR2 XCPU",
    `exec ${argv.map(quoted).join(" ")}`,
  ].join("\n")}\n`;
}
