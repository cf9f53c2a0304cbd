/** Runs tests over the registry: each scheduler on its rig, each test with folders of its own, several at a time. */
import { afterAll, beforeAll, describe, it } from "vitest";
import type { Scheduler } from "../../../src/sites/schedulers/define.js";
import { SCHEDULERS } from "../../../src/sites/schedulers/registry.js";
import { RIGS } from "./rigs.js";
import { createPlace, type Place, type Rig, type Stage } from "./stage.js";

interface Options {
  /** Name of the folder of the batch jobs. */
  readonly folder?: string;
  readonly timeoutMs?: number;
}

interface Given {
  readonly scheduler: Scheduler;
  readonly rig: Rig;
  readonly test: (name: string, body: (place: Place) => Promise<void>, options?: Options) => void;
}

/** Where the machine is busy a real scheduler takes long. */
const TIMEOUT_MS = 120_000;

export function onEachScheduler(wanted: (rig: Rig) => boolean, tests: (given: Given) => void): void {
  const all = SCHEDULERS.map((scheduler) => ({ scheduler, name: scheduler.name, rig: RIGS[scheduler.name]! }));
  describe.concurrent.each(all.filter(({ rig }) => wanted(rig)))("$name ($rig.kind)", ({ scheduler, rig }) => {
    if (rig.skip !== null) {
      it.skip(`is not run here: ${rig.skip}`, () => {});
      return;
    }
    let stage: Stage;
    beforeAll(async () => {
      stage = await rig.start();
    }, 120_000);
    afterAll(() => stage.end());
    const test: Given["test"] = (name, body, { folder, timeoutMs = TIMEOUT_MS } = {}) =>
      it(
        name,
        async () => {
          const place = createPlace(scheduler, stage, folder);
          try {
            await body(place);
          } finally {
            place.remove();
          }
        },
        timeoutMs,
      );
    tests({ scheduler, rig, test });
  });
}
