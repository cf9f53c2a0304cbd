/** The features that a site has without being told: its kind of processor, the instructions that matter to kernels, and this program's version. */
import { readFileSync } from "node:fs";
import { VERSION } from "../core/version.js";

/** Instruction sets by their names in /proc/cpuinfo, which jobs ask for by the same names. */
const INSTRUCTIONS = ["sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "amx_tile", "asimd", "sve", "sve2"];
const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** The instruction sets that the text of /proc/cpuinfo names; of unequal processors those that all have. */
export function instructionsOf(cpuinfo: string): string[] {
  const lines = [...cpuinfo.matchAll(/^(?:flags|Features)\s*:(.*)$/gm)].map(([, words = ""]) => new Set(words.trim().split(/\s+/)));
  return lines.length === 0 ? [] : INSTRUCTIONS.filter((name) => lines.every((words) => words.has(name)));
}

/** Of this machine. */
export function machineFeatures(): string[] {
  let cpuinfo = "";
  try {
    cpuinfo = readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    // Elsewhere than on Linux nothing is known of it, and jobs that ask do not come.
  }
  return [MACHINES[process.arch] ?? process.arch, ...instructionsOf(cpuinfo), `xpcs=${VERSION}`];
}
