/** Makes the list of faults of a failing run smaller, and says how to run it again. */
import { type Fault, faultText } from "./faults.js";
import type { Outcome } from "./simulate.js";

const RUNS_MAX = 80;

export interface Shrunk {
  /** Places in the seed's list. */
  readonly kept: readonly number[];
  readonly outcome: Outcome;
}

/**
 * Leaves faults out, halves first and single ones last, as long as a promise stays broken (delta debugging, Zeller and Hildebrandt 2002).
 *
 * @param run the seed's run with these faults
 */
export async function shrink(
  faults: readonly Fault[],
  first: Outcome,
  run: (faults: readonly Fault[]) => Promise<Outcome>,
): Promise<Shrunk> {
  let kept = faults.map((_, at) => at);
  let outcome = first;
  let runs = 0;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < kept.length && runs < RUNS_MAX; ) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
      runs += 1;
      const next = await run(rest.map((at) => faults[at]!));
      if (next.broken === null) from += size;
      else {
        kept = rest;
        outcome = next;
      }
    }
  }
  return { kept, outcome };
}

/** What a person needs to know of a failing run. */
export function failureText(seed: number, faults: readonly Fault[], { kept, outcome }: Shrunk): string {
  const list = kept.map((at) => `  ${at}: ${faultText(faults[at]!)}`);
  return [
    `seed ${seed} broke ${outcome.broken?.message}`,
    `with ${kept.length} of its ${faults.length} faults:`,
    ...list,
    "the last ledger events:",
    ...outcome.trace.map((line) => `  ${line}`),
    `run it again: npm run test:sim -- --seed ${seed} --faults ${kept.length === 0 ? "none" : kept.join(",")}`,
  ].join("\n");
}
