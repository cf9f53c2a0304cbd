/**
 * Which files are complete, by looking again and again: change notices do not cross network file systems. A detector may write under the final
 * name (then the file must have rested), rename (complete at once), or write another file when it is done (the companion).
 */
import { type BigIntStats, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { isCompanionName } from "../core/live.js";
import { stemOf } from "../xpcs/corr-files.js";

export interface Completeness {
  /** A file whose size and time have not changed for so long is complete, ms; 0: as soon as it is there. */
  readonly settleMs: number;
  /** Name of the file that says so too, with `*` for the input's name without its ending; null: none. */
  readonly companion: string | null;
}

/** @throws INVALID_ARGUMENT it names one file for all inputs, or one elsewhere */
export function checkCompanion(companion: string): void {
  if (!isCompanionName(companion))
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `--companion ${companion}: it must be a name beside the input, with one * for its name and something besides, such as '*.done'`,
    );
}

/** Whether `name` is that of a companion. */
export function isCompanion(name: string, companion: string | null): boolean {
  const [before = "", after = ""] = companion?.split("*") ?? [];
  return companion !== null && name.length > before.length + after.length && name.startsWith(before) && name.endsWith(after);
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined; // not there, or not readable: whoever opens it says why
  }
}

export class SettledFiles {
  readonly #clock: Clock;
  readonly #how: Completeness;
  readonly #seen = new Map<string, { readonly identity: string; readonly sinceMs: number }>();

  constructor(clock: Clock, how: Completeness) {
    this.#clock = clock;
    this.#how = how;
  }

  /** The companion of a file; null: none is asked for. */
  companionOf(path: string): string | null {
    const { companion } = this.#how;
    return companion === null
      ? null
      : join(
          dirname(path),
          companion.replace("*", () => stemOf(basename(path))),
        );
  }

  /** Looks at a detector file: what tells this content from another under the same name, or null while it is not complete. */
  look(path: string): string | null {
    const identity = this.rested(path, { mayBeEmpty: false });
    const companion = this.companionOf(path);
    if (identity === null || companion === null) return identity;
    return this.rested(companion, { mayBeEmpty: true }) === null ? null : identity;
  }

  /** It is not looked at again. */
  forget(path: string): void {
    this.#seen.delete(path);
    const companion = this.companionOf(path);
    if (companion !== null) this.#seen.delete(companion);
  }

  /** The same of a file that belongs to one. */
  rested(path: string, { mayBeEmpty }: { mayBeEmpty: boolean }): string | null {
    const found = statOf(path);
    if (found === undefined || !found.isFile() || (found.size === 0n && !mayBeEmpty)) {
      this.#seen.delete(path);
      return null;
    }
    const identity = `${found.size} ${found.mtimeNs}`;
    const nowMs = this.#clock.monotonicMs();
    const before = this.#seen.get(path);
    if (before?.identity === identity) return nowMs - before.sinceMs >= this.#how.settleMs ? identity : null;
    this.#seen.set(path, { identity, sinceMs: nowMs });
    return this.#how.settleMs === 0 ? identity : null;
  }
}
