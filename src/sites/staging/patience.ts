/**
 * How long a transfer tries: a failure that may pass is told at once and tried again after a wait that grows; after a time without any progress it
 * is final. One patience is shared by all parts of a transfer, so that one part's progress counts for all.
 */
import { setMaxListeners } from "node:events";
import { type Clock, sleep } from "../../core/clock.js";
import { isCode, toXpcsError, XpcsError } from "../../core/errors.js";

export interface PatienceOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
  /** Final after so long without progress, ms. */
  readonly giveUpMs: number;
  /** Told why it waits, and null when it goes on. */
  readonly report: (reason: string | null) => void;
  readonly signal: AbortSignal;
}

export interface Patience {
  /** Bytes have moved, or a question was answered. */
  progressed(): void;
  /** Does `work` until it succeeds. @throws what cannot pass · UNAVAILABLE there was no progress for too long · CANCELED */
  again<T>(work: () => Promise<T>): Promise<T>;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

/** Of a question outside an attempt's transfer: some tries, then whoever asked tells. */
const BRIEF_MS = 5_000;

function mayPass(error: unknown): boolean {
  return isCode(error, "UNAVAILABLE") || isCode(error, "OVERLOADED") || isCode(error, "DEADLINE_EXCEEDED");
}

/** Begins now. */
export function createPatience({ clock, rng, giveUpMs, report, signal }: PatienceOptions): Patience {
  // Each part that waits listens.
  setMaxListeners(0, signal);
  let progressMs = clock.monotonicMs();
  let waitMs = FIRST_WAIT_MS;
  let reported = false;
  const checkStopped = () => {
    if (signal.aborted) throw new XpcsError("CANCELED", "the transfer was stopped");
  };
  const patience: Patience = {
    progressed() {
      progressMs = clock.monotonicMs();
      waitMs = FIRST_WAIT_MS;
      if (reported) report(null);
      reported = false;
    },
    async again(work) {
      for (;;) {
        checkStopped();
        try {
          const done = await work();
          patience.progressed();
          return done;
        } catch (error) {
          checkStopped();
          if (!mayPass(error)) throw error;
          const { message } = toXpcsError(error);
          const idleMs = clock.monotonicMs() - progressMs;
          if (idleMs >= giveUpMs) throw new XpcsError("UNAVAILABLE", `no byte moved for ${Math.round(idleMs / 1_000)} s: ${message}`);
          report(`the transfer waits and tries again: ${message}`);
          reported = true;
          // Half of it by chance, so that many do not come back together.
          await sleep(clock, Math.min(waitMs * (0.5 + rng() / 2), giveUpMs - idleMs), signal);
          waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
        }
      }
    },
  };
  return patience;
}

/** Of a transfer of a location. @param giveUpS final after so long without progress, s */
export function patienceOf(
  { clock, rng }: Pick<PatienceOptions, "clock" | "rng">,
  { giveUpS }: { readonly giveUpS: number },
  { report, signal }: Pick<PatienceOptions, "report" | "signal">,
): Patience {
  return createPatience({ clock, rng, giveUpMs: giveUpS * 1_000, report, signal });
}

/** For a question outside an attempt's transfer. */
export function briefPatience({ clock, rng }: Pick<PatienceOptions, "clock" | "rng">): Patience {
  return createPatience({ clock, rng, giveUpMs: BRIEF_MS, report: () => {}, signal: new AbortController().signal });
}
