/**
 * How many pilots a site should have: from the work that waits, what its pilots still have room for, and its limits. Pure.
 * A pilot is a batch job in which a site of its own works for central.
 */
import type { BudgetAnswer } from "./node-hours.js";
import { type SiteOrders, takesNothing } from "./site-orders.js";

export interface PilotLimits {
  /** Kept even when nothing waits. */
  readonly pilotsMin: number;
  readonly pilotsMax: number;
  /** Of them, at most this many that have not begun. */
  readonly queuedMax: number;
  /** Jobs at a time in one batch job. */
  readonly slotsPerPilot: number;
}

export interface PilotSeen {
  readonly tag: string;
  /** It has begun, as far as the scheduler tells. */
  readonly begun: boolean;
  /** Slots that are free, once one of it has joined central; null before. */
  readonly freeSlots: number | null;
}

export interface PilotView {
  /** Slots that the waiting jobs need which a pilot could run. */
  readonly waitingSlots: number;
  /** In the order in which they were submitted. */
  readonly pilots: readonly PilotSeen[];
  /** Until then nothing is submitted, since pilots have failed. Null: no wait. */
  readonly pausedFor: string | null;
  /** How many may be queued by the budget of node-hours, and why; null: there is none. */
  readonly budget: BudgetAnswer | null;
}

export interface PilotPlan {
  readonly submit: number;
  /** Pilots that have not begun and are no longer needed: the youngest. */
  readonly withdraw: readonly string[];
  /** One sentence for people. */
  readonly why: string;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

/** What to do while the admin's orders hold; null: there are none. Asks nothing of central. */
export function planOrders(orders: SiteOrders, pilots: readonly Pick<PilotSeen, "tag" | "begun">[]): PilotPlan | null {
  const why = takesNothing(orders);
  if (why === null) return null;
  const withdraw = pilots.filter(({ begun }) => orders.halt !== null || !begun).map(({ tag }) => tag);
  const left = pilots.length - withdraw.length;
  const finish = left === 0 ? "" : `, ${counted(left, "pilot")} may finish`;
  return { submit: 0, withdraw, why: `${why}: ${counted(withdraw.length, "pilot")} withdrawn${finish}` };
}

/**
 * What to do now. Room in pilots that run counts first, then that of pilots that have begun but not joined, then that of queued ones; only what waits beyond it
 * is a reason for another pilot.
 */
export function planPilots({ waitingSlots, pilots, pausedFor, budget }: PilotView, limits: PilotLimits): PilotPlan {
  const { pilotsMin, pilotsMax, queuedMax, slotsPerPilot } = limits;
  const begun = pilots.filter((pilot) => pilot.begun);
  const queued = pilots.filter((pilot) => !pilot.begun);
  const room = begun.reduce((sum, { freeSlots }) => sum + (freeSlots ?? slotsPerPilot), 0);
  const unserved = Math.max(0, waitingSlots - room);
  const asked = begun.length + Math.ceil(unserved / slotsPerPilot);
  const wanted = Math.min(pilotsMax, Math.max(pilotsMin, asked));
  const wantedByWork = Math.max(0, wanted - begun.length);
  const wantedQueued = Math.min(wantedByWork, budget?.queuedMax ?? wantedByWork);
  const tooMuch = wantedQueued < wantedByWork ? `; ${budget?.why}` : "";
  const need =
    `${counted(waitingSlots, "slot")} of work wait${waitingSlots === 1 ? "s" : ""}, ${counted(begun.length, "pilot")} with room for ${room}, ` +
    `${queued.length} queued`;
  if (queued.length > wantedQueued) {
    const withdraw = queued.slice(wantedQueued).map(({ tag }) => tag);
    const why = tooMuch === "" ? "no longer needed" : `withdrawn${tooMuch}`;
    return { submit: 0, withdraw, why: `${need}: ${counted(withdraw.length, "queued pilot")} ${why}` };
  }
  const missing = wantedQueued - queued.length;
  if (missing === 0) {
    const capped = asked > pilotsMax ? `; the limit is ${counted(pilotsMax, "pilot")}` : "";
    return { submit: 0, withdraw: [], why: tooMuch === "" ? `${need}: enough${capped}` : `${need}: none more${tooMuch}` };
  }
  if (pausedFor !== null) return { submit: 0, withdraw: [], why: `${need}: ${counted(missing, "pilot")} more needed, but ${pausedFor}` };
  const submit = Math.min(missing, Math.max(0, queuedMax - queued.length));
  const left = submit < missing ? `; no more than ${queuedMax} may be queued` : "";
  return { submit, withdraw: [], why: `${need}: ${submit} more${left}${tooMuch}` };
}
