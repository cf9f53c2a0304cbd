/**
 * What the compiled files of a bundle need of a machine: the libraries behind them (ldd, of glibc) and the oldest glibc (objdump, of binutils).
 * The texts of both are read by pure functions.
 */
import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import { XpcsError } from "../../core/errors.js";

/** Parts of glibc itself: they belong to the machine, because they must fit its loader and its kernel. */
const GLIBC_OWN =
  /^(?:ld-linux[\w-]*|lib(?:c|m|mvec|dl|pthread|rt|util|resolv|anl|nsl|nss_\w+|thread_db|BrokenLocale|crypt_nss))\.so(?:\.\d+)*$|^linux-vdso/;

/** True for a library that is part of glibc. */
export function isGlibc(soname: string): boolean {
  return GLIBC_OWN.test(soname);
}

/**
 * Libraries that ldd names, apart from glibc's: name to path, ordered by name.
 * @throws NOT_FOUND one of them is not on this machine
 */
export function librariesOf(lddText: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, soname, path] of lddText.matchAll(/^\s+(\S+) => (\S.*?)(?: \(0x[0-9a-f]+\))?$/gm)) {
    const name = basename(soname!);
    if (isGlibc(name)) continue;
    if (!path!.startsWith("/"))
      throw new XpcsError("NOT_FOUND", `the library ${name}, which a file of the bundle needs, is not on this machine`);
    found.set(name, path!);
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A version of glibc as a number that can be compared: 2.36 is 2036. */
export function glibcNumber(version: string): number {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return 1_000 * major + minor;
}

/** The newest version of glibc that a file asks for, and one of the files that do. */
export interface GlibcNeed {
  readonly version: string;
  readonly file: string;
}

/** Relative relocations came with this version. */
const RELATIVE_RELOCATIONS = "2.36";

/** The newest glibc that the files of `objdump -p` ask for; null when none asks. */
export function glibcNeed(objdumpText: string): GlibcNeed | null {
  let file = "";
  let need: GlibcNeed | null = null;
  for (const line of objdumpText.split("\n")) {
    file = /^(\S.*):\s+file format elf/.exec(line)?.[1] ?? file;
    const asked = /^\s+0x[0-9a-f]+ 0x[0-9a-f]+ \d+ GLIBC_(ABI_DT_RELR|[\d.]+)$/.exec(line)?.[1];
    if (asked === undefined) continue;
    const version = asked.startsWith("ABI") ? RELATIVE_RELOCATIONS : asked;
    if (need === null || glibcNumber(version) > glibcNumber(need.version)) need = { version, file };
  }
  return need;
}

/** Which package of Debian has a program that a bundle is made with. */
const PACKAGES: Readonly<Record<string, string>> = {
  ...{ patchelf: "patchelf", objdump: "binutils", ldd: "libc-bin", tar: "tar", gzip: "gzip" },
};

/**
 * Runs a program of the system.
 * @returns what it printed
 * @throws UNSUPPORTED it is not here: the message has its package · IO_FAILED it failed
 */
export function runTool(tool: keyof typeof PACKAGES & string, args: readonly string[], tolerate = false): string {
  const { error, status, stdout, stderr } = spawnSync(tool, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    // Their words are read.
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error !== undefined && (error as NodeJS.ErrnoException).code === "ENOENT")
    throw new XpcsError("UNSUPPORTED", `a bundle is made with ${tool}, which is not here: install ${PACKAGES[tool]} (apt, dnf)`);
  if (error !== undefined) throw new XpcsError("IO_FAILED", `${tool} could not be run: ${error.message}`);
  if (status !== 0 && !tolerate) throw new XpcsError("IO_FAILED", `${tool} failed: ${stderr.trim().split("\n").at(-1) ?? ""}`);
  return stdout;
}

/** Libraries behind some compiled files, apart from glibc's. @throws as librariesOf and runTool */
export function librariesBehind(files: readonly string[]): Map<string, string> {
  // Of a file that is linked with nothing ldd says so, and fails.
  return librariesOf(runTool("ldd", files, true));
}
