/**
 * Builds and runs the C++ tests of the native core, without Node: `npm run test:native [plain|asan|tsan]...`
 * asan (the default) finds reads outside memory and undefined behaviour, tsan finds races; each has its build folder.
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

/** @param {readonly string[]} command */
function run(command) {
  const [program, ...args] = command;
  const done = spawnSync(/** @type {string} */ (program), args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  if (done.status !== 0) {
    console.error(`native tests: failed (${done.error?.message ?? `exit ${done.status ?? done.signal}`}): ${command.join(" ")}`);
    process.exit(1);
  }
}

const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : ["asan"]) {
  const variant = VARIANTS[name];
  if (variant === undefined) {
    console.error(`native tests: "${name}" is not one of ${Object.keys(VARIANTS).join(", ")}`);
    process.exit(2);
  }
  const build = join("build", `native-${name}`);
  const settings = [
    `-DCMAKE_BUILD_TYPE=${variant.buildType}`,
    `-DXPCS_SANITIZE=${variant.sanitize}`,
    "-DXPCS_TESTS=ON",
    "-DXPCS_WERROR=ON",
  ];
  run(["cmake", "-S", "native/xpcs-core", "-B", build, ...settings]);
  run(["cmake", "--build", build, "--parallel", String(Math.min(availableParallelism(), 4))]);
  run(["ctest", "--test-dir", build, "--output-on-failure"]);
}
