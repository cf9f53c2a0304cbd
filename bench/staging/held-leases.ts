/** The bench as a site: takes the leases of jobs that name the files, and renews them as long as they are moved. */
import { LIMITS } from "../../src/core/limits.js";
import { WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { connect, type JobSpec } from "../../src/index.js";
import { openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { withClient } from "../runtime/jobs.js";
import type { CentralProcess } from "../runtime/processes.js";

export interface HeldLease {
  readonly job: string;
  readonly epoch: number;
}

export interface HeldLeases {
  /** One for each list of files. */
  readonly leases: readonly HeldLease[];
  end(): void;
}

const ME = { site: "bench", instance: "bench" };

/** @param lists at most 1000 files each */
export async function holdLeases(
  { url, operatorToken, siteToken }: CentralProcess,
  lists: readonly (readonly string[])[],
): Promise<HeldLeases> {
  const jobs = lists.map((paths): JobSpec => {
    const [input, ...parts] = paths.map((path) => ({ path }));
    const out = { path: `${input!.path}.hdf` };
    return {
      work: { app: "xpcs.corr", input: input!, parts, qmap: input!, out, overwrite: false, options: {} },
      ...{ tags: {}, attemptsMax: 1 },
    };
  });
  const { jobs: ids } = await withClient(connect(url, { token: operatorToken }), (client) => client.submit({ jobs }));
  const link = await openWebSocket(url, { clock: realClock });
  const { remote, close } = await openSession<WorkSource>(link, WORK_SOURCE_METHODS, {
    clock: realClock,
    token: siteToken,
    version: VERSION,
    party: "site",
  });
  await remote.join({ ...ME, host: "bench", slots: lists.length, apps: ["xpcs.corr"], held: [] });
  const found: HeldLease[] = [];
  while (found.length < lists.length) {
    const { leases } = await remote.lease({ ...ME, slots: lists.length - found.length, waitMs: 5_000 });
    found.push(...leases.map(({ job, epoch }) => ({ job, epoch })));
  }
  const held = found.map((lease) => ({ ...lease, state: "staged-in", progress: null }) as const);
  const timer = setInterval(() => void remote.renew({ ...ME, held }).catch(() => {}), LIMITS.renewMs);
  return {
    leases: ids.map((id) => found.find(({ job }) => job === id)!),
    end() {
      clearInterval(timer);
      close();
    },
  };
}
