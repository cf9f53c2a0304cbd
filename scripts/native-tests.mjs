/**
 * Builds and runs the C++ tests of the native core, without Node: `npm run test:native [plain|asan|tsan|neon]...`
 * asan (the default) finds reads outside memory and undefined behaviour, tsan finds races; neon builds the correlators and their
 * kernels for 64-bit ARM and runs them in an emulator. Each has its build folder.
 */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** @type {Record<string, { buildType: string, sanitize: string }>} */
const VARIANTS = {
  plain: { buildType: "Release", sanitize: "" },
  asan: { buildType: "RelWithDebInfo", sanitize: "address,undefined" },
  tsan: { buildType: "RelWithDebInfo", sanitize: "thread" },
};

/** What neon needs, as Debian and its kin name it. */
const CROSS = { "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu", "qemu-aarch64": "qemu-user" };

/** @param {readonly string[]} command */
function run(command) {
  const [program, ...args] = command;
  const done = spawnSync(/** @type {string} */ (program), args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  if (done.status !== 0) {
    console.error(`native tests: failed (${done.error?.message ?? `exit ${done.status ?? done.signal}`}): ${command.join(" ")}`);
    process.exit(1);
  }
}

/** @param {string} name @param {string} source @param {readonly string[]} settings */
function buildAndTest(name, source, settings) {
  const build = join("build", `native-${name}`);
  run(["cmake", "-S", source, "-B", build, ...settings]);
  run(["cmake", "--build", build, "--parallel", String(Math.min(availableParallelism(), 4))]);
  run(["ctest", "--test-dir", build, "--output-on-failure"]);
}

function neon() {
  const missing = Object.entries(CROSS).filter(([program]) => spawnSync(program, ["--version"]).status !== 0);
  if (missing.length > 0) {
    const programs = missing.map(([program]) => program).join(" and ");
    const packages = missing.map(([, name]) => name).join(" ");
    console.error(`native tests: neon needs ${programs}, not found in PATH; on Debian or Ubuntu: apt install ${packages}`);
    process.exit(1);
  }
  const target = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++"];
  buildAndTest("neon", "native/xpcs-core/test/kernels", [
    "-DCMAKE_BUILD_TYPE=Release",
    ...target,
    "-DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64",
  ]);
}

const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : ["asan"]) {
  const variant = VARIANTS[name];
  if (name === "neon") {
    neon();
  } else if (variant !== undefined) {
    const build = [`-DCMAKE_BUILD_TYPE=${variant.buildType}`, `-DXPCS_SANITIZE=${variant.sanitize}`];
    buildAndTest(name, "native/xpcs-core", [...build, "-DXPCS_TESTS=ON", "-DXPCS_WERROR=ON"]);
  } else {
    console.error(`native tests: "${name}" is not one of ${Object.keys(VARIANTS).join(", ")}, neon`);
    process.exit(2);
  }
}
