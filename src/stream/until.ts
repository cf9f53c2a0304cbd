/**
 * When a stream is good enough: `error(q1..q10) < 2%`, `rate(q3) < 5%`, several with `and`. Pure. Looking often at a noisy number and stopping at its
 * first lucky value would make the result look better than it is; so lags with few photon pairs do not count, and two passes in a row are needed.
 * Why these: docs/streaming.md.
 */
import { XpcsError } from "../core/errors.js";
import type { LiveBin, LiveGoal } from "../core/live.js";

/** Photon pairs below which the error of a lag is too uncertain to decide anything: 100 pairs know it to about 7 %. */
export const PAIRS_MIN = 100;
/** Passes in a row that end a stream. */
export const PASSES = 2;
/** Lags with pairs enough that a bin needs before it can pass. */
const LAGS_MIN = 3;

/** `error`: the largest standard error of g2 over g2, of the lags with pairs enough. `rate`: the error of the fitted decay rate over the rate. */
interface Term {
  readonly what: "error" | "rate";
  /** 1-based; null: all. */
  readonly bins: readonly number[] | null;
  /** Fraction. */
  readonly below: number;
}

export interface Until {
  readonly text: string;
  readonly terms: readonly Term[];
}

const TERM = /^(error|rate)\s*(?:\(\s*([^)]*)\))?\s*<\s*([0-9.]+(?:e-?[0-9]+)?)\s*(%?)$/i;
const BINS_MAX = 65_536;

function wrong(text: string, why: string): XpcsError {
  return new XpcsError(
    "INVALID_ARGUMENT",
    `"${text}" cannot be waited for: ${why}; write it like "error(q1..q10) < 2%" or "rate(q3) < 5%"`,
  );
}

function binsOf(text: string, list: string | undefined): number[] | null {
  if (list === undefined || list.trim() === "") return null;
  return list.split(",").flatMap((part) => {
    const match = /^\s*q(\d+)(?:\s*\.\.\s*q?(\d+))?\s*$/i.exec(part);
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || from < 1 || to < from || to > BINS_MAX) throw wrong(text, `"${part.trim()}" names no q bins`);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/**
 * Reads an expression.
 * @throws INVALID_ARGUMENT what is wrong with it
 */
export function parseUntil(text: string): Until {
  const terms = text.split(/\s+and\s+/i).map((part): Term => {
    const match = TERM.exec(part.trim());
    if (match === null) throw wrong(text, `"${part.trim()}" is neither error(...) nor rate(...) below a number`);
    const below = Number(match[3]) / (match[4] === "%" ? 100 : 1);
    if (!(below > 0 && below < 10)) throw wrong(text, `${match[3]}${match[4]} is no error that can be reached`);
    return { what: match[1]!.toLowerCase() as Term["what"], bins: binsOf(text, match[2]), below };
  });
  return { text, terms };
}

/** One bin against one term. */
interface Standing {
  readonly bin: number;
  /** Null: nothing can be said yet. */
  readonly value: number | null;
  /** Frames needed over frames so far; null: nothing can be said. */
  readonly factor: number | null;
  readonly passes: boolean;
}

/** Errors shrink with the root of the frames. */
function factorOf(value: number, below: number): number {
  return (value / below) ** 2;
}

/** Standard errors of g2 over g2, of the lags with pairs enough. */
export function relativeErrors({ pairs, g2: values, error: errors }: LiveBin): number[] {
  return pairs.flatMap((count, d) => {
    const [g2, error] = [values[d], errors[d]];
    return count >= PAIRS_MIN && typeof g2 === "number" && g2 > 0 && typeof error === "number" && error > 0 ? [error / g2] : [];
  });
}

function standingOf(bin: LiveBin, { what, below }: Term): Standing {
  const nothing = { bin: bin.bin, value: null, factor: null, passes: false };
  const ready = relativeErrors(bin);
  if (ready.length < LAGS_MIN) {
    // From counting alone: 1 / sqrt(pairs), and at least PAIRS_MIN of them at enough lags.
    const best = [...bin.pairs].sort((a, b) => b - a)[LAGS_MIN - 1] ?? 0;
    if (best <= 0) return nothing;
    return { ...nothing, factor: Math.max(PAIRS_MIN / best, what === "error" ? 1 / (best * below ** 2) : 0) };
  }
  if (what === "error") {
    const value = Math.max(...ready);
    return { bin: bin.bin, value, factor: factorOf(value, below), passes: value < below };
  }
  const { fit } = bin;
  if (fit === null || fit.tauError === null || !(fit.tau > 0)) return nothing;
  const value = fit.tauError / fit.tau;
  return { bin: bin.bin, value, factor: factorOf(value, below), passes: value < below };
}

/** Keeps count of the passes; one for each stream. */
export class Goal {
  readonly #until: Until;
  #passes = 0;

  constructor(until: Until) {
    this.#until = until;
  }

  /** @throws INVALID_ARGUMENT it asks about a bin beyond the `bins` that there are */
  check(bins: number): void {
    const { text, terms } = this.#until;
    const beyond = terms.flatMap((term) => term.bins ?? []).find((bin) => bin > bins);
    if (beyond !== undefined) throw wrong(text, `the q-map has ${bins} bins and no q${beyond}`);
  }

  /**
   * Judges a snapshot; ask once for each.
   * @param frames that came @param frameTimeS null: not known
   * @returns how far it is; `passes` of PASSES or more means: enough
   * @throws INVALID_ARGUMENT as check
   */
  judge(bins: readonly LiveBin[], frames: number, frameTimeS: number | null): LiveGoal {
    const { text, terms } = this.#until;
    this.check(bins.length);
    const standings = terms.flatMap((term) => {
      const asked = term.bins ?? bins.map(({ bin }) => bin);
      return asked.map((number) => ({ ...standingOf(bins[number - 1]!, term), below: term.below }));
    });
    const all = standings.length > 0 && standings.every(({ passes }) => passes);
    this.#passes = all ? this.#passes + 1 : 0;
    const known = standings.every(({ factor }) => factor !== null) && standings.length > 0;
    const factor = Math.max(1, ...standings.map((one) => one.factor ?? 0));
    const worst = standings.reduce<(Standing & { below: number }) | null>(
      (most, one) => (one.value !== null && (most === null || one.value / one.below > most.value! / most.below) ? one : most),
      null,
    );
    const framesLeft = known ? Math.ceil(frames * (factor - 1)) : null;
    return {
      until: text,
      passes: this.#passes,
      worst: worst?.value ?? null,
      worstBin: worst?.bin ?? null,
      framesLeft,
      leftS: framesLeft === null || frameTimeS === null ? null : framesLeft * frameTimeS,
    };
  }
}
