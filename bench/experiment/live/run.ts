/** One live run: unequal facilities, the agent as a process of its own, an outage on the way; then what must hold, and where the jobs went. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import type { Plan } from "../../../examples/aps-agent.js";
import { allPages } from "../../../src/core/job-pages.js";
import { connect, isFinal, type XpcsClient } from "../../../src/index.js";
import { watchNames } from "../../../test/chaos/files-seen.js";
import { seeded } from "../../../test/ledger/world.js";
import { checkAll } from "../../facilities/checks.js";
import { FACILITIES, type Facilities, isOf, prepareFacilities, type Shape } from "../../facilities/facilities.js";
import { cutLink } from "../../facilities/faults.js";
import { type Figures, figuresOf } from "../../facilities/figures.js";
import { drawSizes, writeInputs } from "../../facilities/inputs.js";
import { ledgerEvents } from "../../facilities/ledger-events.js";
import { type Span, storyOf } from "../../facilities/story.js";
import { withClient } from "../../runtime/jobs.js";
import { type Flows, flowFaults, flowsOf } from "./flows.js";

const EXPERIMENT = "2026-3/live";
/** Unequal on purpose: in slots, in links, and in their part of the processor. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  slurm: { slots: 1, mbPerS: 40, niceness: 5 },
  gridengine: { slots: 1, mbPerS: 8, niceness: 10 },
  local: { slots: 1, mbPerS: 2, niceness: 15 },
};
/** Of all slots: pilots of Slurm and Grid Engine have one each. */
const SLOTS: Readonly<Record<string, number>> = { slurm: 3, gridengine: 2, local: 1 };
/** A third of the jobs are the proxy application, in two sizes in the proportion of the published ones. */
const PROXY_SHARE = 1 / 3;
const MATRICES = [400, 960];
const BATCH = 6;
const EVERY_S = 1;
const WAITING_MAX = 18;
/** The outage begins when so much of the jobs has ended. */
const OUTAGE_AT = 0.3;
const WINDOW_S = 10;
/** No job that ends for so long is the end of the run. */
const PATIENCE_MS = 150_000;
/** A site tries to tidy every 5 s, and gives a request 15 s. */
const TIDY_MS = 30_000;

export interface LiveOptions {
  /** The project's folder. */
  readonly root: string;
  /** Removed first, and at the end if all went well. */
  readonly folder: string;
  readonly jobs: number;
  readonly seed: number;
  /** How long a link is cut. */
  readonly outageMs: number;
  /** False: three sites without schedulers. */
  readonly schedulers: boolean;
  /** Who chooses sites: central, or the agent. */
  readonly policy: "central" | "agent";
  /** Command apps: `diagonalise`. */
  readonly apps: object;
  /** The agent, and words before it. */
  readonly agent: readonly string[];
  readonly say: (text: string) => void;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

export interface LiveReport {
  readonly jobs: number;
  readonly seed: number;
  readonly schedulers: boolean;
  readonly policy: string;
  readonly victim: string;
  readonly shapes: Readonly<Record<string, Shape>>;
  readonly slots: Readonly<Record<string, number>>;
  readonly flows: Flows;
  readonly figures: readonly Figures[];
  readonly outcomes: Readonly<Record<string, number>>;
  /** What should hold and does not. */
  readonly broken: readonly string[];
}

const POLICIES = { central: "central chooses the sites", agent: "the agent chooses the sites" };

/** Writes the plan, and starts the agent on it. */
function startAgent(
  { agent, say }: LiveOptions,
  { central, folder }: { central: Facilities["central"]; folder: string },
  plan: Plan,
): ChildProcess {
  const file = join(folder, "plan.json");
  writeFileSync(file, JSON.stringify(plan));
  const [program, ...words] = agent;
  const env = { ...process.env, XPCS_CENTRAL: central.url, XPCS_TOKEN: central.operatorToken };
  const child = spawn(program ?? "", [...words, file], { env, stdio: ["ignore", "pipe", "inherit"] });
  createInterface(child.stdout!).on("line", (line) => say(`         ${line}`));
  return child;
}

const exitOf = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once("exit", resolve));

/** The facility that has finished most. */
async function busiest(client: XpcsClient): Promise<string> {
  const jobs = await allPages(client.jobs, { experiment: EXPERIMENT, states: ["finished"] });
  const finished = (name: string): number => jobs.filter(({ site }) => isOf(name)(site ?? "")).length;
  return [...FACILITIES].sort((a, b) => finished(b) - finished(a))[0]!;
}

/** Cuts the link of the busiest facility at its time. Resolves when the agent has ended, or no job ends any more. */
async function withOutage(
  client: XpcsClient,
  facilities: Facilities,
  child: ChildProcess,
  { jobs, outageMs, say, signal }: LiveOptions,
): Promise<{ victim: string; outage: Span; agentCode: number | null }> {
  const ended = new Set<string>();
  const over = new AbortController();
  let latestMs = Date.now();
  let outage: Promise<{ victim: string; outage: Span }> | null = null;
  const cut = async (): Promise<{ victim: string; outage: Span }> => {
    const victim = await busiest(client);
    const cutMs = Date.now();
    say(`${ended.size} of ${jobs} jobs have ended; the link of ${victim} is cut for ${outageMs / 1000} s`);
    await cutLink(facilities.proxies.get(victim)!, outageMs);
    say(`${ended.size} of ${jobs} jobs have ended; the link of ${victim} is back`);
    return { victim, outage: [cutMs, Date.now()] };
  };
  const following = client.follow({
    onChange({ id, state, experiment }) {
      if (experiment !== EXPERIMENT || !isFinal(state) || ended.has(id)) return;
      ended.add(id);
      latestMs = Date.now();
      if (outage === null && ended.size >= OUTAGE_AT * jobs) {
        outage = cut();
        outage.catch(() => {});
      }
    },
    signal: over.signal,
  });
  // It ends when it is told to.
  following.catch(() => {});
  const code = exitOf(child);
  const patience = async (): Promise<"late"> => {
    while (Date.now() < latestMs + PATIENCE_MS && !signal.aborted) await pause(500, undefined, { signal: over.signal });
    return "late";
  };
  const agentCode = await Promise.race([code, patience()]);
  over.abort();
  if (agentCode === "late") child.kill("SIGKILL");
  if (signal.aborted) throw new Error("interrupted");
  if (agentCode === "late") throw new Error(`no job ended within ${PATIENCE_MS / 1000} s: ${ended.size} of ${jobs} have`);
  const done = (await (outage as Promise<{ victim: string; outage: Span }> | null)) ?? null;
  if (done === null) throw new Error("all jobs ended before the outage could begin");
  return { ...done, agentCode };
}

/** Waits until sites have forgotten their publications: one whose link was cut does so some seconds after it is back. */
async function tidied(results: string): Promise<void> {
  const endMs = Date.now() + TIDY_MS;
  while (Date.now() < endMs && readdirSync(results).some((name) => name.endsWith(".published"))) await pause(500);
}

/** Runs it. @throws something went wrong that was not meant to */
export async function runLive(options: LiveOptions): Promise<LiveReport> {
  const { root, folder, jobs, seed, schedulers, policy, apps, say } = options;
  const rng = seeded(seed);
  const beamline = join(folder, "beamline");
  const facilities = await prepareFacilities(root, folder, beamline, { shapes: SHAPES, apps, schedulers });
  let report: LiveReport | null = null;
  let child: ChildProcess | null = null;
  try {
    const { central } = facilities;
    report = await withClient(connect(central.url, { token: central.operatorToken }), async (client) => {
      const proxies = Math.round(jobs * PROXY_SHARE);
      const results = join(beamline, "results");
      mkdirSync(results, { recursive: true });
      const { files, qmap, frameTimeS } = await writeInputs(join(beamline, "data"), drawSizes(jobs - proxies, rng));
      const names = watchNames(results);
      for (const name of FACILITIES) await facilities.start(name);
      const plan: Plan = {
        ...{ experiment: EXPERIMENT, scans: files, qmap, out: results },
        options: { frameTimeS, type: "both", compression: "gzip" },
        matrices: Array.from({ length: proxies }, (_, at) => MATRICES[at % MATRICES.length]!),
        ...{ batch: BATCH, everyS: EVERY_S, waitingMax: WAITING_MAX },
        sites: policy === "central" ? null : [...FACILITIES],
      };
      child = startAgent(options, { central, folder }, plan);
      const { victim, outage, agentCode } = await withOutage(client, facilities, child, options);
      const left = await facilities.pilotsLeft();
      await tidied(results);
      for (const name of FACILITIES) await facilities.stop(name);
      const ids = (await allPages(client.jobs, { experiment: EXPERIMENT })).map(({ id }) => id);
      const events = await ledgerEvents(client);
      const broken = await checkAll({ events, ids, results, names: names.counts, patienceS: PATIENCE_MS / 1000 });
      names.close();
      if (ids.length !== jobs) broken.push(`${jobs} jobs were planned, and central has ${ids.length}`);
      if (agentCode !== 0) broken.push(`the agent ended with ${agentCode}`);
      if (left.length > 0) broken.push(`batch jobs were left: ${left.join(" ")}`);
      const flows = flowsOf(events, FACILITIES, victim, outage, WINDOW_S);
      const story = storyOf(events, () => true);
      const figures = [...FACILITIES.map((name) => figuresOf(name, story, isOf(name))), figuresOf("all", story, () => true)];
      return {
        ...{ jobs, seed, schedulers, victim, flows, figures, shapes: SHAPES, slots: SLOTS },
        policy: POLICIES[policy],
        outcomes: story.outcomes,
        broken: [...broken, ...flowFaults(flows, victim)],
      };
    });
    return report;
  } finally {
    (child as ChildProcess | null)?.kill("SIGKILL");
    const keep = report === null || report.broken.length > 0;
    if (keep) say(`files, ledger and logs are kept in ${folder}`);
    await facilities.end(keep);
  }
}
