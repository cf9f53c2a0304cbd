/**
 * A soak: central, three sites and one with pilots as real processes of the built command under load, while killer.ts does its worst; then peace, and the same
 * promises as in the simulation (test/sim/promises.ts), checked over the ledger, what clients heard, and the files.
 */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect, type JobView } from "../../dist/index.js";
import { isFinal, JOB_STATES } from "../../src/core/job.js";
import { allPages } from "../../src/core/job-pages.js";
import { openLevelStore } from "../../src/ledger/level-store.js";
import type { JobRecord } from "../../src/ledger/state.js";
import { verifyLedger } from "../../src/ledger/verify.js";
import { seeded } from "../ledger/world.js";
import { Broken, checkAcknowledged, checkConverged, checkEvents, checkOutputs, History } from "../sim/promises.js";
import { writeDetectorRun } from "./detector-run.js";
import { digestOf, watchNames } from "./files-seen.js";
import { freePort } from "./free-port.js";
import { KeptProcess, type Sample } from "./kept-process.js";
import { killUntil } from "./killer.js";
import { followJobs, keepBusy } from "./load.js";
import { type Growth, growthOf } from "./memory.js";
import { createFarm, FARM, type PilotFarm } from "./pilot-farm.js";
import { makeSmallDisk } from "./small-disk.js";
import { TcpProxy } from "./tcp-proxy.js";

const SITES = ["a", "b", "c"] as const;
const CLIENTS = ["ann", "ben", "eve"] as const;
const DISK_MB = 384;
/** From peace until the last job has ended. */
const CONVERGE_MS = 180_000;
const SAMPLE_MS = 5_000;
const STOP_MS = 45_000;
/** In the last part of a soak central lives on, so that its memory has time to grow. */
const CENTRAL_DIES_UNTIL = 0.6;
/** Of central's memory, for each job that came: what the row of the runtime's numbers allows for live ones, and as much again. */
const JOB_KB = 4;

export interface SoakReport {
  readonly seed: number;
  readonly minutes: number;
  /** Every promise held, memory was flat, every process ended well. */
  readonly ok: boolean;
  readonly broken: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly jobs: number;
  readonly states: Readonly<Record<string, number>>;
  readonly attempts: Readonly<Record<string, number>>;
  /** Times that jobs were recalled, and jobs that ran at two sites at once. */
  readonly recalled: number;
  readonly duplicated: number;
  /** Finished jobs of which another run was compared; all agree. */
  readonly compared: number;
  readonly acknowledgedKeys: number;
  readonly cancels: number;
  readonly publications: number;
  readonly ledgerEvents: number;
  readonly convergedS: number;
  readonly starts: Readonly<Record<string, number>>;
  /** Ends of processes that the killer did not ask for. */
  readonly surprises: Readonly<Record<string, readonly string[]>>;
  /** Batch jobs of the site with pilots. */
  readonly pilots: number;
  readonly memory: Readonly<Record<string, Growth>>;
  /** A small disk could be mounted and was filled. */
  readonly diskWasSmall: boolean;
}

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly folder: string;
  readonly say: (text: string) => void;
}

const COPY_APP = {
  copy: {
    argv: ["/bin/sh", "-c", 'sleep "$1"; cat "$2" > "$3"', "copy", "{delay}", "{input}", "{output}"],
    parameters: { delay: { type: "integer", min: 0, max: 10 }, input: { type: "input" }, output: { type: "output" } },
  },
};

function tally(values: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** Runs one soak. Everything that it makes is in `folder`, and gone afterwards if all went well. */
export async function soak({ minutes, seed, folder, say }: SoakOptions): Promise<SoakReport> {
  const rng = seeded(seed);
  const startedMs = Date.now();
  const broken: string[] = [];
  const check = async (run: () => unknown): Promise<void> => {
    try {
      await run();
    } catch (error) {
      broken.push(error instanceof Broken ? error.message : `defect: ${(error as Error).stack ?? String(error)}`);
    }
  };
  const disk = makeSmallDisk(join(folder, "disk"), DISK_MB);
  const [data, work, results] = ["central", "work", "results"].map((name) => join(disk.path, name)) as [string, string, string];
  for (const path of [work, results]) mkdirSync(path);
  writeFileSync(join(folder, "apps.json"), JSON.stringify(COPY_APP));
  writeFileSync(join(folder, "site.json"), JSON.stringify({ prefetch: 2 }));
  const run = await writeDetectorRun(folder, { frames: 2_000, photonsPerFrame: 100 });
  const publications = watchNames(results);
  const processes: KeptProcess[] = [];
  let farm: PilotFarm | null = null;
  const endAll = () => {
    farm?.end();
    for (const process of processes) process.end();
  };
  process.once("exit", endAll);

  const port = await freePort();
  const central = new KeptProcess("central", [
    "central",
    "--data",
    data,
    "--listen",
    `127.0.0.1:${port}`,
    "--duplicates",
    "stragglers",
    "--cross-check",
    "20%",
  ]);
  processes.push(central);
  const { operatorToken, siteToken } = (await central.start()) as { operatorToken: string; siteToken: string };
  const proxies = new Map<string, TcpProxy>();
  for (const name of [...SITES, FARM, ...CLIENTS]) proxies.set(name, await TcpProxy.listen(port));
  const urlOf = (name: string) => `ws://127.0.0.1:${proxies.get(name)!.port}`;
  const sites = SITES.map(
    (name) =>
      new KeptProcess(name, [
        ...["site", "--central", urlOf(name), "--token", siteToken, "--name", name, "--work", work],
        ...["--slots", "3", "--threads", "1", "--apps", join(folder, "apps.json"), "--grace", "20"],
        ...["--settings", join(folder, "site.json")],
      ]),
  );
  processes.push(...sites);
  farm = createFarm({ folder, central: urlOf(FARM), siteToken, work, apps: join(folder, "apps.json") });
  processes.push(farm.keeper);
  await Promise.all([...sites, farm.keeper].map((site) => site.start()));
  say(`central is process of port ${port}, sites ${SITES.join(", ")} are up; seed ${seed}`);

  const samples = new Map([central, ...sites].map((process) => [process, [] as Sample[]]));
  const sampler = setInterval(() => {
    for (const [process, taken] of samples) {
      const sample = process.paused ? null : process.sample();
      if (sample !== null) taken.push(sample);
    }
    farm?.running();
  }, SAMPLE_MS);

  const history = new History((first) => say(`BROKEN ${first.message}`));
  const loading = new AbortController();
  const following = new AbortController();
  const watcher = await connect(`ws://127.0.0.1:${port}`, { token: operatorToken, patienceMs: 60_000 });
  const { ended } = followJobs(watcher, history, following.signal);
  const acknowledged = () => [...history.acknowledged.values()].flat();
  const open = () => acknowledged().length - ended().size;
  const load = CLIENTS.map((name) =>
    keepBusy(name, { url: urlOf(name), token: operatorToken, history, rng, results, run, signal: loading.signal, open }).catch(() => {}),
  );
  const endMs = startedMs + minutes * 60_000;
  const killing = new AbortController();
  setTimeout(() => killing.abort(), Math.max(0, endMs - Date.now()));
  const centralMayDie = () => Date.now() < startedMs + (endMs - startedMs) * CENTRAL_DIES_UNTIL;
  let told = 0;
  const faults = await killUntil(
    killing.signal,
    { central, ledger: join(data, "ledger"), sites, farm, proxies, disk, rng, centralMayDie },
    (what) => {
      told += 1;
      say(
        `${((Date.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${what.padEnd(38)} ${acknowledged().length} jobs, ${open()} open`,
      );
    },
  );
  say(`peace after ${told} faults`);

  loading.abort();
  disk.free();
  for (const proxy of proxies.values()) proxy.flow();
  for (const process of [central, ...sites]) process.resume();
  const peaceMs = Date.now();
  await Promise.race([Promise.all([...load, central.ready(), ...sites.map((site) => site.ready())]), pause(CONVERGE_MS)]);
  // Checks are jobs that no client has submitted.
  const unended = async () => (await watcher.jobs({ states: JOB_STATES.filter((state) => !isFinal(state)), limit: 1 })).jobs.length;
  while ((open() > 0 || (await unended().catch(() => 1)) > 0) && Date.now() < peaceMs + CONVERGE_MS) await pause(500);
  const convergedS = (Date.now() - peaceMs) / 1000;
  // What a pilot that was killed has left is tidied by the next of its name.
  const pilotNames = farm.names;
  const pilotsUp = async () => {
    const up = new Set((await watcher.sites().catch(() => [])).filter(({ state }) => state === "up").map(({ name }) => name));
    return pilotNames.every((name) => up.has(name));
  };
  while (!(await pilotsUp()) && Date.now() < peaceMs + CONVERGE_MS) await pause(500);
  clearInterval(sampler);
  const live = new Map<string, JobView>();
  await check(async () => {
    for (const job of await allPages(watcher.jobs, {})) live.set(job.id, job);
  });
  following.abort();
  watcher.close();
  const codes: [KeptProcess, number | null][] = [];
  codes.push([farm.keeper, await farm.stop(STOP_MS)]);
  for (const process of [...sites, central]) codes.push([process, await process.stop(STOP_MS)]);
  await check(() => {
    for (const [{ name }, code] of codes) if (code !== 0) throw new Broken("P4", `${name} ended with ${code} when it was asked to stop`);
  });
  publications.close();

  const marks = new Set<string>();
  let jobs: JobRecord[] = [];
  let ledgerEvents = 0;
  await check(() => {
    if (history.broken !== null) throw history.broken;
  });
  await check(async () => {
    const store = await openLevelStore(join(data, "ledger"));
    try {
      ledgerEvents = (await verifyLedger(store)).events;
      const { state, canceled } = await checkEvents(store.events(0), marks);
      jobs = [...state.jobs.values()];
      await check(() => checkAcknowledged(state, canceled, history));
      await check(() => checkConverged(state, convergedS));
      await check(() => checkOutputs(state, digestOf));
      await check(() => {
        const differing = jobs.find(({ crossCheck }) => crossCheck?.agreed === false);
        if (differing !== undefined) throw new Broken("P5", `the runs of job ${differing.id} differ: ${differing.crossCheck?.reason}`);
      });
      await check(() => {
        for (const job of state.jobs.values()) {
          const seen = live.get(job.id);
          if (seen?.state !== job.state || seen.epoch !== job.epoch || seen.attempts.length !== job.attempts.length)
            throw new Broken("P6", `job ${job.id} is ${job.state} in the ledger, and central showed it ${seen?.state ?? "not at all"}`);
        }
      });
      await check(() => {
        for (const { id, state: now, outputs } of state.jobs.values())
          for (const { path } of now === "finished" ? outputs : []) {
            const times = publications.counts.get(path.slice(results.length + 1)) ?? 0;
            if (times !== 1) throw new Broken("P5", `${path} of job ${id} appeared ${times} times`);
          }
        const twice = [...publications.counts].find(([, times]) => times > 1);
        if (twice !== undefined) throw new Broken("P5", `${twice[0]} appeared ${twice[1]} times`);
      });
    } finally {
      await store.close();
    }
  });
  await check(() => {
    const folders = [...SITES, ...pilotNames].flatMap((name) => readdirSync(join(work, name)).map((left) => `${name}/${left}`));
    const hidden = readdirSync(results).filter((name) => name.startsWith("."));
    if (folders.length + hidden.length > 0) throw new Broken("P5", `left behind: ${[...folders, ...hidden].slice(0, 5).join(" ")}`);
    for (const name of publications.counts.keys()) statSync(join(results, name));
  });
  const memory = Object.fromEntries(
    [...samples].map(([process, taken]) => [process.name, growthOf(taken, process === central ? (live.size * JOB_KB) / 1024 : 0)]),
  );
  for (const [name, { flat, firstMb, lastMb }] of Object.entries(memory))
    if (flat === false) broken.push(`memory of ${name} grew from ${firstMb.toFixed(0)} to ${lastMb.toFixed(0)} MB`);
  for (const proxy of proxies.values()) await proxy.close();
  process.removeListener("exit", endAll);
  if (broken.length > 0) {
    for (const process of processes) writeFileSync(join(folder, `${process.name}.log`), process.log());
    say(`the ledger, the results and the logs are kept in ${folder}`);
  } else {
    disk.remove();
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    seed,
    minutes,
    ok: broken.length === 0,
    broken,
    faults,
    jobs: jobs.length,
    states: tally(jobs.map(({ state }) => state)),
    attempts: tally(jobs.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome))),
    recalled: jobs.reduce((sum, { moves = 0 }) => sum + moves, 0),
    compared: jobs.filter(({ crossCheck }) => crossCheck !== undefined).length,
    duplicated: jobs.filter(({ attempts }) => attempts.some(({ duplicate }) => duplicate)).length,
    acknowledgedKeys: history.acknowledged.size,
    cancels: history.canceled.size,
    publications: publications.counts.size,
    ledgerEvents,
    convergedS,
    starts: Object.fromEntries(processes.map(({ name, starts }) => [name, starts])),
    surprises: Object.fromEntries(processes.map(({ name, surprises }) => [name, surprises])),
    pilots: farm.begun.size,
    memory,
    diskWasSmall: disk.small,
  };
}
