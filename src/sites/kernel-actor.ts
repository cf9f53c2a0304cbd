/** The actor inside a kernel host: one piece of work at a time, with progress and cancel. The process around it is kernel-host-main.ts. */
import type { CorrProgress, CorrRequest, CorrSummary } from "../core/analysis.js";
import { type Clock, sleep } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { KernelHost } from "../core/protocols.js";

export interface KernelActorOptions {
  readonly clock: Clock;
  /** The native core. */
  readonly correlate: (request: CorrRequest, onProgress: (progress: CorrProgress) => void, signal: AbortSignal) => Promise<CorrSummary>;
}

/** A second `run` while one runs is OVERLOADED. */
export function createKernelActor({ clock, correlate }: KernelActorOptions): KernelHost {
  let running: AbortController | null = null;
  let progress: CorrProgress | null = null;
  let news = new AbortController();

  const report = (next: CorrProgress | null): void => {
    progress = next;
    news.abort();
    news = new AbortController();
  };
  const noop = async (durationMs: number, signal: AbortSignal): Promise<null> => {
    await sleep(clock, durationMs, signal);
    if (signal.aborted) throw new XpcsError("CANCELED", "the work was stopped");
    return null;
  };

  return {
    async run({ work }) {
      if (running) throw new XpcsError("OVERLOADED", "this kernel host is busy: it runs one piece of work at a time");
      running = new AbortController();
      const { signal } = running;
      report(null);
      try {
        return { summary: work.app === "xpcs.noop" ? await noop(work.durationMs, signal) : await correlate(work.request, report, signal) };
      } finally {
        running = null;
      }
    },
    async progress({ waitMs }) {
      await sleep(clock, waitMs, news.signal);
      return { progress };
    },
    async cancel() {
      running?.abort();
      return {};
    },
  };
}
