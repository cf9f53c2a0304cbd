/** The inner parts alone, with the benchmark package: codec, mailbox, decide, router. They have no goals: they say where a row's time goes. */
import Benchmark from "benchmark";
import { Mailbox } from "../../src/actors/mailbox.js";
import { Sites } from "../../src/actors/presence.js";
import { CLIENT_REQUESTS, parseRequest } from "../../src/actors/requests.js";
import { siteLoads } from "../../src/actors/site-loads.js";
import { LIMITS } from "../../src/core/limits.js";
import { decide } from "../../src/ledger/decide.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState } from "../../src/ledger/state.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { decodeFrame, encodeFrame } from "../../src/wire/codec.js";
import { analysis } from "./jobs.js";
import { RENEWAL } from "./rpc-shared.js";

export interface MicroRow {
  readonly name: string;
  readonly perSecond: number;
  /** Relative margin of error, 95 %. */
  readonly errorPercent: number;
}

interface MicroCase {
  readonly name: string;
  readonly run: () => unknown;
}

const JOBS = Array.from({ length: 100 }, (_, at) => analysis(at));

function submitCase(): MicroCase {
  let state = emptyState();
  let at = 0;
  return {
    name: "decide and reduce a submit of one job",
    run() {
      at += 1;
      // As many as a ledger keeps open, not more with every sample.
      if (at % 20_000 === 0) state = emptyState();
      const events = decide(state, { type: "submit", key: `k${at}`, digest: "d", jobs: [{ id: `j${at}`, spec: JOBS[at % 100]! }] }, at);
      if (events instanceof Error) throw events;
      for (const event of events) reduce(state, event);
    },
  };
}

/** Ten sites with four slots, half of them busy. */
function routerCase(): MicroCase {
  const state = emptyState();
  const sites = new Sites(LIMITS.leaseMs);
  const event = (command: Parameters<typeof decide>[1]): void => {
    const events = decide(state, command, 1);
    if (events instanceof Error) throw events;
    for (const one of events) reduce(state, one);
  };
  for (let at = 0; at < 10; at += 1) {
    const site = `site-${at}`;
    event({ type: "join", site, instance: "i", host: "h", slots: 4, apps: ["xpcs.corr"], held: [] });
    sites.take(site, "i", 1, 1).links = 1;
    for (const part of ["a", "b"]) {
      event({ type: "submit", key: `${site}${part}`, digest: "d", jobs: [{ id: `${site}${part}`, spec: analysis(at) }] });
      event({ type: "grant", job: `${site}${part}`, site, why: "" });
    }
  }
  const loads = siteLoads(state, sites, 1_000, 1_000);
  const job = { id: "j", app: "xpcs.corr", site: null, avoid: [], refusedBy: [], resources: {}, inputBytes: null, waitedMs: 0 };
  return { name: "soonest among 10 sites", run: () => soonest.choose(job, loads, 1_000) };
}

function cases(): MicroCase[] {
  const submit = { key: "k", jobs: JOBS };
  const [renewal, bulk] = [encodeFrame(RENEWAL), encodeFrame(submit)];
  return [
    { name: "encode a renewal", run: () => encodeFrame(RENEWAL) },
    { name: "decode a renewal", run: () => decodeFrame(renewal) },
    { name: "encode a submit of 100 jobs", run: () => encodeFrame(submit) },
    { name: "decode a submit of 100 jobs", run: () => decodeFrame(bulk) },
    { name: "check a submit of 100 jobs", run: () => parseRequest(CLIENT_REQUESTS.submit, "submit", submit) },
    submitCase(),
    routerCase(),
  ];
}

function measure(name: string, options: ConstructorParameters<typeof Benchmark>[1]): Promise<MicroRow> {
  return new Promise((resolve, reject) => {
    const bench = new Benchmark(name, { maxTime: 1, ...options });
    bench.on("complete", () => {
      if (bench.error) reject(bench.error);
      else resolve({ name, perSecond: bench.hz, errorPercent: bench.stats.rme });
    });
    bench.run({ async: true });
  });
}

/** Turns of a mailbox whose commit takes no time, 256 at once. */
async function mailboxRow(): Promise<MicroRow> {
  const mailbox = new Mailbox({ messagesMax: 4_096, batchMax: LIMITS.groupCommitMax, commit: async () => {}, onDead: () => {} });
  const fn = (deferred: { resolve(): void }): void => {
    const turns = Array.from({ length: 256 }, () => mailbox.post(() => 1));
    void Promise.all(turns).then(() => deferred.resolve());
  };
  return measure("256 turns of a mailbox", { defer: true, fn });
}

/** All micro cases. */
export async function measureMicro(say: (text: string) => void): Promise<MicroRow[]> {
  const rows: MicroRow[] = [];
  for (const { name, run } of cases()) rows.push(await measure(name, { fn: run }));
  rows.push(await mailboxRow());
  for (const { name, perSecond } of rows) say(`  ${Math.round(perSecond)}/s  ${name}`);
  return rows;
}
