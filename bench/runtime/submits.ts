/** Questions: how many jobs a second does central take, one by one from eight clients, and in bulk from one? Every answer follows a synced write. */
import { randomUUID } from "node:crypto";
import { connect, type XpcsClient } from "../../src/index.js";
import { spreadOf } from "../judge.js";
import { syncMs } from "./disk.js";
import { analysis, withClient } from "./jobs.js";
import { cpuS, createFacility } from "./processes.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

const CLIENTS = 8;

/** Each client waits for its answer before it submits again. @returns jobs */
async function submitUntil(client: XpcsClient, endMs: number): Promise<number> {
  let jobs = 0;
  while (performance.now() < endMs) {
    await client.submit({ key: randomUUID(), jobs: [analysis(jobs)] });
    jobs += 1;
  }
  return jobs;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Single submits of eight clients, each with one request on its way, jobs/s. */
export async function measureSubmits(place: Place): Promise<Measured> {
  const facility = createFacility(place.root, place.folder("submits"));
  try {
    const { url, operatorToken, pid } = await facility.startCentral();
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(url, { token: operatorToken })));
    const round = async (seconds: number): Promise<{ rate: number; cpuMs: number }> => {
      const from = performance.now();
      const cpuFrom = cpuS(pid);
      const jobs = sum(await Promise.all(clients.map((client) => submitUntil(client, from + 1_000 * seconds))));
      return { rate: (1_000 * jobs) / (performance.now() - from), cpuMs: (1_000 * (cpuS(pid) - cpuFrom)) / jobs };
    };
    await round(1);
    const syncs: number[] = [];
    const rounds = [];
    for (let at = 0; at < place.runs; at += 1) {
      syncs.push(syncMs(facility.folder).median);
      rounds.push(await round(Math.max(1, 4 * place.scale)));
    }
    for (const client of clients) client.close();
    const sync = spreadOf(syncs).median;
    const beside = [
      `fdatasync ${sync.toFixed(2)} ms, so at most ${Math.round((1_000 * CLIENTS) / sync)}/s`,
      `${spreadOf(rounds.map(({ cpuMs }) => cpuMs)).median.toFixed(2)} ms of central's CPU each`,
    ];
    return measuredOf(
      rounds.map(({ rate }) => rate),
      beside.join("; "),
    );
  } finally {
    await facility.end();
  }
}

/** One client submits many jobs with one call of the SDK, jobs/s. */
export async function measureBulk(place: Place): Promise<Measured> {
  const facility = createFacility(place.root, place.folder("bulk"));
  try {
    const { url, operatorToken, pid } = await facility.startCentral();
    return await withClient(connect(url, { token: operatorToken }), async (client) => {
      const count = Math.max(1_000, Math.round(30_000 * place.scale));
      const jobs = Array.from({ length: count }, (_, at) => analysis(at));
      const rounds: { rate: number; cpuUs: number }[] = [];
      await client.submit({ jobs: jobs.slice(0, 2_000) });
      for (let at = 0; at < place.runs; at += 1) {
        const cpuFrom = cpuS(pid);
        const from = performance.now();
        await client.submit({ jobs });
        const ms = performance.now() - from;
        rounds.push({ rate: (1_000 * count) / ms, cpuUs: (1e6 * (cpuS(pid) - cpuFrom)) / count });
      }
      const cpu = spreadOf(rounds.map(({ cpuUs }) => cpuUs)).median;
      return measuredOf(
        rounds.map(({ rate }) => rate),
        `${count} jobs in one call; ${cpu.toFixed(0)} us of central's CPU each, all threads`,
      );
    });
  } finally {
    await facility.end();
  }
}
