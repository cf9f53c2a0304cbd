/** h5py as a writer of detector files, a real one, in a process of its own; and whether it is there. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("hdf5_writer.py", import.meta.url));
/** The system's Python has Debian's packages where another comes first in the path. */
const CANDIDATES = [process.env.XPCS_PYTHON, "python3", "/usr/bin/python3"].filter((name) => name !== undefined);
/** A Python with h5py and numpy; null: none. */
export const PYTHON = CANDIDATES.find((python) => spawnSync(python, ["-c", "import h5py, numpy"]).status === 0) ?? null;
/** Why tests are skipped; null: they are not. */
export const NO_H5PY =
  PYTHON === null ? `${CANDIDATES.join(", ")} lack h5py: apt-get install python3-h5py, or name a Python by XPCS_PYTHON` : null;

/** Runs a few lines of Python with h5py, and numpy as np. */
export function h5py(text: string): void {
  const { status, stderr } = spawnSync(PYTHON ?? "", ["-c", `import h5py, numpy as np\n${text}`], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

export interface H5pyWriter {
  /** Gives an order; resolves when it is done. */
  order(text: string): Promise<string>;
  /** Closes the file. */
  close(): Promise<void>;
  kill(): void;
}

/** @param mode swmr, append or open: see the script */
export async function h5pyWriter(
  mode: string,
  path: string,
  words: string,
  shape: readonly [rows: number, columns: number],
  framesPerChunk: number,
): Promise<H5pyWriter> {
  const child: ChildProcess = spawn(PYTHON ?? "", [SCRIPT, mode, path, words, ...shape.map(String), String(framesPerChunk)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${SCRIPT} ended`);
    return value as string;
  };
  await next();
  return {
    order(text) {
      child.stdin!.write(`${text}\n`);
      return next();
    },
    async close() {
      child.stdin!.write("close\n");
      await next();
    },
    kill: () => void child.kill("SIGKILL"),
  };
}
