/** Every scheduler that is asked: what becomes of lost replies, lies, refusals and strange words. */
import { expect } from "vitest";
import { XpcsError } from "../../../src/core/errors.js";
import { onEachScheduler } from "./on-each-scheduler.js";
import { counted, handedIn, isSubmission, type Run, reaches, replying, reworded, saying } from "./stage.js";

onEachScheduler(
  (rig) => rig.asked !== "not at all",
  ({ scheduler, test }) => {
    test("finds the job when the reply to its submission is lost, or says that it failed", async (place) => {
      const lost: (run: Run) => Run = (run) => async (call) => {
        const reply = await run(call);
        if (handedIn(call, reply)) throw new XpcsError("DEADLINE_EXCEEDED", "no answer");
        return reply;
      };
      const lie = replying(handedIn, (_reply, call) => saying(call, "Batch job submission failed: no idea"));
      for (const wrap of [lost, lie]) {
        const asked = place.request(counted("sleep 1"));
        const jobs = place.jobs({ wrap });
        const { ref, attached } = await jobs.submit(asked);
        expect(attached).toBe(true);
        await reaches(jobs, ref, "ended");
        expect(place.runs(asked.tag)).toBe(1);
      }
    });

    test("tolerates states and reasons that it does not know", async (place) => {
      const listing = replying(
        (call) => !isSubmission(call),
        (reply) => reworded(reply, place.stage.strangeState!),
      );
      const { ref } = await place.jobs().submit(place.request("sleep 300"));
      const [status] = await place.jobs({ wrap: listing }).poll([ref]);
      expect(status).toMatchObject({ phase: "unknown", ending: null });
      expect(`${status!.words} ${status!.sentence}`).toMatch(/FROBNICATED|frobnicated|Z/);
      await place.jobs().cancel(ref);
      await reaches(place.jobs(), ref, "ended");
    });

    test("says in the scheduler's words why a job is refused", async (place) => {
      const jobs = place.jobs();
      const asked = place.request("exit 0", place.stage.refused!);
      const refused = jobs.submit(asked);
      await expect(refused).rejects.toMatchObject({ code: "REFUSED", message: expect.stringMatching(/: \S/) });
      expect(await scheduler.find(asked.tag, place.folder, place.machine())).toEqual([]);
    });
  },
);
