/** One process of the pool: runs one task after the other. */
import { type Contender, type RunResult, runOnce, type Setting } from "./published-run.js";
import { type MoveResult, runSlower } from "./slower.js";

export type Task =
  | { readonly kind: "runs"; readonly contenders: readonly Contender[]; readonly setting: Setting; readonly seed: number }
  | { readonly kind: "slower"; readonly contender: Contender; readonly setting: Setting; readonly seed: number };

function answerOf(task: Task): readonly RunResult[] | MoveResult {
  if (task.kind === "slower") return runSlower(task.contender, task.setting, task.seed);
  return task.contenders.map((contender) => runOnce(contender, task.setting, task.seed));
}

process.on("message", (task: Task) => {
  try {
    process.send?.({ answer: answerOf(task) });
  } catch (error) {
    process.send?.({ error: (error as Error).stack ?? String(error) });
  }
});
