/** Tells central what is known of a stream that runs here: the latest only, some times a second at most. A snapshot that is lost is only late. */
import { type Clock, sleep } from "../core/clock.js";
import { toXpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { LiveSnapshot } from "../core/live.js";
import type { Logger } from "../core/log.js";
import type { LeaseRef, WorkSource } from "../core/protocols.js";
import type { Reconnecting } from "../wire/reconnecting.js";

export interface LiveShippingOptions {
  readonly site: string;
  readonly instance: string;
  readonly link: Pick<Reconnecting<WorkSource>, "call">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lease: LeaseRef;
  readonly abandon: AbortSignal;
}

/** `finish` resolves when the last snapshot has been sent, or central does not want it. */
export function shipLive(options: LiveShippingOptions): { tell(live: LiveSnapshot): void; finish(): Promise<void> } {
  const { site, instance, link, clock, logger, lease, abandon } = options;
  let next: LiveSnapshot | null = null;
  let sending: Promise<void> | null = null;
  let refused = false;
  let finishing = false;
  const send = async (): Promise<void> => {
    while (next !== null && !refused) {
      const live: LiveSnapshot = next;
      next = null;
      try {
        await link.call((source) => source.pushLive({ site, instance, lease, live }), { signal: abandon });
      } catch (error) {
        // Such as a central of a version without streams: the result comes all the same.
        refused = true;
        logger.info("live-not-sent", { job: lease.job, epoch: lease.epoch, reason: toXpcsError(error).message });
      }
      if (!finishing) await sleep(clock, LIMITS.liveEveryMs);
    }
    sending = null;
  };
  return {
    tell(live) {
      next = live;
      sending ??= send();
    },
    async finish() {
      finishing = true;
      await sending;
    },
  };
}
