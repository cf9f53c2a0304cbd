/** What only a real OAR does: `npm run test:schedulers`. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { oar } from "../../../src/sites/schedulers/oar.js";
import { RIGS } from "./rigs.js";
import { createPlace, type Place, reaches, type Stage } from "./stage.js";

const rig = RIGS.oar!;
const PATIENCE_S = 90;

describe.skipIf(rig.skip !== null)("a real OAR", () => {
  let stage: Stage;
  let place: Place;
  beforeEach(async () => {
    stage = await rig.start();
    place = createPlace(oar, stage);
  });
  afterEach(() => place.remove());

  const submit = (script: string, own: Readonly<Record<string, unknown>> = {}) => place.jobs().submit(place.request(script, own));

  it("gives a job's node to another", async () => {
    const whole = { constraint: "network_address=n3&cpu>=3", cpusPerNode: 8 };
    const lowly = await submit("sleep 300", { ...whole, queue: "besteffort" });
    await reaches(place.jobs(), lowly.ref, "running", PATIENCE_S);
    const urgent = await submit("sleep 1", whole);
    expect((await reaches(place.jobs(), lowly.ref, "ended", PATIENCE_S)).ending).toMatchObject({ outcome: "preempted" });
    expect((await reaches(place.jobs(), urgent.ref, "ended", PATIENCE_S)).ending).toMatchObject({ outcome: "done" });
  }, 300_000);

  it("refuses a property that no node has, in OAR's words", async () => {
    await expect(submit("true", { constraint: "frobnication=high" })).rejects.toMatchObject({
      code: "REFUSED",
      message: expect.stringContaining("frobnication"),
    });
  });

  it("lets a job wait for another, however that ends", async () => {
    const first = await submit("sleep 5; exit 3");
    const second = await submit("true", { after: [first.ref.id], account: "xpcs" });
    expect((await place.jobs().poll([second.ref]))[0]).toMatchObject({ phase: "queued" });
    expect((await reaches(place.jobs(), second.ref, "ended", PATIENCE_S)).ending).toMatchObject({ outcome: "done" });
    expect((await place.jobs().poll([first.ref]))[0]!.ending).toMatchObject({ outcome: "failed", exitCode: 3 });
  }, 300_000);

  it("cancels a job that waits, and the one for which it waits", async () => {
    const first = await submit("sleep 300");
    const second = await submit("true", { after: [first.ref.id] });
    for (const { ref } of [second, first]) {
      await place.jobs().cancel(ref);
      expect((await reaches(place.jobs(), ref, "ended", PATIENCE_S)).ending).toMatchObject({ outcome: "canceled" });
    }
  }, 300_000);
});
