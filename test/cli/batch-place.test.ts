/** What a site learns of the batch job in which it works from that job's environment. */
import { expect, it } from "vitest";
import { batchPlace } from "../../src/cli/batch-place.js";

it("is in no batch job that says nothing", () => {
  expect(batchPlace({}, 1_000)).toMatchObject({ endsS: null, queueWaitS: null, launcher: null, pilot: null });
});

it("knows how long its batch job has waited; a clock that is behind makes no wait", () => {
  expect(batchPlace({ XPCS_BATCH_ENDS_S: "4600", XPCS_BATCH_SUBMITTED_S: "400" }, 1_000.4)).toMatchObject({
    endsS: 4_600,
    queueWaitS: 600,
  });
  expect(batchPlace({ XPCS_BATCH_SUBMITTED_S: "1100" }, 1_000).queueWaitS).toBe(0);
  expect(batchPlace({ XPCS_BATCH_SUBMITTED_S: "soon" }, 1_000).queueWaitS).toBeNull();
});
