/**
 * What a running site tells in its state folder: written every 2 s, whole, so that whoever shares the folder can read it, on whatever machine. And what it hears there: that it
 * shall stop.
 */
import { rmSync } from "node:fs";
import { z } from "zod";
import type { Clock } from "../../core/clock.js";
import type { XpcsError } from "../../core/errors.js";
import { type Holder, isAnothers, releaseSite } from "./holder.js";
import { jsonIfThere, replaceFile, type SiteFiles, textIfThere } from "./site-folder.js";

const BEAT_MS = 2_000;

const JOB = z.object({
  job: z.string(),
  epoch: z.number(),
  app: z.string(),
  state: z.string(),
  progress: z.number().nullable(),
  reason: z.string().nullable(),
});
const PILOT = z.object({ site: z.string(), batch: z.string(), phase: z.string(), sentence: z.string() });
/** How a site is. */
const VIEW = z.object({
  central: z.object({ url: z.string(), reached: z.boolean() }),
  slots: z.number(),
  /** What its admin has ordered, and the folder in which it looks for that. */
  orders: z.object({ folder: z.string(), drain: z.string().nullable(), halt: z.string().nullable() }),
  jobs: z.array(JOB),
  /** Null: it works itself. */
  pilots: z.object({ why: z.string().nullable(), list: z.array(PILOT) }).nullable(),
});
export type SiteNow = z.output<typeof VIEW>;

const STATUS = VIEW.extend({
  run: z.string(),
  state: z.enum(["working", "stopping", "ended"]),
  /** Grows with each writing. */
  beat: z.number(),
  /** ISO 8601 UTC. */
  at: z.string(),
  /** Since when central is reached, or not. */
  centralSince: z.string(),
  /** Of one that has ended: why, if not because it was told to. */
  failure: z.string().nullable(),
});
export type SiteStatus = z.output<typeof STATUS>;

/** What was written last, or null. */
export function statusOf(files: SiteFiles): SiteStatus | null {
  return jsonIfThere(files.status, STATUS);
}

const STOP = z.object({ run: z.string(), graceS: z.number().nullable() });

/** Asks that run to stop; null: within its own time. */
export function askToStop(files: SiteFiles, { run }: Holder, graceS: number | null): void {
  replaceFile(files.stop, JSON.stringify({ run, graceS }));
}

/** What that run was asked; null: nothing. */
function asked(files: SiteFiles, { run }: Holder): z.output<typeof STOP> | null {
  try {
    const stop = STOP.parse(JSON.parse(textIfThere(files.stop) ?? "null"));
    return stop.run === run ? stop : null;
  } catch {
    return null;
  }
}

export interface StatusOptions {
  readonly files: SiteFiles;
  readonly holder: Holder;
  readonly clock: Clock;
  readonly now: () => SiteNow;
  /** It is to stop: it was asked in its folder, or another has taken it. */
  readonly onStop: (reason: string) => void;
}

export interface StatusWriter {
  /** Time for what runs, s, as whoever stops it wants it; null: its own. */
  graceS(): number | null;
  /** From now on it is stopping. */
  stopping(): void;
  /** The last writing. @param failure null: it was told to end */
  end(failure: XpcsError | null): void;
}

/** Writes until `end`. A disk that takes nothing does not disturb the site. */
export function keepStatus({ files, holder, clock, now, onStop }: StatusOptions): StatusWriter {
  const iso = (): string => new Date(clock.nowMs()).toISOString();
  let beat = 0;
  let isStopping = false;
  let reached = false;
  let centralSince = iso();

  function write(state: SiteStatus["state"], failure: string | null = null): void {
    const view = now();
    if (view.central.reached !== reached) centralSince = iso();
    reached = view.central.reached;
    beat += 1;
    const status: SiteStatus = { ...view, run: holder.run, state, beat, at: iso(), centralSince, failure };
    try {
      replaceFile(files.status, `${JSON.stringify(status)}\n`);
    } catch {
      // The next one may succeed.
    }
  }

  function look(): void {
    write(isStopping ? "stopping" : "working");
    if (!isStopping && asked(files, holder) !== null) onStop("it was asked to stop");
    else if (!isStopping && isAnothers(files, holder)) onStop("another process has taken its state folder");
    timer = clock.after(BEAT_MS, look);
  }

  let timer = clock.after(0, look);
  return {
    graceS: () => asked(files, holder)?.graceS ?? null,
    stopping() {
      isStopping = true;
      write("stopping");
    },
    end(failure) {
      timer.cancel();
      write("ended", failure === null ? null : `${failure.message} (${failure.code})`);
      if (asked(files, holder) !== null) rmSync(files.stop, { force: true });
      releaseSite(files, holder);
    },
  };
}
