/**
 * The decisions of the set-up as pure functions: is Node new enough, which system parts are missing and what installs
 * them, do the installed packages match the lock file, which build outputs have lost their source. No I/O here.
 */

/** @typedef {"compiler" | "cmake" | "generator" | "hdf5" | "lz4" | "zlib"} SystemPart */
/** @typedef {{ name: string, command: string }} InstallHint */

/** Oldest Node that the packages support (cmake-js 8 and vitest 4 set it). */
export const NODE_MIN = [20, 17];

/** Oldest g++ with the parts of C++20 that the native core uses; older ones lack `<bit>`, `<span>` and `<concepts>`. */
export const GXX_MAJOR_MIN = 11;

/** Oldest clang with the same parts. */
export const CLANG_MAJOR_MIN = 14;

/** Oldest cmake that the native core's build file accepts. */
export const CMAKE_MIN = [3, 18];

/** What each part is called for a person, and its package in each world. */
export const SYSTEM_PARTS = {
  compiler: {
    label: `a C++20 compiler (g++ ${GXX_MAJOR_MIN}, clang ${CLANG_MAJOR_MIN} or newer)`,
    apt: "g++",
    dnf: "gcc-c++",
    conda: "cxx-compiler",
  },
  cmake: { label: `cmake ${CMAKE_MIN.join(".")} or newer`, apt: "cmake", dnf: "cmake", conda: "cmake" },
  generator: { label: "make or ninja", apt: "make", dnf: "make", conda: "make" },
  hdf5: { label: "HDF5 headers and library (serial)", apt: "libhdf5-dev", dnf: "hdf5-devel", conda: '"hdf5=*=nompi*"' },
  lz4: { label: "LZ4 headers and library", apt: "liblz4-dev", dnf: "lz4-devel", conda: "lz4-c" },
  zlib: { label: "zlib headers and library", apt: "zlib1g-dev", dnf: "zlib-devel", conda: "zlib" },
};

/**
 * @param {readonly number[]} version
 * @param {readonly number[]} min
 */
export function atLeast(version, min) {
  for (let at = 0; at < min.length; at++) {
    const have = version[at] ?? 0;
    const want = min[at] ?? 0;
    if (have !== want) return have > want;
  }
  return true;
}

/**
 * The numbers of the first `1.2.3` in a program's version text; empty when there is none.
 * @param {string} text
 * @returns {number[]}
 */
export function versionNumbers(text) {
  const found = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  return found
    ? found
        .slice(1)
        .filter((part) => part !== undefined)
        .map(Number)
    : [];
}

/**
 * What to do about Node, or null when it is new enough.
 * @param {string} version `process.versions.node`
 * @returns {string | null}
 */
export function nodeAdvice(version) {
  if (atLeast(versionNumbers(version), NODE_MIN)) return null;
  return [
    `Node ${version} is too old: Node ${NODE_MIN.join(".")} or newer is needed.`,
    "  with nvm:    nvm install 22 && nvm use 22",
    "  with conda:  conda install -c conda-forge 'nodejs>=22'",
    "  or from https://nodejs.org/en/download, then run this again.",
  ].join("\n");
}

/**
 * Is the compiler able to build C++20?
 * @param {{ family: "gcc" | "clang", version: string } | null} compiler
 */
export function compilerSuffices(compiler) {
  if (compiler === null) return false;
  const min = compiler.family === "gcc" ? GXX_MAJOR_MIN : CLANG_MAJOR_MIN;
  return atLeast(versionNumbers(compiler.version), [min]);
}

/**
 * @param {{ compiler: { family: "gcc" | "clang", version: string } | null, cmake: string | null, generator: boolean, hdf5: string | null, lz4: string | null, zlib: string | null }} found
 * @returns {SystemPart[]}
 */
export function missingParts(found) {
  /** @type {SystemPart[]} */
  const missing = [];
  if (!compilerSuffices(found.compiler)) missing.push("compiler");
  if (found.cmake === null || !atLeast(versionNumbers(found.cmake), CMAKE_MIN)) missing.push("cmake");
  if (!found.generator) missing.push("generator");
  if (found.hdf5 === null) missing.push("hdf5");
  if (found.lz4 === null) missing.push("lz4");
  if (found.zlib === null) missing.push("zlib");
  return missing;
}

/**
 * The command that installs the missing parts, for each package manager.
 * @param {readonly SystemPart[]} parts
 * @returns {InstallHint[]}
 */
export function installHints(parts) {
  /** @param {"apt" | "dnf" | "conda"} manager */
  const packages = (manager) => parts.map((part) => SYSTEM_PARTS[part][manager]).join(" ");
  return [
    { name: "Debian, Ubuntu", command: `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages("apt")}` },
    { name: "Fedora, RHEL (EPEL and CRB enabled)", command: `sudo dnf install -y ${packages("dnf")}` },
    { name: "conda, no root needed", command: `conda install -y -c conda-forge ${packages("conda")}` },
  ];
}

/**
 * The commands that this user may run to install the parts: argument lists, or null when only a person can.
 * @param {readonly SystemPart[]} parts
 * @param {{ apt: boolean, root: boolean, sudo: boolean }} rights `sudo`: works without a password
 * @returns {string[][] | null}
 */
export function installCommands(parts, rights) {
  if (!rights.apt || !(rights.root || rights.sudo)) return null;
  const prefix = rights.root ? [] : ["sudo", "-n"];
  const quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"];
  return [
    [...prefix, ...quiet, "update"],
    [...prefix, ...quiet, "install", "-y", "--no-install-recommends", ...parts.map((part) => SYSTEM_PARTS[part].apt)],
  ];
}

/**
 * Why the packages must be installed again, or null when what is installed is what the lock file says.
 * @param {{ packages: Record<string, { version?: string, optional?: boolean, dependencies?: object, devDependencies?: object }> }} lock
 * @param {{ packages: Record<string, { version?: string }> } | null} installed npm's own list, `node_modules/.package-lock.json`
 * @param {(path: string) => boolean} exists
 * @returns {string | null}
 */
export function packagesStale(lock, installed, exists) {
  if (installed === null) return "not installed yet";
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (path === "") continue;
    const have = installed.packages[path];
    if (have === undefined && wanted.optional === true) continue;
    if (have === undefined) return `${path} is missing`;
    if (have.version !== wanted.version) return `${path} is ${have.version}, the lock file says ${wanted.version}`;
    if (!exists(path)) return `${path} is missing`;
  }
  return null;
}

/**
 * Compiled files without a source any more: they must go, or an old module would still be found.
 * @param {readonly string[]} outputs paths relative to dist
 * @param {readonly string[]} sources paths relative to src
 * @returns {string[]}
 */
export function orphanOutputs(outputs, sources) {
  const stems = new Set(sources.map((path) => path.replace(/\.tsx?$/, "")));
  return outputs.filter((path) => !stems.has(path.replace(/(\.js|\.d\.ts)(\.map)?$/, "")));
}
