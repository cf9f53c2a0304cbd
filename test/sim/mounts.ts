/**
 * What stands in the place of modules of the product in a simulation: `vi.mock` of a test file takes these. The file system of the sites is
 * the one in memory, and the ledger's rules can be replaced by a planted defect.
 */
import type { Command, Decision } from "../../src/ledger/decide.js";
import type { State } from "../../src/ledger/state.js";
import { simFsPromises } from "./files.js";

export type Decide = (state: State, command: Command, now: number) => Decision;

let planted: ((real: Decide) => Decide) | null = null;

/** Replaces the rules from now on; null: those of the product. */
export function plantRules(replace: ((real: Decide) => Decide) | null): void {
  planted = replace;
}

/** For `vi.mock("node:fs/promises")`. */
export function fsPromises(): object {
  return { ...simFsPromises, default: simFsPromises };
}

/** For `vi.mock` of src/ledger/decide.ts. */
export function withPlantedRules<T extends { readonly decide: Decide }>(real: T): T {
  return { ...real, decide: (state: State, command: Command, now: number) => (planted?.(real.decide) ?? real.decide)(state, command, now) };
}
