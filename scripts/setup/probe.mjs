/** Looks at the machine for the set-up: compiler, cmake, make, libraries, and what may be installed. Changes nothing. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * What a program prints, or null when it is not there or fails.
 * @param {string} program
 * @param {readonly string[]} args
 * @returns {string | null}
 */
export function output(program, args) {
  const run = spawnSync(program, [...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 20_000 });
  return run.status === 0 ? run.stdout.trim() : null;
}

/** @param {string} program */
export function onPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    if (folder === "") return false;
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The compiler that cmake would take: $CXX, else c++, g++, clang++. */
export function findCompiler() {
  const names = process.env.CXX ? [process.env.CXX] : ["c++", "g++", "clang++"];
  for (const name of names) {
    const text = output(name, ["--version"]);
    if (text === null) continue;
    const family = /clang/i.test(text) ? "clang" : "gcc";
    return { family: /** @type {"gcc" | "clang"} */ (family), version: output(name, ["-dumpfullversion", "-dumpversion"]) ?? text };
  }
  return null;
}

/** Folder of a serial HDF5's headers, or null. A parallel (MPI) build needs mpi.h and does not count. */
export function findHdf5() {
  const { HDF5_ROOT, CONDA_PREFIX } = process.env;
  const folders = [
    HDF5_ROOT && join(HDF5_ROOT, "include"),
    CONDA_PREFIX && join(CONDA_PREFIX, "include"),
    "/usr/include/hdf5/serial",
    "/usr/include",
    "/usr/local/include",
    "/opt/homebrew/include",
    output("pkg-config", ["--variable=includedir", "hdf5"]),
  ];
  for (const folder of folders) {
    if (!folder || !existsSync(join(folder, "hdf5.h"))) continue;
    const settings = ["H5pubconf.h", "H5pubconf-64.h"].map((name) => join(folder, name)).filter((path) => existsSync(path));
    const parallel = settings.some((path) => /^\s*#\s*define\s+H5_HAVE_PARALLEL\s+1/m.test(readFileSync(path, "utf8")));
    if (!parallel) return folder;
  }
  return null;
}

/**
 * Folder of a library's header, or null.
 * @param {string} header
 * @param {string} pkgConfigName
 */
function findHeader(header, pkgConfigName) {
  const { CONDA_PREFIX } = process.env;
  const folders = [
    CONDA_PREFIX && join(CONDA_PREFIX, "include"),
    "/usr/include",
    "/usr/local/include",
    "/opt/homebrew/include",
    output("pkg-config", ["--variable=includedir", pkgConfigName]),
  ];
  return folders.find((folder) => folder && existsSync(join(folder, header))) ?? null;
}

export function findParts() {
  return {
    compiler: findCompiler(),
    cmake: output("cmake", ["--version"]),
    generator: onPath("make") || onPath("ninja"),
    hdf5: findHdf5(),
    lz4: findHeader("lz4.h", "liblz4"),
    zlib: findHeader("zlib.h", "zlib"),
  };
}

/** What this user may install. */
export function installRights() {
  const root = typeof process.getuid === "function" && process.getuid() === 0;
  return { apt: onPath("apt-get"), root, sudo: !root && onPath("sudo") && output("sudo", ["-n", "true"]) !== null };
}
