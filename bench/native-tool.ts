/** The C++ program of the bench: inputs, bounds, measured children. Each call waits for its end. */
import { spawnSync } from "node:child_process";
import type { SeriesShape } from "./cases.js";

export interface ChildReport {
  readonly exitCode: number;
  readonly wallS: number;
  readonly userS: number;
  readonly systemS: number;
  readonly maxRssBytes: number;
}

export interface JobFacts {
  readonly shape: SeriesShape;
  readonly input: string;
  readonly delaysPerLevel: number;
  readonly type: "multitau" | "twotime";
  readonly exchangeDimensions: boolean;
}

export interface NativeTool {
  make(shape: SeriesShape, seed: number, out: string): { readonly events: number };
  job(out: string, facts: JobFacts): void;
  qmap(out: string, shape: SeriesShape): void;
  /** Seconds of one streaming read of a file that is in memory. */
  stream(path: string, threads: number): { readonly bytes: number; readonly seconds: number };
  /** 8-bit multiply-adds per second on one thread. */
  multiplyAdd(): { readonly path: string; readonly perSecond: number };
  run(command: readonly string[], at: RunPlace): ChildReport;
}

/** Where a measured child runs. */
export interface RunPlace {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * @param program path of the built xpcs_bench
 */
export function nativeTool(program: string): NativeTool {
  const call = (args: readonly string[], at?: RunPlace): unknown => {
    const done = spawnSync(program, args, {
      encoding: "utf8",
      ...(at === undefined ? {} : { cwd: at.cwd, env: at.env as NodeJS.ProcessEnv }),
    });
    if (done.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${done.error?.message ?? done.stderr.trim()}`);
    return JSON.parse(done.stdout);
  };
  const extents = (shape: SeriesShape): string[] => ["--rows", `${shape.rows}`, "--columns", `${shape.columns}`];
  const length = (shape: SeriesShape): string[] => [...extents(shape), "--frames", `${shape.frames}`];
  return {
    make: (shape, seed, out) =>
      call(["make", shape.format, out, ...length(shape), "--mean", `${shape.mean}`, "--seed", `${seed}`]) as { events: number },
    job: (out, facts) => {
      const fixed = ["job", out, ...length(facts.shape), "--dpl", `${facts.delaysPerLevel}`, "--input", facts.input, "--type", facts.type];
      call([...fixed, "--dimensions", facts.exchangeDimensions ? "exchanged" : "plain"]);
    },
    qmap: (out, shape) => void call(["qmap", out, ...extents(shape)]),
    stream: (path, threads) => call(["stream", path, "--threads", `${threads}`]) as { bytes: number; seconds: number },
    multiplyAdd: () => call(["multiply-add"]) as { path: string; perSecond: number },
    run: (command, at) => call(["run", at.stdout, at.stderr, ...command], at) as ChildReport,
  };
}
