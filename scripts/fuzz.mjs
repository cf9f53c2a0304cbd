/**
 * Builds and runs the fuzz targets of the native core: `npm run fuzz -- [--seconds N] [target]...`
 * Each target runs for N seconds (default 60) on its seeds and on what earlier runs found (build/fuzz/corpus). A finding
 * ends it with exit code 1 and leaves the input under build/fuzz/findings; give that file to build/fuzz/fuzz/fuzz_TARGET to see it again.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BUILD = join("build", "fuzz");
const TARGETS = ["imm", "rigaku", "ufxc", "hdf5", "growing", "live", "lzf", "bslz4", "qmap", "job"];
/** More memory than any target needs for its small inputs: an allocation that a header asks for is a finding. */
const MEMORY_MIB = 1024;
/** By the clock on the wall, which goes on while a busy machine does not. */
const INPUT_SECONDS_MAX = 60;

/**
 * @param {1 | 2} code
 * @param {string} text
 * @returns {never}
 */
function stop(code, text) {
  console.error(`fuzz: ${text}`);
  process.exit(code);
}

/** A clang with its fuzzing runtime, newest first. */
function findClang() {
  for (const version of ["-20", "-19", "-18", "-17", "-16", "-15", "-14", ""]) {
    const run = spawnSync(`clang++${version}`, ["-print-file-name=libclang_rt.fuzzer-x86_64.a"], { encoding: "utf8" });
    if (run.status === 0) return { c: `clang${version}`, cxx: `clang++${version}` };
  }
  return stop(
    2,
    "clang is missing; install it: sudo apt-get install -y clang-19 libclang-rt-19-dev (Fedora: clang compiler-rt; conda: clangxx compiler-rt)",
  );
}

/** @param {readonly string[]} command */
function run(command) {
  const [program, ...args] = command;
  return spawnSync(/** @type {string} */ (program), args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] }).status === 0;
}

/** @param {readonly string[]} names */
function build(names) {
  const { c, cxx } = findClang();
  const settings = [`-DCMAKE_C_COMPILER=${c}`, `-DCMAKE_CXX_COMPILER=${cxx}`, "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DXPCS_FUZZ=ON"];
  if (!run(["cmake", "-S", "native/xpcs-core", "-B", BUILD, ...settings])) {
    stop(1, `cmake failed; if ${cxx} lacks its runtime: sudo apt-get install -y libclang-rt-19-dev`);
  }
  const targets = [...names.map((name) => `fuzz_${name}`), "fuzz_seeds"];
  const parallel = String(Math.min(availableParallelism(), 4));
  if (!run(["cmake", "--build", BUILD, "--parallel", parallel, "--target", ...targets])) stop(1, "the build failed");
}

/**
 * @param {string} name
 * @param {number} seconds
 */
function fuzz(name, seconds) {
  const corpus = join(BUILD, "corpus", name);
  const findings = join(BUILD, "findings", name);
  for (const folder of [corpus, findings]) mkdirSync(join(ROOT, folder), { recursive: true });
  console.log(`fuzz: ${name} for ${seconds} s`);
  return run([
    join(BUILD, "fuzz", `fuzz_${name}`),
    corpus,
    join(BUILD, "seeds", name),
    `-max_total_time=${seconds}`,
    `-timeout=${INPUT_SECONDS_MAX}`,
    `-rss_limit_mb=${MEMORY_MIB}`,
    "-max_len=8192",
    "-print_final_stats=1",
    "-verbosity=0",
    `-artifact_prefix=${findings}/`,
  ]);
}

const { values, positionals } = parseArgs({ options: { seconds: { type: "string", default: "60" } }, allowPositionals: true });
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 1) stop(2, `--seconds ${values.seconds} is not a whole number of seconds`);
for (const name of positionals) if (!TARGETS.includes(name)) stop(2, `"${name}" is not one of ${TARGETS.join(", ")}`);
const names = positionals.length > 0 ? positionals : TARGETS;
build(names);
if (!run([join(BUILD, "fuzz", "fuzz_seeds"), join(BUILD, "seeds")])) stop(1, "the seeds were not written");
const failed = names.filter((name) => !fuzz(name, seconds));
if (failed.length > 0) stop(1, `found something in ${failed.join(", ")}: see ${BUILD}/findings`);
console.log(`fuzz: nothing found in ${names.join(", ")}`);
