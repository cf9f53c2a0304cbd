/**
 * The room on central's disk. Before it is full, new work is refused, so that what has been accepted can be brought to its end: a ledger that cannot
 * be written is the end of central.
 */
import { statfs } from "node:fs/promises";
import type { Clock, Timer } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";

const MB = 1e6;

/** Between two looks while much is written, ms: what a disk takes in that time is far less than the reserve. */
const SOON_MS = 50;

export class DiskRoom {
  readonly #dir: string;
  readonly #reserveBytes: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #freeBytes = Number.POSITIVE_INFINITY;
  #short = false;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  #stopped = false;

  /** @param reserveBytes what must stay free for jobs that have been accepted */
  constructor(dir: string, reserveBytes: number, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#dir = dir;
    this.#reserveBytes = reserveBytes;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Looks now, and then every second. */
  async start(): Promise<void> {
    await this.#look();
    if (this.#stopped) return;
    this.#timer = this.#clock.after(LIMITS.diskCheckMs, () => void this.start());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Something was written: looks, unless it has just done so. */
  written(): void {
    if (this.#clock.monotonicMs() - this.#lookedMs >= SOON_MS) void this.#look();
  }

  async #look(): Promise<void> {
    this.#lookedMs = this.#clock.monotonicMs();
    try {
      const { bavail, bsize } = await statfs(this.#dir);
      this.#freeBytes = bavail * bsize;
    } catch (error) {
      this.#logger.warn("disk-not-seen", { reason: (error as Error).message });
      return;
    }
    const short = this.#freeBytes < this.#reserveBytes;
    if (short === this.#short) return;
    this.#short = short;
    const facts = { freeMb: Math.round(this.#freeBytes / MB), reserveMb: Math.round(this.#reserveBytes / MB) };
    if (short) this.#logger.error("disk-nearly-full", facts);
    else this.#logger.info("disk-has-room", facts);
  }

  /** The refusal of new work while there is too little room. */
  refusal(): XpcsError | null {
    if (!this.#short) return null;
    const [free, reserve] = [this.#freeBytes, this.#reserveBytes].map((bytes) => Math.round(bytes / MB));
    return new XpcsError(
      "OVERLOADED",
      `central's disk is nearly full (${free} MB are left, ${reserve} MB are kept for jobs that it has): nothing new is taken until there is room`,
    );
  }
}
