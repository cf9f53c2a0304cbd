/**
 * The published run of faults and a surge at Theta: a client that submits 1 job/s, then 3, then 1 again while a launcher is killed every two minutes. Launchers are
 * pilots here: sites of their own, as many as the planner of pilots asks for. docs/experiment.md says what is published and what is assumed.
 */
import { waitingWork } from "../../src/actors/dispatch.js";
import { normalOf, type Spread, stream, uniformOf, valueAt } from "../../src/replay/chance.js";
import type { Arrival, LinkModel, Shift, SiteModel } from "../../src/replay/shift.js";
import { quantileOf } from "../../src/replay/tally.js";
import { runShift, type World } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";
import { planPilots } from "../../src/sites/pilot-plan.js";
import { BYTES, jobOf, MEASURED, PROXY } from "./facilities.js";

const MIN = 60_000;

/** As published: jobs/s that the client meant to submit, and until when. It reached less, since each call takes its time. */
export const PHASES = [
  { name: "1 job/s", perS: 1, fromMs: 0, untilMs: 15 * MIN },
  { name: "3 jobs/s", perS: 3, fromMs: 15 * MIN, untilMs: 30 * MIN },
  { name: "1 job/s, a launcher killed every 2 min", perS: 1, fromMs: 30 * MIN, untilMs: 45 * MIN },
] as const;
export const PUBLISHED = { jobs: 3_480, surgePerS: 2.2, lastRunMin: 76, nodes: 32, regrowMin: [3, 4] } as const;
/** When stage-in stood still in the published run. */
const STALL = { fromMs: 38 * MIN, untilMs: 55 * MIN };
const KILL_EACH_MS = 2 * MIN;
/** Of a call that submits a job: with it the client's three phases have the published number of jobs. */
const CALL_MS = 140;

/** Of a launcher, assumed: nodes, how long it waits in the queue, and how long it may run. */
const NODES_EACH = 8;
const QUEUED_MS = 1 * MIN;
const WALLTIME_MS = 20 * MIN;
/** How often the site looks how many it needs (docs/pilots.md). */
const LOOK_MS = 15_000;
const LAUNCHERS = PUBLISHED.nodes / NODES_EACH;
const SITE = "theta";

/** Those that the published sweep of transfers gives (staging.ts): here each launcher has one transfer at a time, and its share of the link. */
const SET_UP: Spread = { kind: "around", median: 7_000, sigma: 0.2 };
const RATE: Spread = { kind: "around", median: 187e3, sigma: 0.1 };
const LINK: LinkModel = { bytesPerMs: 410e3 / LAUNCHERS, transfersMax: 1, jobsPerTransfer: 16, lookMs: 0 };
const OUT: Spread = { kind: "around", median: 11_600, sigma: 0.25 };
const RUN: Spread = { kind: "around", median: 1_000 * MEASURED.theta.proxyRun, sigma: 0.1 };

export interface PhaseFigures {
  readonly submitted: number;
  readonly answered: number;
  /** Mean number of nodes that ran what was answered. */
  readonly nodes: number;
  /** Jobs that were not answered at its end. */
  readonly open: number;
}

export interface SurgeRun {
  readonly jobs: number;
  readonly left: number;
  readonly phases: readonly PhaseFigures[];
  /** When the last job had run, min. */
  readonly lastRunMin: number;
  readonly medianS: number;
  readonly p95S: number;
  readonly kills: number;
  readonly lost: number;
  /** From a kill until a job that was lost by it was given out again, s: median, most. */
  readonly againS: { readonly median: number; readonly most: number };
  /** From a kill until as many launchers ran as before, min: median. */
  readonly regrowMin: number;
}

/** When the client submits, ms. */
export function submitsMs(): number[] {
  const times: number[] = [];
  for (const { perS, fromMs, untilMs } of PHASES) for (let at = fromMs; at < untilMs; at += 1_000 / perS + CALL_MS) times.push(at);
  return times;
}

function launcher(name: string, seed: number, beginMs: number, stalls: LinkModel["stalls"]): SiteModel {
  const id = stream(SITE);
  return {
    ...{ name, slots: NODES_EACH, prefetch: 2 * NODES_EACH, apps: [PROXY], slower: [] },
    presence: [{ fromMs: beginMs, untilMs: beginMs + WALLTIME_MS, leaves: true }],
    link: { ...LINK, ...(stalls === undefined ? {} : { stalls }) },
    times: (job) => ({
      setUpMs: valueAt(SET_UP, normalOf(seed, id, job, 1)),
      rateBytesPerMs: valueAt(RATE, normalOf(seed, id, job, 2)),
      runMs: valueAt(RUN, normalOf(seed, id, job, 3)),
      outMs: valueAt(OUT, normalOf(seed, id, job, 4)),
      resultBytes: BYTES[PROXY]!.out,
    }),
  };
}

/** The launchers that are queued or run, and what becomes of them. */
class Launchers {
  readonly #world: World;
  readonly #seed: number;
  readonly #stalls: LinkModel["stalls"];
  /** When each begins, ms. */
  readonly #live = new Map<string, number>();
  #count = 0;
  /** Of each kill: when, and how many ran before it. */
  readonly kills: { readonly site: string; readonly atMs: number; readonly ran: number; regrownMs: number | null }[] = [];

  constructor(world: World, seed: number, stalls: LinkModel["stalls"]) {
    this.#world = world;
    this.#seed = seed;
    this.#stalls = stalls;
    this.#look();
    for (let atMs = PHASES[2].fromMs; atMs < PHASES[2].untilMs; atMs += KILL_EACH_MS) world.at(atMs, () => this.#kill());
  }

  #running(): string[] {
    return [...this.#live].filter(([, beginMs]) => beginMs <= this.#world.nowMs).map(([name]) => name);
  }

  #look(): void {
    const world = this.#world;
    const like = { pilotsOf: SITE, apps: [PROXY], slots: NODES_EACH, capacity: null };
    const { slots: waitingSlots } = waitingWork(world.state, like, Number.MAX_SAFE_INTEGER);
    const pilots = [...this.#live].map(([tag, beginMs]) => {
      const begun = beginMs <= world.nowMs;
      return { tag, begun, freeSlots: begun ? Math.max(0, NODES_EACH - (world.actor(tag)?.held.size ?? 0)) : null };
    });
    const limits = { pilotsMin: 0, pilotsMax: LAUNCHERS, queuedMax: LAUNCHERS, slotsPerPilot: NODES_EACH };
    const { submit } = planPilots({ waitingSlots, pilots, pausedFor: null, budget: null }, limits);
    for (let n = 0; n < submit; n += 1) this.#submit();
    if (world.arriving || world.underWay > 0) world.at(world.nowMs + LOOK_MS, () => this.#look());
  }

  #submit(): void {
    this.#count += 1;
    const name = `${SITE}-${this.#count}`;
    const beginMs = this.#world.nowMs + QUEUED_MS;
    this.#live.set(name, beginMs);
    this.#world.addSite(launcher(name, this.#seed, beginMs, this.#stalls));
    this.#world.at(beginMs, () => {
      const running = this.#running().length;
      for (const kill of this.kills) if (kill.regrownMs === null && running >= kill.ran) kill.regrownMs = this.#world.nowMs;
    });
    this.#world.at(beginMs + WALLTIME_MS, () => this.#live.delete(name));
  }

  #kill(): void {
    const running = this.#running();
    if (running.length === 0) return;
    const name = running[Math.floor(uniformOf(this.#seed, stream("kill"), this.kills.length) * running.length)]!;
    this.kills.push({ site: name, atMs: this.#world.nowMs, ran: running.length, regrownMs: null });
    this.#live.delete(name);
    this.#world.silence(name);
  }
}

const medianOf = (values: readonly number[]): number => quantileOf(Float64Array.from(values).sort(), 0.5);

/** One run. @param withStall stage-in stands still when it did in the published run */
export function runSurge(seed: number, withStall: boolean): SurgeRun {
  const times = submitsMs();
  const arrivals = () => times.map((atMs): Arrival => ({ atMs, specs: [jobOf(PROXY)] }))[Symbol.iterator]();
  const shift: Shift = { name: "surge", startMs: Date.UTC(2021, 3, 2), sites: [], arrivals };
  const spans = [...PHASES, { fromMs: PHASES[2].untilMs, untilMs: Number.POSITIVE_INFINITY }];
  const busyMs = spans.map(() => 0);
  const answered = spans.map(() => 0);
  const againS: number[] = [];
  let launchers: Launchers | undefined;
  let lastMs = 0;
  const { tally } = runShift(shift, {
    policy: POLICIES.soonest!,
    prepare: (world) => {
      launchers = new Launchers(world, seed, withStall ? [STALL] : undefined);
    },
    onDone: ({ id, beganMs, endedMs }, _site, { nowMs, state }) => {
      lastMs = Math.max(lastMs, endedMs);
      for (const [at, { fromMs, untilMs }] of spans.entries()) {
        busyMs[at]! += Math.max(0, Math.min(untilMs, endedMs) - Math.max(fromMs, beganMs));
        if (nowMs >= fromMs && nowMs < untilMs) answered[at]! += 1;
      }
      const { attempts } = state.jobs.get(id)!;
      for (const [at, { outcome, site }] of attempts.entries()) {
        const kill = outcome === "lost" ? launchers!.kills.find((one) => one.site === site) : undefined;
        if (kill !== undefined) againS.push((Date.parse(attempts[at + 1]!.startedAt) - shift.startMs - kill.atMs) / 1_000);
      }
    },
  });
  const { kills } = launchers!;
  const submitted = spans.map(({ fromMs, untilMs }) => times.filter((at) => at >= fromMs && at < untilMs).length);
  const sumTo = (values: readonly number[], at: number) => values.slice(0, at + 1).reduce((sum, value) => sum + value, 0);
  const sorted = Float64Array.from(tally.answersMs.values).sort();
  const regrown = kills.flatMap(({ atMs, regrownMs }) => (regrownMs === null ? [] : [(regrownMs - atMs) / MIN]));
  return {
    jobs: tally.submitted,
    left: tally.submitted - tally.finished,
    phases: spans.map(({ fromMs, untilMs }, at) => ({
      submitted: submitted[at]!,
      answered: answered[at]!,
      nodes: busyMs[at]! / (Math.min(untilMs, lastMs) - fromMs),
      open: sumTo(submitted, at) - sumTo(answered, at),
    })),
    lastRunMin: lastMs / MIN,
    medianS: quantileOf(sorted, 0.5) / 1_000,
    p95S: quantileOf(sorted, 0.95) / 1_000,
    kills: kills.length,
    lost: tally.lost,
    againS: { median: medianOf(againS), most: Math.max(...againS) },
    regrowMin: medianOf(regrown),
  };
}
