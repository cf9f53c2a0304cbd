/** Question: how many short jobs a second go through one site with two slots? From the first submit until central has the last completion. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type JobSpec } from "../../src/index.js";
import { spreadOf } from "../judge.js";
import { syncMs } from "./disk.js";
import { allEnded, commandTrue, noop, withClient } from "./jobs.js";
import { cpuS, createFacility } from "./processes.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

const SLOTS = 2;
const APPS = { true: { argv: ["/bin/true"] } };

async function measureThroughput(place: Place, job: JobSpec, jobs: number): Promise<Measured> {
  const facility = createFacility(place.root, place.folder("throughput"));
  try {
    const apps = join(facility.folder, "apps.json");
    writeFileSync(apps, JSON.stringify(APPS));
    const central = await facility.startCentral();
    const site = await facility.startSite("one", SLOTS, ["--apps", apps]);
    return await withClient(connect(central.url, { token: central.operatorToken }), async (client) => {
      const round = async (count: number) => {
        const cpuFrom = [central.pid, site.pid].map(cpuS);
        const from = performance.now();
        const { jobs: ids } = await client.submit({ jobs: Array.from({ length: count }, () => job) });
        await allEnded(client, 10);
        const ms = performance.now() - from;
        const last = await client.job(ids.at(-1)!);
        if (last.state !== "finished") throw new Error(`job ${last.id} ${last.state}: ${last.reason}`);
        const cpu = [central.pid, site.pid].map((pid, at) => (1_000 * (cpuS(pid) - cpuFrom[at]!)) / count);
        return { rate: (1_000 * count) / ms, cpu };
      };
      await round(50);
      const sync = syncMs(facility.folder).median;
      const rounds: { rate: number; cpu: number[] }[] = [];
      for (let at = 0; at < place.runs; at += 1) rounds.push(await round(Math.max(20, Math.round(jobs * place.scale))));
      const [ofCentral, ofSite] = [0, 1].map((which) => spreadOf(rounds.map(({ cpu }) => cpu[which]!)).median.toFixed(2));
      return measuredOf(
        rounds.map(({ rate }) => rate),
        `CPU of central ${ofCentral} ms, of the site ${ofSite} ms a job; fdatasync ${sync.toFixed(2)} ms`,
      );
    });
  } finally {
    await facility.end();
  }
}

/** `xpcs.noop`, jobs/s. */
export function measureNoops(place: Place): Promise<Measured> {
  return measureThroughput(place, noop(), 1_500);
}

/** The command app `/bin/true`, jobs/s. */
export function measureCommands(place: Place): Promise<Measured> {
  return measureThroughput(place, commandTrue(), 400);
}
