/** The command of the experiments on virtual time: what it takes, and that its tables say how many runs they are of. Compiled into a folder of its own. */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { beforeAll, expect, it } from "vitest";

const OUT = resolve("build/bench-command");
const node = (...words: string[]) => spawnSync(process.execPath, words, { encoding: "utf8" });
const experiment = (...words: string[]) => node(`${OUT}/bench/experiment/main.js`, ...words);

beforeAll(() => {
  expect(node("node_modules/typescript/bin/tsc", "-p", "bench/tsconfig.json", "--outDir", OUT).status).toBe(0);
}, 180_000);

it.each(["staging", "scaling"])("refuses processes for %s, which has none", (name) => {
  const { status, stderr } = experiment(name, "--workers", "2");
  expect([status, stderr.split("\n")[0]]).toEqual([2, `experiment: --workers: ${name} runs in one process`]);
});

it("tells the number of seeds", { timeout: 60_000 }, () => {
  const { status, stdout } = experiment("staging", "--seeds", "2");
  expect([status, stdout.split("\n")[2]]).toEqual([0, "2 seeds; ± is half of a 95 % interval of the mean."]);
});
