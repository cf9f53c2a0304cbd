/** Question: after SIGKILL to a site's process, how long until central has taken its job back and another site runs it? */
import { connect, type XpcsClient } from "../../src/index.js";
import { noop, pause, withClient } from "./jobs.js";
import { createFacility, type Started } from "./processes.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

const JOB_MS = 600_000;
const LOOK_MS = 20;

async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    await pause(LOOK_MS);
  }
}

async function siteOf(client: XpcsClient, id: string, not: string | null): Promise<string> {
  return until(async () => {
    const { state, site } = await client.job(id);
    return state === "running" && site !== not ? site : null;
  });
}

/** Kill to running elsewhere, s. */
export async function measureDeadSite(place: Place): Promise<Measured> {
  const facility = createFacility(place.root, place.folder("dead-site"));
  try {
    const { url, operatorToken } = await facility.startCentral();
    const sites = new Map<string, Started>();
    for (const name of ["one", "two"]) sites.set(name, await facility.startSite(name, 1));
    return await withClient(connect(url, { token: operatorToken }), async (client) => {
      const times: number[] = [];
      let silentS = 0;
      for (let round = 0; round < place.runs; round += 1) {
        const id = (await client.submit({ jobs: [noop(JOB_MS)] })).jobs[0]!;
        const first = await siteOf(client, id, null);
        // Anywhere between two renewals.
        await pause(1_000 + 700 * round);
        const from = performance.now();
        await sites.get(first)!.stop("SIGKILL");
        await until(async () => ((await client.sites()).find(({ name }) => name === first)?.state === "up" ? null : true));
        silentS = Math.max(silentS, (performance.now() - from) / 1_000);
        await siteOf(client, id, first);
        times.push((performance.now() - from) / 1_000);
        await client.cancel([id]);
        await client.wait([id]);
        sites.set(first, await facility.startSite(first, 1));
      }
      return measuredOf(times, `listed as silent within ${silentS.toFixed(2)} s`);
    });
  } finally {
    await facility.end();
  }
}
