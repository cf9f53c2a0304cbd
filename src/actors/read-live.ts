/** A client's look at a stream that runs as a job: from a cursor on, waiting for more while the job runs. */
import { isFinal } from "../core/job.js";
import type { ClientApi, LivePart } from "../core/protocols.js";
import type { Central } from "./central.js";
import type { Horizon } from "./horizon.js";

/**
 * The latest of a stream, where it is newer than the cursor (`ClientApi.live`).
 *
 * @throws NOT_FOUND
 */
export async function readLive(central: Central, horizon: Horizon, request: Parameters<ClientApi["live"]>[0]): Promise<LivePart> {
  const { id, cursor, waitMs } = request;
  const { clock, feed, live } = central;
  const endMs = clock.monotonicMs() + waitMs;
  for (;;) {
    const leftMs = Math.max(0, endMs - clock.monotonicMs());
    let forget: () => void = () => {};
    const told = new Promise<void>((resolve) => {
      forget = live.onTold(id, resolve);
    });
    try {
      // Waiting begins within the turn: what the next turn changes must end it.
      const { state, changed } = await central.turn(() => ({ state: horizon.any(id).state, changed: { wait: feed.wait(clock, leftMs) } }));
      const ended = state !== "leased" && isFinal(state);
      const latest = live.latest(id);
      const now = latest === null ? null : `${latest.epoch}.${latest.live.cursor}`;
      const news = now !== null && now !== cursor;
      if (news || ended || leftMs === 0 || feed.stopped) {
        return { cursor: now ?? cursor, epoch: latest?.epoch ?? 0, live: news ? latest!.live : null, ended };
      }
      await Promise.race([told, changed.wait]);
    } finally {
      forget();
    }
  }
}
