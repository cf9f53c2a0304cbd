/** Every scheduler against the contract of define.ts, on its rig of rigs.ts. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { batchFiles } from "../../../src/sites/batch-script.js";
import { settingsSchema } from "../../../src/sites/batch-settings.js";
import { detectSchedulers } from "../../../src/sites/detect-scheduler.js";
import { onEachScheduler } from "./on-each-scheduler.js";
import { counted, handedIn, newTag, type Run, reaches, STRIKE_MS, sh } from "./stage.js";

/** Does what a program must not do: believe its arguments, or the name of its folder. */
const HOSTILE = "a 'b' \"c\" $(touch pwned) `touch pwned` %j \\ {} * ; & | > <\n\té-";

onEachScheduler(
  () => true,
  ({ scheduler, rig, test }) => {
    test("is recognised on its machine, with its version", async (place) => {
      if (scheduler.api !== undefined) {
        // No machine has it; it tells what is there.
        expect(scheduler.detection).toBeNull();
        expect(await scheduler.api.greet(place.machine())).toMatch(/^\S.* \(\w+\)$/);
        return;
      }
      const found = await detectSchedulers(place.machine());
      expect(found).toContainEqual({ name: scheduler.name, version: expect.stringMatching(/\d/) });
    });

    test("runs a job to its end", async (place) => {
      const jobs = place.jobs();
      const beforeMs = Date.now();
      const { ref, attached } = await jobs.submit({
        ...place.request('echo out; echo "$COLOUR" >&2; until [ -e go ]; do sleep 0.1; done'),
        env: { COLOUR: "blue" },
      });
      expect(attached).toBe(false);
      const running = await reaches(jobs, ref, "running");
      expect(running).toMatchObject({ ending: null, sentence: expect.stringMatching(/\w/) });
      mkdirSync(join(place.there, ref.tag), { recursive: true });
      writeFileSync(join(place.there, ref.tag, "go"), "");
      const ended = await reaches(jobs, ref, "ended");
      expect(ended.ending).toEqual({ outcome: "done", exitCode: 0, sentence: expect.any(String) });
      expect(ended.startedMs).toBeGreaterThan(beforeMs - 2_000);
      expect(readFileSync(batchFiles(ref.folder).output, "utf8")).toBe("out\nblue\n");
    });

    test("tells the job its tag, its end and its own id", async (place) => {
      const jobs = place.jobs();
      const asked = place.request('echo "$XPCS_BATCH_TAG $(($XPCS_BATCH_ENDS_S - $(date +%s)))"');
      const { ref } = await jobs.submit(asked);
      await reaches(jobs, ref, "ended");
      const [tag, leftS] = readFileSync(batchFiles(ref.folder).output, "utf8").split(" ");
      expect(tag).toBe(asked.tag);
      expect(Math.abs(Number(leftS) - 60)).toBeLessThan(5);
      expect(readFileSync(batchFiles(ref.folder).claimedId, "utf8").trim()).toBe(ref.id);
    });

    test("tells the exit code of a job that failed", async (place) => {
      const jobs = place.jobs();
      const { ref } = await jobs.submit(place.request("exit 3"));
      const { ending } = await reaches(jobs, ref, "ended");
      expect(ending).toMatchObject({ outcome: "failed", exitCode: 3, sentence: expect.stringContaining("exit code 3") });
    });

    test("cancels a running job, which gets SIGTERM first, and does not mind doing so again", async (place) => {
      const jobs = place.jobs();
      const { ref } = await jobs.submit(place.request("trap 'echo told; exit 9' TERM; echo ready; sleep 300 & wait"));
      await reaches(jobs, ref, "running");
      const { output } = batchFiles(join(place.there, ref.tag));
      await vi.waitFor(() => expect(existsSync(output) && readFileSync(output, "utf8")).toBe("ready\n"), { timeout: 20_000 });
      await jobs.cancel(ref);
      const { ending } = await reaches(jobs, ref, "ended");
      expect(ending).toMatchObject({ outcome: "canceled" });
      expect(readFileSync(batchFiles(ref.folder).output, "utf8")).toContain("told");
      await jobs.cancel(ref);
      expect((await jobs.poll([ref]))[0]!.ending).toMatchObject({ outcome: "canceled" });
    });

    test("makes one job of one tag", async (place) => {
      const jobs = place.jobs();
      const asked = place.request(counted("sleep 1"));
      const first = await jobs.submit(asked);
      const second = await jobs.submit(asked);
      expect(second).toEqual({ ref: first.ref, attached: true });
      await reaches(jobs, first.ref, "ended");
      expect(place.runs(asked.tag)).toBe(1);
      expect(await jobs.submit(asked)).toEqual({ ref: first.ref, attached: true });
    });

    test("finds the job again after a crash between submission and note", async (place) => {
      const asked = place.request(counted("sleep 2"));
      let handed = 0;
      const crash: (run: Run) => Run = (run) => async (call) => {
        const reply = await run(call);
        if (!handedIn(call, reply)) return reply;
        handed += 1;
        return new Promise(() => {});
      };
      if (rig.kind !== "itself") {
        // The process that submits gets no further: it never hears of the reply.
        void place.jobs({ wrap: crash }).submit(asked);
        await vi.waitFor(() => expect(handed).toBe(1), { timeout: 20_000 });
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      } else {
        const { ref } = await place.jobs().submit(asked);
        rmSync(batchFiles(ref.folder).submitted);
      }
      const jobs = place.jobs();
      const { ref, attached } = await jobs.submit(asked);
      expect(attached).toBe(true);
      expect((await reaches(jobs, ref, "ended")).ending).toMatchObject({ outcome: "done" });
      expect(place.runs(asked.tag)).toBe(1);
    });

    test("knows a job that ended before its id was noted", async (place) => {
      const jobs = place.jobs();
      const asked = place.request(counted("exit 4"));
      const { ref } = await jobs.submit(asked);
      await reaches(jobs, ref, "ended");
      rmSync(batchFiles(ref.folder).submitted);
      const after = place.jobs();
      expect(await after.submit(asked)).toEqual({ ref, attached: true });
      expect((await reaches(after, ref, "ended")).ending).toMatchObject({ outcome: "failed", exitCode: 4 });
      expect(place.runs(asked.tag)).toBe(1);
    });

    test("runs nothing when its script is started a second time", async (place) => {
      const jobs = place.jobs();
      const asked = place.request(counted("exit 0"));
      // As if an earlier start had been lost with its node.
      mkdirSync(join(place.there, asked.tag, "claim"), { recursive: true });
      if (rig.kind === "itself") {
        await expect(jobs.submit(asked)).rejects.toMatchObject({ code: "REFUSED" });
      } else {
        const { ref } = await jobs.submit(asked);
        const { ending } = await reaches(jobs, ref, "ended");
        expect(ending).toMatchObject({ outcome: "failed", sentence: expect.stringContaining("started it again") });
      }
      expect(place.runs(asked.tag)).toBe(0);
    });

    test("is as well known to a site that starts anew", async (place) => {
      const { ref } = await place.jobs().submit(place.request("sleep 2; exit 5"));
      const anew = place.jobs();
      expect(await anew.known()).toEqual([ref]);
      expect((await reaches(anew, ref, "ended")).ending).toMatchObject({ outcome: "failed", exitCode: 5 });
      await anew.forget(ref);
      expect(await anew.known()).toEqual([]);
    });

    test("asks once for many jobs", async (place) => {
      const jobs = place.jobs();
      const refs = await Promise.all(
        Array.from({ length: 6 }, async () => (await jobs.submit(place.request("until [ -e ../go ]; do sleep 0.1; done"))).ref),
      );
      place.ran.length = 0;
      const statuses = await jobs.poll(refs);
      expect(statuses.map(({ ref }) => ref)).toEqual(refs);
      expect(statuses.filter(({ phase }) => phase === "ended")).toEqual([]);
      expect(place.ran.length).toBeLessThanOrEqual(1);
      mkdirSync(place.there, { recursive: true });
      writeFileSync(join(place.there, "go"), "");
      for (const ref of refs) await reaches(jobs, ref, "ended");
    });

    test(
      "ends a job at its walltime, and says so",
      async (place) => {
        const jobs = place.jobs({ environment: { ...place.stage.environment, ...place.stage.shortEnvironment } });
        const { ref } = await jobs.submit(place.request("sleep 300", { walltimeS: place.stage.shortWalltimeS }));
        const patienceS = place.stage.shortWalltimeS + place.stage.overrunS + place.stage.accountingLagS;
        const { ending } = await reaches(jobs, ref, "ended", patienceS);
        expect(ending).toMatchObject({ outcome: "time-limit", sentence: expect.stringContaining("time limit") });
      },
      { timeoutMs: 180_000 },
    );

    test("lets a job be unknown three times before it is gone", async (place) => {
      const jobs = place.jobs();
      const ref = { tag: newTag(), id: rig.kind === "itself" ? "4194303-1" : "99999999", folder: join(place.folder, "vanished") };
      mkdirSync(ref.folder, { recursive: true });
      const startedMs = Date.now();
      // Of its own processes a machine knows at once that they are gone.
      if (rig.kind !== "itself") expect((await jobs.poll([ref]))[0]).toMatchObject({ phase: "unknown", ending: null });
      // Looks in quick succession count once.
      for (let look = 0; look < 3; look += 1) await jobs.poll([ref]);
      const { ending } = await reaches(jobs, ref, "ended", 30);
      expect(ending).toMatchObject({ outcome: "gone", exitCode: null });
      if (rig.kind !== "itself") expect(Date.now() - startedMs).toBeGreaterThan(2 * STRIKE_MS);
    });

    test(
      "works in a folder of any name, with arguments of any text",
      async (place) => {
        const jobs = place.jobs();
        const show = sh('printf "%s|" "$@" "$VALUE"', HOSTILE, "", "-x");
        const { ref } = await jobs.submit({
          tag: newTag(),
          argv: show,
          env: { VALUE: HOSTILE },
          settings: place.settings(),
        });
        expect((await reaches(jobs, ref, "ended")).ending).toMatchObject({ outcome: "done" });
        expect(readFileSync(batchFiles(ref.folder).output, "utf8")).toBe(`${HOSTILE}||-x|${HOSTILE}|`);
        expect(existsSync(join(place.there, ref.tag, "pwned"))).toBe(false);
      },
      { folder: HOSTILE.replaceAll("/", "_") },
    );

    test("refuses what is no tag, before it runs anything", async (place) => {
      for (const tag of ["", "A", "-x", "a b", "a/../b", "a$(x)", "a".repeat(64), "a\n"]) {
        await expect(place.jobs().submit({ ...place.request("exit 0"), tag })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      }
      expect(place.ran).toEqual([]);
    });

    it("refuses settings that it does not have, by name", () => {
      const parsed = settingsSchema(scheduler.takes).safeParse({ walltimeS: 600, frobnicate: 1 });
      expect(parsed.error?.issues[0]?.message).toContain("frobnicate");
    });

    test("names its nodes, and the accounts of a person, where it tells", async (place) => {
      const { tells } = place.stage;
      const nodes = await scheduler.nodes(place.machine());
      expect(nodes.length > 0).toBe(tells.includes("nodes"));
      for (const kind of nodes) {
        expect(kind.count).toBeGreaterThan(0);
        expect(kind.cpus).toBeGreaterThan(0);
        for (const number of [kind.cores, kind.memoryGb, kind.gpus]) if (number !== null) expect(number).toBeGreaterThanOrEqual(0);
      }
      const queues = new Set((await scheduler.queues(place.machine())).map(({ name }) => name));
      for (const { queues: named } of nodes) for (const name of named) expect(queues).toContain(name);
      const accounts = await scheduler.accounts(place.machine());
      if (tells.includes("usualAccount")) expect(accounts).toContainEqual(expect.objectContaining({ isDefault: true }));
      for (const { name } of accounts) expect(name).toMatch(/^\S+$/);
    });

    test("names its queues, where it tells", async (place) => {
      const queues = await scheduler.queues(place.machine());
      expect(queues.some(({ open }) => open)).toBe(place.stage.tells.includes("queues"));
      for (const queue of queues)
        expect(queue).toEqual({
          name: expect.stringMatching(/./),
          open: expect.any(Boolean),
          walltimeMaxS: queue.walltimeMaxS,
          nodes: queue.nodes,
        });
    });
  },
);
