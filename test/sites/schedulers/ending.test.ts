/** How a batch job ended, from what there is to go by. */
import { expect, it } from "vitest";
import { conclude, type Evidence } from "../../../src/sites/batch-ending.js";
import type { Ending } from "../../../src/sites/schedulers/define.js";

const NOTHING: Evidence = { exitCode: null, canceled: false, atLimit: false, listed: null, accounted: null, patienceOver: false };
const told = (outcome: Ending["outcome"], exitCode: number | null = null): Ending => ({ outcome, exitCode, sentence: `told ${outcome}` });

it.each<[string, Partial<Evidence>, Partial<Ending> | null]>([
  ["nothing yet", {}, null],
  ["nothing for ever", { patienceOver: true }, { outcome: "gone" }],
  ["success, whatever the scheduler thinks", { exitCode: 0, listed: told("failed", 1), canceled: true }, { outcome: "done", exitCode: 0 }],
  ["an exit code", { exitCode: 3 }, { outcome: "failed", exitCode: 3, sentence: "it ended with exit code 3" }],
  ["a signal, before accounting has come", { exitCode: 143 }, null],
  [
    "a signal, and accounting has nothing to add",
    { exitCode: 143, accounted: told("failed", 143) },
    { outcome: "failed", sentence: expect.stringContaining("signal 15") },
  ],
  ["a signal, and accounting never came", { exitCode: 137, patienceOver: true }, { outcome: "failed", exitCode: 137 }],
  ["the cause in the listing", { exitCode: 143, listed: told("time-limit") }, { outcome: "time-limit", exitCode: 143 }],
  [
    "the cause in accounting, before that of the listing",
    { listed: told("canceled"), accounted: told("out-of-memory", 137) },
    { outcome: "out-of-memory", exitCode: 137 },
  ],
  ["a listing without a cause, while accounting may come", { listed: told("failed", 1) }, null],
  ["a listing without a cause, at last", { listed: told("failed", 1), patienceOver: true }, { outcome: "failed", exitCode: 1 }],
  ["completed, without the file", { listed: told("done", 0) }, { outcome: "done" }],
  ["canceled here", { canceled: true, exitCode: 143 }, { outcome: "canceled", exitCode: 143 }],
  ["canceled here before it began", { canceled: true, patienceOver: true }, { outcome: "canceled", exitCode: null }],
  ["canceled here, and completed in its scheduler's words", { canceled: true, listed: told("done") }, { outcome: "canceled" }],
  ["canceled here, and perhaps not ended", { canceled: true }, null],
  ["canceled here, when its node was lost already", { canceled: true, accounted: told("node-failed") }, { outcome: "node-failed" }],
  ["told to end at its limit, without accounting", { atLimit: true, exitCode: 143, patienceOver: true }, { outcome: "time-limit" }],
  ["told to end at its limit, killed", { atLimit: true, listed: told("gone") }, { outcome: "time-limit" }],
  [
    "a second start",
    { listed: told("failed", 75), patienceOver: true },
    { outcome: "failed", sentence: expect.stringContaining("started it again") },
  ],
  ["a process that is gone", { listed: told("gone") }, { outcome: "gone" }],
])("%s", (_name, evidence, ending) => {
  const found = conclude({ ...NOTHING, ...evidence });
  if (ending === null) expect(found).toBeNull();
  else expect(found).toMatchObject(ending);
});
