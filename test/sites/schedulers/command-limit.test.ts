/** The bound on commands per minute holds over all of them, whatever they are for: an adapter has no other way out. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createMachine } from "../../../src/sites/batch-command.js";
import { slurm } from "../../../src/sites/schedulers/slurm.js";
import { virtualClock } from "../../actors/virtual-clock.js";
import { readTree } from "../../tidy/source-tree.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

it("bounds submissions, looks, accounting and cancellations together", async () => {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-limit-"));
  const called = join(folder, "called");
  writeFileSync(called, "");
  mkdirSync(join(folder, "bin"));
  for (const name of ["sbatch", "squeue", "sacct", "scancel", "sinfo"])
    writeFileSync(join(folder, "bin", name), `#!/bin/sh\necho ${name} >>'${called}'\necho 7\n`, { mode: 0o755 });
  const names = (): string[] => readFileSync(called, "utf8").trim().split("\n");
  const clock = virtualClock();
  const environment = { PATH: `${join(folder, "bin")}:/usr/bin:/bin` };
  const machine = createMachine({ timeoutMs: 30_000, perMinute: 3, environment, clock, user: "me" });
  const ref = { tag: "xpcs-1", id: "7", folder };
  const settings = { nodes: 1, walltimeS: 60, modules: [], lines: [] };
  const all = Promise.allSettled([
    slurm.submit({ tag: "xpcs-1", folder, scriptPath: "/x", script: "", settings }, machine),
    slurm.find("xpcs-1", folder, machine),
    slurm.status([ref], machine),
    slurm.account([ref], machine),
    slurm.cancel(ref, machine),
    slurm.queues(machine),
    slurm.cancel(ref, machine),
  ]);
  const reach = (count: number) => expect.poll(() => names().length, { timeout: 10_000 }).toBe(count);
  await reach(3);
  await clock.advance(59_999);
  expect(names().sort()).toEqual(["sbatch", "squeue", "squeue"]);
  await clock.advance(1);
  await reach(6);
  await clock.advance(60_000);
  await all;
  expect(names().slice(3).sort()).toEqual(["sacct", "scancel", "scancel", "sinfo"]);
  rmSync(folder, { recursive: true });
});

it("cannot be evaded: no adapter starts a program or opens a connection by itself", () => {
  const adapters = [...readTree(ROOT)].filter(([path]) => path.startsWith("src/sites/schedulers/"));
  expect(adapters.length).toBeGreaterThan(6);
  const outside = adapters.filter(([, text]) => /from "(node:(child_process|http|https|net|tls)|.*\/wire\/.*|ws)"|\bfetch\(/.test(text));
  expect(outside.map(([path]) => path)).toEqual([]);
});
