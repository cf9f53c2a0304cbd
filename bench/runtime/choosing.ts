/**
 * Question: how long does the router take to choose among 20 sites for one job, when 100 000 jobs wait? All slots are taken but one, sites differ in speed,
 * links and spread, and jobs in size. In this process, by the benchmark package: nothing but the choice is timed.
 */
import Benchmark from "benchmark";
import { planGrants, routed } from "../../src/actors/dispatch.js";
import { Sites } from "../../src/actors/presence.js";
import { siteLoads } from "../../src/actors/site-loads.js";
import { LIMITS } from "../../src/core/limits.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type State } from "../../src/ledger/state.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { always } from "../../src/router/policy-rules.js";
import { analysis } from "./jobs.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

const SITES = 20;
const SLOTS = 32;
const WAITING = 100_000;
const START_MS = Date.UTC(2026, 10, 26);
/** Bytes of the inputs: of five sizes, a little different each. */
const bytesOf = (at: number) => 2e8 * (1 + (at % 5)) + (at % 97) * 1e5;

export interface ChoosingWorld {
  readonly state: State;
  readonly sites: Sites;
  /** The site that has a free slot. */
  readonly asks: string;
  /** When it is. */
  readonly nowMs: number;
}

/** Sites that have run some jobs of each size and are full but for one slot, and jobs that wait. */
export function choosingWorld(waiting: number): ChoosingWorld {
  const state = emptyState();
  const sites = new Sites(LIMITS.leaseMs);
  let nowMs = START_MS;
  const obey = (command: Command): void => {
    const events = decide(state, command, nowMs);
    if (events instanceof Error) throw events;
    for (const event of events) reduce(state, event);
  };
  const submit = (ids: readonly string[]): void => {
    const jobs = ids.map((id) => ({ id, spec: { ...analysis(Number(id)), inputBytes: bytesOf(Number(id)) } }));
    obey({ type: "submit", key: ids[0]!, digest: "d", jobs });
  };
  const capacity = { cores: 4 * SLOTS, memoryGb: 256, gpus: 0, nodes: 1, walltimeS: 86_400 };
  let next = 0;
  for (let at = 0; at < SITES; at += 1) {
    const site = `site-${String(at).padStart(2, "0")}`;
    obey({ type: "join", site, instance: "i", host: "h", slots: SLOTS, apps: ["xpcs.corr"], capacity, held: [] });
    sites.take(site, "i", 0, nowMs).links = 1;
    const grant = (): string => {
      const id = String(next);
      next += 1;
      submit([id]);
      obey({ type: "grant", job: id, site, why: "" });
      return id;
    };
    for (let n = 0; n < 20; n += 1) {
      const job = grant();
      nowMs += 1_000;
      const [bytes, rate] = [bytesOf(Number(job)), 1e8 * (1 + (at % 7))];
      const summary = { stageInBytes: bytes, stageInS: (bytes / rate) * (1 + 0.1 * (n % 3)), stageOutBytes: 5e6, stageOutS: 1 };
      const outputs = [{ path: "/r", bytes: 5e6, sha256: "d" }];
      const runMs = (bytes / 1e5) * (1 + 0.2 * at) * (1 + 0.05 * (n % 4));
      obey({ type: "complete", site, lease: { job, epoch: 1 }, outputs, summary, runMs });
    }
    for (let n = at === 7 ? 1 : 0; n < SLOTS; n += 1) {
      grant();
      nowMs += 5;
    }
  }
  for (let from = 0; from < waiting; from += 1_000)
    submit(Array.from({ length: Math.min(1_000, waiting - from) }, (_, n) => String(next + from + n)));
  return { state, sites, asks: "site-07", nowMs };
}

/** Seconds that one call of `run` takes. */
function timed(run: () => void): number {
  const bench = new Benchmark("choosing", { maxTime: 1, fn: run });
  bench.run();
  if (bench.error) throw bench.error;
  return 1 / bench.hz;
}

/** Measures the choice alone, and beside it a whole turn: the view of the sites, the choice, and what is promised. */
export async function measureChoosing({ runs, scale, say }: Place): Promise<Measured> {
  const waiting = Math.max(1_000, Math.round(WAITING * scale));
  const { state, sites, asks, nowMs } = choosingWorld(waiting);
  const loads = siteLoads(state, sites, nowMs, 0);
  const ready = [...state.ready].slice(0, 1_000).map((id) => routed(state.jobs.get(id)!, nowMs));
  let at = 0;
  const choose = (): void => {
    at = (at + 1) % ready.length;
    soonest.choose(ready[at]!, loads, nowMs);
  };
  const asked = new Map([[asks, 1]]);
  const turn = (): void => {
    const grants = planGrants(state, siteLoads(state, sites, nowMs, 0), always(soonest), asked, nowMs);
    if (grants.length !== 1) throw new Error(`the turn made ${grants.length} grants`);
  };
  const choices: number[] = [];
  const turns: number[] = [];
  for (let round = 0; round < runs; round += 1) {
    choices.push(1e6 * timed(choose));
    turns.push(1e6 * timed(turn));
    say(`  ${choices.at(-1)!.toPrecision(3)} µs for a choice, ${turns.at(-1)!.toPrecision(3)} µs for a turn`);
  }
  const median = [...turns].sort((a, b) => a - b)[Math.floor(turns.length / 2)]!;
  return measuredOf(choices, `${median.toPrecision(3)} µs for a whole turn of dispatch that gives one job away`);
}
