/** The actor inside a kernel host: one piece of work at a time, with progress and cancel. The process around it is kernel-host-main.ts. */
import type { CorrProgress, CorrRequest, CorrSummary } from "../core/analysis.js";
import { type Clock, sleep, type Timer, WOKEN } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { StreamRequest } from "../core/live.js";
import type { CommandRun, KernelHost } from "../core/protocols.js";
import type { CommandRunner } from "./command-runner.js";

/** How often the silence of the site is measured. */
const WATCH_MS = 250;
export interface KernelActorOptions {
  readonly clock: Clock;
  readonly commands: CommandRunner;
  /** The native core. @param roots where the files of the input must be; null: anywhere */
  readonly correlate: (
    request: CorrRequest,
    roots: readonly string[] | null,
    onProgress: (progress: CorrProgress) => void,
    signal: AbortSignal,
  ) => Promise<CorrSummary>;
  /** A stream. @param finish ends it with a result */
  readonly stream: (
    request: StreamRequest,
    roots: readonly string[] | null,
    onProgress: (progress: CorrProgress) => void,
    stop: { readonly signal: AbortSignal; readonly finish: AbortSignal },
  ) => Promise<CorrSummary>;
}

/** A second `run` while one runs is OVERLOADED. */
export function createKernelActor({ clock, commands, correlate, stream }: KernelActorOptions): KernelHost {
  let finishing = new AbortController();
  let running: AbortController | null = null;
  let progress: CorrProgress | null = null;
  let news = new AbortController();
  /** When the site last gave a sign of life. */
  let heardMs = clock.monotonicMs();

  const report = (next: CorrProgress | null): void => {
    progress = next;
    news.abort(WOKEN);
    news = new AbortController();
  };
  const noop = async (durationMs: number, signal: AbortSignal): Promise<null> => {
    if (durationMs > 0) await sleep(clock, durationMs, signal);
    if (signal.aborted) throw new XpcsError("CANCELED", "the work was stopped");
    return null;
  };

  const command = async (run: CommandRun, stop: AbortController): Promise<null> => {
    let timer: Timer = { cancel() {} };
    heardMs = clock.monotonicMs();
    const watch = (): void => {
      timer = clock.after(WATCH_MS, () => {
        if (clock.monotonicMs() - heardMs <= LIMITS.exclusiveSilenceMs) return watch();
        stop.abort();
        commands.kill();
      });
    };
    if (run.exclusive) watch();
    try {
      await commands.run(run, stop.signal);
      return null;
    } finally {
      timer.cancel();
    }
  };

  return {
    async run({ work }) {
      if (running) throw new XpcsError("OVERLOADED", "this kernel host is busy: it runs one piece of work at a time");
      running = new AbortController();
      finishing = new AbortController();
      const { signal } = running;
      report(null);
      try {
        if (work.app === "command") return { summary: await command(work, running) };
        if (work.app === "xpcs.noop") return { summary: await noop(work.durationMs, signal) };
        if (work.app === "xpcs.stream")
          return { summary: await stream(work.stream, work.roots ?? null, report, { signal, finish: finishing.signal }) };
        return { summary: await correlate(work.request, work.roots ?? null, report, signal) };
      } finally {
        running = null;
      }
    },
    async progress({ waitMs }) {
      heardMs = clock.monotonicMs();
      await sleep(clock, waitMs, news.signal);
      return { progress };
    },
    async cancel() {
      running?.abort();
      return {};
    },
    async finish() {
      finishing.abort();
      return {};
    },
  };
}
