/** Python with the client of clients/python, as a process: which interpreter has its packages, and scripts that print lines of JSON. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const CLIENT = `${ROOT}clients/python`;
const PACKAGES = ["websockets", "msgpack"];

/** The system's Python has Debian's packages where another comes first in the path. */
const CANDIDATES = [process.env.XPCS_PYTHON, "python3", "/usr/bin/python3"].filter((name) => name !== undefined);
const lacks = (python: string): string | null => {
  const { status, error } = spawnSync(python, ["-c", `import sys, ${PACKAGES.join(", ")}; sys.exit(sys.version_info < (3, 9))`]);
  return error === undefined && status === 0 ? null : `${python} is not there, older than 3.9, or lacks ${PACKAGES.join(" or ")}`;
};

/** The first one that has what the client needs; null: none. */
export const PYTHON = CANDIDATES.find((python) => lacks(python) === null) ?? null;
/** Why tests are skipped; null: they are not. */
export const SKIP =
  PYTHON === null
    ? `${CANDIDATES.map(lacks).join("; ")}: apt-get install python3-websockets python3-msgpack, or name one by XPCS_PYTHON`
    : null;

export interface PythonRun {
  /** The next line that it prints, as JSON. @throws it ended first, with what it told on stderr */
  next(): Promise<unknown>;
  /** Lets a script go on that waits for it. */
  go(): void;
  /** Waits for its end. @throws it failed, with what it told */
  end(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  kill(): void;
}

/** Starts a script; it sees the client's package and its tests', and nothing of the person's settings. */
export function startPython(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): PythonRun {
  const { XPCS_CENTRAL: _c, XPCS_TOKEN: _t, XPCS_PIN: _p, XPCS_CA: _a, ...clean } = process.env;
  const child: ChildProcess = spawn(PYTHON ?? "", ["-W", "error", script, ...args], {
    cwd: ROOT,
    env: { ...clean, PYTHONPATH: `${CLIENT}/src:${CLIENT}/tests`, PYTHONDONTWRITEBYTECODE: "1", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let told = "";
  let rest = "";
  const lines: string[] = [];
  let wake = (): void => {};
  child.stderr?.on("data", (text) => {
    told = (told + text).slice(-20_000);
  });
  child.stdout?.on("data", (text) => {
    rest += text;
    const whole = rest.split("\n");
    rest = whole.pop() ?? "";
    lines.push(...whole);
    wake();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const failure = (code: number | null): Error => new Error(`${script} ${args[0] ?? ""} ended with ${code}: ${told}`);
  return {
    async next() {
      while (lines.length === 0) {
        const more = new Promise<"more">((resolve) => {
          wake = () => resolve("more");
        });
        const first = await Promise.race([more, ended]);
        if (first !== "more" && lines.length === 0) throw failure(first);
      }
      return JSON.parse(lines.shift() ?? "null");
    },
    go: () => void child.stdin?.write("go\n"),
    async end() {
      const code = await ended;
      if (code !== 0) throw failure(code);
    },
    signal: (name) => void child.kill(name),
    kill: () => void child.kill("SIGKILL"),
  };
}
