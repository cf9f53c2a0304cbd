/** Question: how much memory does central take for each live job? Resident memory of the process, over that of one without jobs. */
import { connect } from "../../src/index.js";
import { pause, submitAnalyses, withClient } from "./jobs.js";
import { createFacility, ownBytes } from "./processes.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

const QUIET_MS = 3_000;

/** Bytes per job that waits. */
export async function measureMemory(place: Place): Promise<Measured> {
  const facility = createFacility(place.root, place.folder("memory"));
  try {
    const count = Math.max(5_000, Math.round(200_000 * place.scale));
    const empty = await facility.startCentral();
    await pause(QUIET_MS);
    const without = ownBytes(empty.pid);
    await withClient(connect(empty.url, { token: empty.operatorToken }), (client) => submitAnalyses(client, 0, count));
    await pause(QUIET_MS);
    const taking = (ownBytes(empty.pid) - without) / count;
    await empty.stop("SIGTERM");
    const values: number[] = [];
    for (let round = 0; round < place.runs; round += 1) {
      const again = await facility.startCentral();
      await pause(QUIET_MS);
      values.push((ownBytes(again.pid) - without) / count);
      await again.stop("SIGTERM");
    }
    const megabytes = (without / 1e6).toFixed(0);
    return measuredOf(
      values,
      `${count} jobs that wait, after a restart; ${Math.round(taking)} B in the process that took them, with what it has not collected; ${megabytes} MB without jobs`,
    );
  } finally {
    await facility.end();
  }
}
