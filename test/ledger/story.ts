/** A ledger's state under test: it obeys command after command, one second apart, and each event is held against what must hold of any history. */
import { XpcsError } from "../../src/core/errors.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type State } from "../../src/ledger/state.js";
import { Invariants } from "./world.js";

export class Story {
  readonly state: State = emptyState();
  readonly events: LedgerEvent[] = [];
  nowMs: number;
  readonly #invariants = new Invariants();

  constructor(nowMs = 0) {
    this.nowMs = nowMs;
  }

  /** Obeys, or answers with the refusal. */
  ask(command: Command): readonly LedgerEvent[] | XpcsError {
    this.nowMs += 1_000;
    const decision = decide(this.state, command, this.nowMs);
    if (decision instanceof XpcsError) return decision;
    for (const event of decision) {
      reduce(this.state, event);
      this.#invariants.check(event, this.state);
    }
    this.events.push(...decision);
    return decision;
  }

  obey(command: Command): readonly LedgerEvent[] {
    const answer = this.ask(command);
    if (answer instanceof XpcsError) throw answer;
    return answer;
  }
}
