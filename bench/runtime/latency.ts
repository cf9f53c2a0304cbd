/** Questions: how long from submit until a job runs, and until one that does nothing has ended? As a client sees it. */
import { connect, isFinal, type JobId, type JobView, type XpcsClient } from "../../src/index.js";
import { spreadOf } from "../judge.js";
import { noop, pause, withClient } from "./jobs.js";
import { createFacility } from "./processes.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

/** Tells when a job is first seen to be as wanted. */
interface Watch {
  seen(id: JobId): Promise<number>;
}

function watching(client: XpcsClient, wanted: (job: JobView) => boolean, signal: AbortSignal): Watch {
  const times = new Map<JobId, number>();
  const waiting = new Map<JobId, (at: number) => void>();
  const onChange = (job: JobView): void => {
    if (times.has(job.id) || !wanted(job)) return;
    times.set(job.id, performance.now());
    waiting.get(job.id)?.(performance.now());
  };
  client.follow({ onChange, signal }).catch(() => {});
  return {
    seen: (id) => {
      const at = times.get(id);
      return at === undefined ? new Promise((resolve) => waiting.set(id, resolve)) : Promise.resolve(at);
    },
  };
}

/** Jobs one after the other at a site with an idle, warm slot. */
async function measureLatency(place: Place, durationMs: number, wanted: (job: JobView) => boolean): Promise<Measured> {
  const facility = createFacility(place.root, place.folder("latency"));
  try {
    const { url, operatorToken } = await facility.startCentral();
    await facility.startSite("one", 1);
    return await withClient(connect(url, { token: operatorToken }), async (client) => {
      const life = new AbortController();
      const watch = watching(client, wanted, life.signal);
      const ends = watching(client, ({ state }) => isFinal(state), life.signal);
      const once = async (): Promise<number> => {
        const from = performance.now();
        const { jobs } = await client.submit({ jobs: [noop(durationMs)] });
        const at = await watch.seen(jobs[0]!);
        await ends.seen(jobs[0]!);
        await pause(30);
        return at - from;
      };
      for (let warm = 0; warm < 5; warm += 1) await once();
      const count = Math.max(5, Math.round(40 * place.scale));
      const rounds: number[][] = [];
      for (let round = 0; round < place.runs; round += 1) {
        const times: number[] = [];
        for (let at = 0; at < count; at += 1) times.push(await once());
        rounds.push(times);
      }
      life.abort();
      const all = rounds.flat().sort((a, b) => a - b);
      const p95 = all[Math.floor(all.length * 0.95)]!;
      return measuredOf(
        rounds.map((times) => spreadOf(times).median),
        `${all.length} jobs, 95 % within ${p95.toFixed(0)} ms`,
      );
    });
  } finally {
    await facility.end();
  }
}

/** Submit until the client sees `running`, ms. */
export function measureDispatch(place: Place): Promise<Measured> {
  return measureLatency(place, 150, ({ state }) => state !== "ready" && state !== "staged-in");
}

/** Submit until the client sees `finished`, ms. */
export function measureNoop(place: Place): Promise<Measured> {
  return measureLatency(place, 0, ({ state }) => state === "finished");
}
