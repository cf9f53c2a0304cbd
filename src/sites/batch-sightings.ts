/** What schedulers list, made of their words for states: sightings of jobs, ids, endings. Pure. */
import type { Ending, Phase, Sighting } from "./schedulers/define.js";

/** Phase and sentence by a scheduler's word for a state. */
export type States = ReadonlyMap<string, readonly [Phase, string]>;

/**
 * What is said of a job in a state.
 *
 * @param who says it: `Slurm`
 * @param note reason or comment, in the scheduler's words; empty: none
 * @param ending null: it has not ended
 */
export function sighting(who: string, states: States, job: { id: string; state: string; note?: string }, ending: Ending | null): Sighting {
  const { id, state, note = "" } = job;
  const words = note === "" ? state : `${state} (${note})`;
  if (ending !== null) return { id, phase: "ended", words, sentence: ending.sentence, ending };
  const [phase, sentence] = states.get(state) ?? ["unknown", `${who} gives it the state "${state}"`];
  return { id, phase, words, sentence, ending };
}

/** One of a listing that has the tags of jobs. */
export interface Listed extends Sighting {
  readonly tag: string;
}

/** Ids of those of a tag that have not ended. */
export function idsOf(tag: string, listed: readonly Listed[]): string[] {
  return listed.filter((job) => job.tag === tag && job.phase !== "ended").map(({ id }) => id);
}

/** How jobs ended, of which that is told. */
export function endingsIn(told: readonly Pick<Sighting, "id" | "ending">[]): Map<string, Ending> {
  return new Map(told.flatMap(({ id, ending }) => (ending === null ? [] : [[id, ending] as const])));
}
