/** The proxy application of the examples as a command app of this machine, in one thread. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const CANDIDATES = ["python3", "/usr/bin/python3"];
const ONE_THREAD = { OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };

/** The path of a Python that has numpy; null: there is none. */
export function pythonWithNumpy(): string | null {
  for (const name of [process.env.XPCS_PYTHON, ...CANDIDATES]) {
    if (name === undefined) continue;
    const { status, stdout } = spawnSync(name, ["-c", "import sys, numpy; print(sys.executable)"], { encoding: "utf8" });
    if (status === 0) return stdout.trim();
  }
  return null;
}

/** What examples/apps.json says of it, with this machine's paths. @param root the project's folder */
export function proxyApps(root: string, python: string): object {
  const { diagonalise } = JSON.parse(readFileSync(join(root, "examples/apps.json"), "utf8")) as {
    diagonalise: { argv: string[]; parameters: object };
  };
  const words = diagonalise.argv.slice(diagonalise.argv.findIndex((word) => word.endsWith("diagonalise.py")) + 1);
  return { diagonalise: { ...diagonalise, argv: [python, join(root, "examples/diagonalise.py"), ...words], env: ONE_THREAD } };
}
