/**
 * The slots of a site, as its attempts take them: an attempt brings its files first, and then waits for its slots, in order; it leaves them when its work is
 * done, so that its result goes out while the next one runs.
 */
import { XpcsError } from "../core/errors.js";
import { NOTHING, needOf, plus, SHARED, type Shared } from "../router/policy.js";
import type { HeldLease } from "./held-leases.js";

export interface RunSlots {
  /** Resolves when the attempt has its slots, with the names of its nodes if it asks for some. @throws CANCELED it was stopped meanwhile */
  take(held: HeldLease): Promise<readonly string[]>;
  /** Harmless when it has none. */
  leave(held: HeldLease): void;
  /** From now on none is given; attempts that wait go back. */
  close(): void;
}

const needs = ({ lease }: HeldLease): Shared => needOf(lease.resources ?? {});

/**
 * @param has what the site's jobs share
 * @param hosts names of its nodes, `has.nodes` of them
 */
export function createRunSlots(has: Shared, hosts: readonly string[]): RunSlots {
  const running = new Map<HeldLease, readonly string[]>();
  const freeHosts = [...hosts];
  const waiting = new Map<HeldLease, () => void>();
  let closed = false;
  const fits = (held: HeldLease): boolean => {
    const own = needs(held);
    const taken = [...running.keys()].map(needs).reduce(plus, NOTHING);
    return SHARED.every((what) => own[what] === 0 || taken[what] + own[what] <= has[what]);
  };
  const admit = (): void => {
    for (const [held, go] of waiting) {
      // The first comes first, also when a later one would fit: a wide job is not overtaken for ever.
      if (!fits(held)) return;
      waiting.delete(held);
      running.set(held, freeHosts.splice(0, needs(held).nodes));
      go();
    }
  };
  return {
    async take(held) {
      let go = (): void => {};
      const turn = new Promise<void>((resolve) => {
        go = resolve;
      });
      waiting.set(held, go);
      held.signal.addEventListener("abort", go);
      if (closed) held.stop("returned");
      else admit();
      if (!held.signal.aborted) await turn;
      held.signal.removeEventListener("abort", go);
      if (!held.signal.aborted) return running.get(held)!;
      waiting.delete(held);
      this.leave(held);
      throw new XpcsError("CANCELED", "the attempt was stopped");
    },
    leave(held) {
      const mine = running.get(held);
      if (mine === undefined) return;
      running.delete(held);
      freeHosts.push(...mine);
      admit();
    },
    close() {
      closed = true;
      for (const held of [...waiting.keys()]) held.stop("returned");
    },
  };
}
