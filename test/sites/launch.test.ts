/** How programs get onto nodes: each scheduler's words, and the real script of a batch job with launchers that do what those programs do. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { batchScript } from "../../src/sites/batch-script.js";
import { jobLauncher, NO_SUCH_NODE } from "../../src/sites/launch.js";
import type { Launch } from "../../src/sites/schedulers/define.js";
import { SCHEDULERS, schedulerNamed } from "../../src/sites/schedulers/registry.js";

interface Expected {
  readonly env: Record<string, string>;
  readonly hosts: string[];
  readonly pilots: string[];
  readonly jobs: string[];
}
const SLURM: Expected = {
  env: { SLURM_JOB_NODELIST: "n[1-3]" },
  hosts: ["n1", "n2", "n3"],
  pilots: ["srun --nodes=3 --ntasks=3 --ntasks-per-node=1 --cpu-bind=none --export=ALL --kill-on-bad-exit=0 --wait=0"],
  jobs: ["srun", "--nodes=2", "--nodelist=n1,n2", "--ntasks=8", "--ntasks-per-node=4", "--cpus-per-task=3", "--export=ALL"],
};
/** A job of three nodes: how each scheduler tells their names, and what is run. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  slurm: SLURM,
  sfapi: SLURM,
  iri: {
    env: { PBS_NODEFILE: "FILE:x1\nx2\nx3\n" },
    hosts: ["x1", "x2", "x3"],
    pilots: ["pbsdsh --"],
    jobs: [
      ...["/bin/bash", "-c"],
      'if [ -n "$PBS_NODEFILE" ]; then exec mpiexec -n 8 --ppn 4 --hosts x1,x2 "$@"; else exec ' +
        'srun --nodes=2 --nodelist=x1,x2 --ntasks=8 --ntasks-per-node=4 --cpus-per-task=3 --export=ALL "$@"; fi',
      "bash",
    ],
  },
  pbs: {
    env: { PBS_NODEFILE: "FILE:x1\nx1\nx2\nx3\n" },
    hosts: ["x1", "x2", "x3"],
    pilots: ["pbsdsh --"],
    jobs: ["mpiexec", "-n", "8", "--ppn", "4", "--hosts", "x1,x2"],
  },
  lsf: {
    env: { LSB_DJOB_HOSTFILE: "FILE:batch5\nh1\nh1\nh2\nh3\n" },
    hosts: ["h1", "h2", "h3"],
    pilots: ["jsrun --nrs=3 --tasks_per_rs=1 --rs_per_host=1 --cpu_per_rs=ALL_CPUS --gpu_per_rs=ALL_GPUS --bind=none"],
    jobs: ["jsrun", "--nrs=8", "--tasks_per_rs=1", "--rs_per_host=4", "--cpu_per_rs=3"],
  },
  cobalt: {
    env: { COBALT_PARTNAME: "3833-3834,4002" },
    hosts: ["3833", "3834", "4002"],
    pilots: ["aprun -n 3 -N 1 -cc none"],
    jobs: ["aprun", "-n", "8", "-N", "4", "-d", "3", "-L", "3833,3834"],
  },
  "grid-engine": {
    env: { PE_HOSTFILE: "FILE:a.org 4 all.q@a.org UNDEFINED\nb.org 4 all.q@b.org UNDEFINED\nc.org 4 all.q@c.org UNDEFINED\n" },
    hosts: ["a.org", "b.org", "c.org"],
    pilots: ["a.org", "b.org", "c.org"].map((host) => `qrsh -inherit -nostdin ${host}`),
    jobs: ["mpiexec", "-n", "8", "--map-by", "ppr:4:node", "--host", "a.org,b.org"],
  },
  local: {
    env: {},
    hosts: Array.from({ length: 3 }, () => spawnSync("uname", ["-n"], { encoding: "utf8" }).stdout.trim()),
    pilots: [],
    jobs: ["mpiexec", "-n", "8"],
  },
};

/**
 * A launcher that notes its own words and runs the rest as often as it was asked to: on all nodes, or (qrsh) on the one that it names, with an environment of
 * its own where the real one does so.
 */
const LAUNCHER = `#!/bin/bash
words=("\${0##*/}")
while [ "$1" != /bin/bash ]; do words+=("$1"); shift; done
echo "\${words[*]}" >>"$NOTES"
clean=(env)
case "\${0##*/}" in pbsdsh|qrsh) clean=(env -i PATH=/usr/bin:/bin HOME=/own) ;; esac
count=\${COUNT:-3}
[ "\${0##*/}" = qrsh ] && count=1
pids=()
trap 'kill -TERM "\${pids[@]}"' TERM
for _ in $(seq "$count"); do "\${clean[@]}" "$@" & pids+=($!); done
code=0
for pid in "\${pids[@]}"; do wait "$pid"; now=$?; [ $now -gt 128 ] && { wait "$pid"; now=$?; }; [ $now -gt $code ] && code=$now; done
exit $code
`;
/** What Slurm's own program prints, for the one list that is asked for here. */
const SCONTROL = '#!/bin/sh\n[ "$*" = "show hostnames n[1-3]" ] && printf "n1\\nn2\\nn3\\n"\n';

let top: string;
const file = (name: string): string => join(top, name);
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "xpcs-launch-"));
  mkdirSync(file("bin"));
  for (const name of ["srun", "pbsdsh", "jsrun", "aprun", "qrsh"]) writeFileSync(file(`bin/${name}`), LAUNCHER, { mode: 0o755 });
  writeFileSync(file("bin/scontrol"), SCONTROL, { mode: 0o755 });
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** Writes a job of three nodes as batch-jobs.ts does, and runs its script. */
function start(launch: Launch, command: string, env: Readonly<Record<string, string>> = {}) {
  const folder = file("job");
  mkdirSync(folder);
  const argv = ["/bin/sh", "-c", command] as const;
  const settings = { nodes: 3, walltimeS: 60, modules: [], lines: ["export COLOUR='a \"b\" c'", `PATH=${file("tools")}:$PATH`] };
  const request = { tag: "job", folder, argv, env: {}, settings, ownId: "7", launch, onEachNode: true, makesFolder: false };
  writeFileSync(join(folder, "script.sh"), batchScript(request));
  const told = Object.entries(env).map(([name, value]) => {
    if (!value.startsWith("FILE:")) return [name, value];
    writeFileSync(file(name), value.slice("FILE:".length));
    return [name, file(name)];
  });
  const child = spawn("/bin/bash", [join(folder, "script.sh")], {
    env: { PATH: `${file("bin")}:/usr/bin:/bin`, NOTES: file("notes"), ...Object.fromEntries(told) },
    stdio: "ignore",
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const read = (name: string): string => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");
  return { child, ended, read, folder };
}

describe.each(SCHEDULERS.map(({ name, launch }) => ({ name, launch, ...EXPECTED[name]! })))(
  "$name",
  ({ launch, env, hosts, pilots, jobs }) => {
    it("runs a command once on each node, with the environment of the script", async () => {
      const { ended, read } = start(launch, 'echo "$XPCS_PILOT $COLOUR $PATH"', env);
      expect(await ended).toBe(0);
      expect(read("claim/nodes").trim().split("\n")).toEqual(hosts);
      expect([1, 2, 3].map((pilot) => read(`output-${pilot}.log`))).toEqual(
        [1, 2, 3].map((pilot) => expect.stringMatching(new RegExp(`^${pilot} a "b" c ${file("tools")}:`))),
      );
      expect(existsSync(file("notes")) ? readFileSync(file("notes"), "utf8").trim().split("\n").sort() : []).toEqual(pilots);
      expect(read("exit-code")).toBe("0\n");
    });

    it("tells when one of them failed, after the others have ended", async () => {
      const { ended, read } = start(launch, '[ "$XPCS_PILOT" = 2 ] && exit 9; sleep 0.5; echo done', env);
      expect(await ended).toBe(9);
      expect([read("output-1.log"), read("output-3.log")]).toEqual(["done\n", "done\n"]);
    });

    it("tells all of them to end when the job is told to", async () => {
      const { child, ended, read, folder } = start(launch, "trap 'echo told; exit 0' TERM; touch ready-$XPCS_PILOT; sleep 300 & wait", env);
      const ready = () => readdirSync(folder).filter((name) => name.startsWith("ready-"));
      await expect.poll(() => ready().length, { timeout: 10_000 }).toBe(3);
      child.kill("SIGUSR2");
      expect(await ended).toBe(0);
      expect([1, 2, 3].map((pilot) => read(`output-${pilot}.log`))).toEqual(["told\n", "told\n", "told\n"]);
    });

    it("starts a job's program with its own words", () => {
      expect(jobLauncher(launch.jobs, { hosts: hosts.slice(0, 2), ranksPerNode: 4, cores: 24 })).toEqual(jobs);
    });
  },
);

it("a process more than there are nodes runs nothing", async () => {
  const { launch } = schedulerNamed("slurm");
  const { ended, read } = start(launch, "echo $XPCS_PILOT", { ...EXPECTED.slurm!.env, COUNT: "4" });
  expect(await ended).toBe(NO_SUCH_NODE);
  expect(read("output.log")).toBe("more processes were started than there are nodes\n");
  expect([1, 2, 3].map((pilot) => read(`output-${pilot}.log`))).toEqual(["1\n", "2\n", "3\n"]);
});

it("a job that has not the nodes that it asked for runs nothing, and says what it has", async () => {
  const { launch } = schedulerNamed("pbs");
  const { ended, read } = start(launch, "touch ran", { PBS_NODEFILE: "FILE:x1\nx1\nx2\n" });
  expect(await ended).toBe(73);
  expect(read("output.log")).toBe("it has not 3 nodes, but: x1 x2\n");
  expect(existsSync(join(file("job"), "ran"))).toBe(false);
});

it("a launcher of the file's own takes the place of the scheduler's", async () => {
  writeFileSync(file("bin/blaunch"), LAUNCHER.replaceAll("qrsh", "blaunch"), { mode: 0o755 });
  const launch = { ...schedulerNamed("lsf").launch, pilots: ["blaunch", "-z", "{host}"] };
  expect(await start(launch, "true", EXPECTED.lsf!.env).ended).toBe(0);
  expect(readFileSync(file("notes"), "utf8").trim().split("\n").sort()).toEqual(["blaunch -z h1", "blaunch -z h2", "blaunch -z h3"]);
});
