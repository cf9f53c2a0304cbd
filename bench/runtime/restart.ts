/** Question: how long is central away when it crashes with many live jobs? From the start of the next process until it says that it is ready. */
import { connect } from "../../src/index.js";
import { spreadOf } from "../judge.js";
import { submitAnalyses, withClient } from "./jobs.js";
import { cpuS, createFacility } from "./processes.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

/** Seconds from the start of the process to its ready line. */
export async function measureRestart(place: Place): Promise<Measured> {
  const facility = createFacility(place.root, place.folder("restart"));
  try {
    const count = Math.max(5_000, Math.round(100_000 * place.scale));
    let central = await facility.startCentral();
    await withClient(connect(central.url, { token: central.operatorToken }), (client) => submitAnalyses(client, 0, count));
    const values: number[] = [];
    const cpu: number[] = [];
    for (let round = 0; round < place.runs; round += 1) {
      // Without a goodbye: what came after the last checkpoint is replayed.
      await central.stop("SIGKILL");
      const startMs = performance.now();
      central = await facility.startCentral();
      values.push((performance.now() - startMs) / 1_000);
      cpu.push(cpuS(central.pid));
      await withClient(connect(central.url, { token: central.operatorToken }), async (client) => {
        const { jobs } = await client.jobs({ limit: 1 });
        if (jobs.length === 0) throw new Error("the jobs are gone");
        // A few events for the next one to replay.
        await submitAnalyses(client, count + 100 * round, 100);
      });
    }
    return measuredOf(
      values,
      `${count} jobs that wait, after SIGKILL; ${spreadOf(cpu).median.toFixed(2)} s of CPU time, all threads, Node's own start included`,
    );
  } finally {
    await facility.end();
  }
}
