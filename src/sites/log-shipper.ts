/** Sends what a command writes to central, while it runs: the growth of its log files, in order. */
import { open } from "node:fs/promises";
import { type Clock, sleep, WOKEN } from "../core/clock.js";
import { toXpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { type LeaseRef, LOG_STREAMS, type LogStream, type WorkSource } from "../core/protocols.js";
import type { Reconnecting } from "../wire/reconnecting.js";

export interface LogShippingOptions {
  readonly site: string;
  readonly instance: string;
  readonly link: Pick<Reconnecting<WorkSource>, "call">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lease: LeaseRef;
  /** Files that only grow. */
  readonly files: Readonly<Record<LogStream, string>>;
  readonly abandon: AbortSignal;
}

async function readFrom(path: string, offset: number): Promise<Uint8Array> {
  const file = await open(path, "r").catch(() => null);
  if (file === null) return new Uint8Array();
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(LIMITS.logChunkBytes), 0, LIMITS.logChunkBytes, offset);
    return buffer.slice(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Looks for the first time after `LIMITS.logFollowMs`; `finish` resolves when all that is in the files then has been sent, or central does not want it. */
export function shipLogs(options: LogShippingOptions): { finish(): Promise<void> } {
  const { site, instance, link, clock, logger, lease, files, abandon } = options;
  const finishing = new AbortController();
  const follow = async (stream: LogStream): Promise<void> => {
    let offset = 0;
    await sleep(clock, LIMITS.logFollowMs, finishing.signal);
    for (;;) {
      // Asked before reading: what was written until then is sent.
      const last = finishing.signal.aborted;
      const data = await readFrom(files[stream], offset);
      if (data.length === 0) {
        if (last) return;
        await sleep(clock, LIMITS.logFollowMs, finishing.signal);
        continue;
      }
      const at = offset;
      const { size } = await link.call((source) => source.pushLog({ site, instance, lease, stream, offset: at, data }), {
        signal: abandon,
      });
      // Central takes no more than a log may have.
      if (size <= at) return;
      offset = size;
    }
  };
  const shipping = Promise.all(LOG_STREAMS.map(follow)).then(
    () => {},
    (error: unknown) => logger.info("log-not-sent", { job: lease.job, epoch: lease.epoch, reason: toXpcsError(error).message }),
  );
  return {
    async finish() {
      finishing.abort(WOKEN);
      await shipping;
    },
  };
}
