/** A small live run on three sites without schedulers: the agent as a process, a link cut on the way. With schedulers: `npm run experiment -- live`. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { type LiveReport, runLive } from "../../bench/experiment/live/run.js";

const ROOT = resolve(".");
const SIZES = { size: { type: "integer" }, seed: { type: "integer" }, result: { type: "output" } };

it("sends all jobs, each ends once, and the share of the site behind the cut link moves and comes back", { timeout: 300_000 }, async () => {
  // The agent runs as it is compiled for the command.
  const built = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "bench/tsconfig.json"], { cwd: ROOT });
  expect(built.status).toBe(0);
  const folder = mkdtempSync(join(tmpdir(), "xpcs-live-"));
  const lines: string[] = [];
  // As examples/apps.json has it, in no need of numpy.
  const diagonalise = { argv: ["/bin/sh", "-c", 'echo "$0" >"$1"', "{size}", "{result}"], parameters: SIZES };
  const report: LiveReport = await runLive({
    ...{ root: ROOT, folder: join(folder, "run"), jobs: 120, seed: 1, outageMs: 15_000, schedulers: false, policy: "central" },
    agent: [process.execPath, join(ROOT, "build/bench/examples/aps-agent.js")],
    apps: { diagonalise },
    say: (line) => lines.push(line),
    signal: AbortSignal.timeout(280_000),
  });
  expect(report.broken).toEqual([]);
  expect(report.flows.flows.at(-1)).toMatchObject({ finished: 120, kinds: { proxy: 40 } });
  expect(lines.some((line) => line.includes(`the link of ${report.victim} is cut for 15 s`))).toBe(true);
  rmSync(folder, { recursive: true });
});
