/** Every scheduler against the contract of define.ts, on its rig of rigs.ts. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { XpcsError } from "../../../src/core/errors.js";
import { batchFiles } from "../../../src/sites/batch-script.js";
import { settingsSchema } from "../../../src/sites/batch-settings.js";
import { detectSchedulers } from "../../../src/sites/detect-scheduler.js";
import { SCHEDULERS, schedulerNamed } from "../../../src/sites/schedulers/registry.js";
import { RIGS } from "./rigs.js";
import { aliveInGroup, createPlace, type Place, type Run, reaches, replying, STRIKE_MS, type Stage } from "./stage.js";

/** Does what a program must not do: believe its arguments, or the name of its folder. */
const HOSTILE = "a 'b' \"c\" $(touch pwned) `touch pwned` %j \\ {} * ; & | > <\n\té-";

let number = 0;
const newTag = (): string => `t${process.pid}-${number++}`;
const sh = (script: string, ...words: string[]) => ["/bin/sh", "-c", script, "sh", ...words] as const;

describe.each(SCHEDULERS.map((scheduler) => ({ scheduler, ...scheduler, rig: RIGS[scheduler.name]! })))(
  "$name ($rig.kind)",
  ({ scheduler, name, rig }) => {
    if (rig.skip !== null) {
      it.skip(`is not run here: ${rig.skip}`, () => {});
      return;
    }
    let stage: Stage;
    let place: Place;
    beforeAll(async () => {
      stage = await rig.start();
    }, 120_000);
    afterAll(() => stage.end());
    beforeEach(() => {
      place = createPlace(scheduler, stage);
    });
    afterEach(() => place.remove());

    const isSubmission = ({ stdin, argv }: { stdin?: string; argv: readonly string[] }): boolean =>
      (stdin ?? "") !== "" || /^(sbatch|qsub|bsub)$/.test(argv[0]!);
    const request = (script: string, own: Readonly<Record<string, unknown>> = {}) => ({
      tag: newTag(),
      argv: sh(script),
      settings: place.settings(own),
    });
    const runs = (tag: string): number => {
      const path = join(place.folder, tag, "runs");
      return existsSync(path) ? readFileSync(path, "utf8").length : 0;
    };
    /** A script that leaves a mark per run in its job's folder. */
    const counted = (then: string): string => `printf x >>runs; ${then}`;

    it("is recognised on its machine, with its version", async () => {
      const found = await detectSchedulers(place.machine());
      expect(found).toContainEqual({ name, version: expect.stringMatching(/\d/) });
    });

    it("runs a job to its end", async () => {
      const jobs = place.jobs();
      const beforeMs = Date.now();
      const { ref, attached } = await jobs.submit({ ...request('echo out; echo "$COLOUR" >&2; sleep 1'), env: { COLOUR: "blue" } });
      expect(attached).toBe(false);
      const running = await reaches(jobs, ref, "running");
      expect(running).toMatchObject({ ending: null, sentence: expect.stringMatching(/\w/) });
      const ended = await reaches(jobs, ref, "ended");
      expect(ended.ending).toEqual({ outcome: "done", exitCode: 0, sentence: expect.any(String) });
      expect(ended.startedMs).toBeGreaterThan(beforeMs - 2_000);
      expect(readFileSync(batchFiles(ref.folder).output, "utf8")).toBe("out\nblue\n");
    });

    it("tells the job its tag, its end and its own id", async () => {
      const jobs = place.jobs();
      const asked = request('echo "$XPCS_BATCH_TAG $(($XPCS_BATCH_ENDS_S - $(date +%s)))"');
      const { ref } = await jobs.submit(asked);
      await reaches(jobs, ref, "ended");
      const [tag, leftS] = readFileSync(batchFiles(ref.folder).output, "utf8").split(" ");
      expect(tag).toBe(asked.tag);
      expect(Math.abs(Number(leftS) - 60)).toBeLessThan(5);
      expect(readFileSync(batchFiles(ref.folder).claimedId, "utf8").trim()).toBe(ref.id);
    });

    it("tells the exit code of a job that failed", async () => {
      const jobs = place.jobs();
      const { ref } = await jobs.submit(request("exit 3"));
      const { ending } = await reaches(jobs, ref, "ended");
      expect(ending).toMatchObject({ outcome: "failed", exitCode: 3, sentence: expect.stringContaining("exit code 3") });
    });

    it("cancels a running job, which gets SIGTERM first, and does not mind doing so again", async () => {
      const jobs = place.jobs();
      const { ref } = await jobs.submit(request("trap 'echo told; exit 9' TERM; echo ready; sleep 300 & wait"));
      await reaches(jobs, ref, "running");
      await expect
        .poll(() => existsSync(batchFiles(ref.folder).output) && readFileSync(batchFiles(ref.folder).output, "utf8"), { timeout: 20_000 })
        .toBe("ready\n");
      await jobs.cancel(ref);
      const { ending } = await reaches(jobs, ref, "ended");
      expect(ending).toMatchObject({ outcome: "canceled" });
      await jobs.cancel(ref);
      expect((await jobs.poll([ref]))[0]!.ending).toMatchObject({ outcome: "canceled" });
    });

    it("makes one job of one tag", async () => {
      const jobs = place.jobs();
      const asked = request(counted("sleep 1"));
      const first = await jobs.submit(asked);
      const second = await jobs.submit(asked);
      expect(second).toEqual({ ref: first.ref, attached: true });
      await reaches(jobs, first.ref, "ended");
      expect(runs(asked.tag)).toBe(1);
      expect(await jobs.submit(asked)).toEqual({ ref: first.ref, attached: true });
    });

    it("finds the job again after a crash between submission and note", async () => {
      const asked = request(counted("sleep 2"));
      const crash: (run: Run) => Run = (run) => async (command) => {
        const result = await run(command);
        if (isSubmission(command)) return new Promise(() => {});
        return result;
      };
      if (rig.kind !== "itself") {
        // The process that submits gets no further: it never hears of the reply.
        void place.jobs({ wrap: crash }).submit(asked);
        await expect.poll(() => place.ran.filter(isSubmission).length, { timeout: 20_000 }).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      } else {
        const { ref } = await place.jobs().submit(asked);
        rmSync(batchFiles(ref.folder).submitted);
      }
      const jobs = place.jobs();
      const { ref, attached } = await jobs.submit(asked);
      expect(attached).toBe(true);
      expect((await reaches(jobs, ref, "ended")).ending).toMatchObject({ outcome: "done" });
      expect(runs(asked.tag)).toBe(1);
    });

    it.skipIf(rig.kind === "itself")("finds the job when the reply to its submission is lost, or says that it failed", async () => {
      const lost: (run: Run) => Run = (run) => async (command) => {
        const result = await run(command);
        if (isSubmission(command)) throw new XpcsError("DEADLINE_EXCEEDED", "no answer");
        return result;
      };
      const lie = replying(isSubmission, () => ({ code: 1, stdout: "", stderr: "Batch job submission failed: no idea" }));
      for (const wrap of [lost, lie]) {
        const asked = request(counted("sleep 1"));
        const jobs = place.jobs({ wrap });
        const { ref, attached } = await jobs.submit(asked);
        expect(attached).toBe(true);
        await reaches(jobs, ref, "ended");
        expect(runs(asked.tag)).toBe(1);
      }
    });

    it("knows a job that ended before its id was noted", async () => {
      const jobs = place.jobs();
      const asked = request(counted("exit 4"));
      const { ref } = await jobs.submit(asked);
      await reaches(jobs, ref, "ended");
      rmSync(batchFiles(ref.folder).submitted);
      const after = place.jobs();
      expect(await after.submit(asked)).toEqual({ ref, attached: true });
      expect((await reaches(after, ref, "ended")).ending).toMatchObject({ outcome: "failed", exitCode: 4 });
      expect(runs(asked.tag)).toBe(1);
    });

    it("runs nothing when its script is started a second time", async () => {
      const jobs = place.jobs();
      const asked = request(counted("exit 0"));
      // As if an earlier start had been lost with its node.
      mkdirSync(join(place.folder, asked.tag, "claim"), { recursive: true });
      if (rig.kind === "itself") {
        await expect(jobs.submit(asked)).rejects.toMatchObject({ code: "REFUSED" });
      } else {
        const { ref } = await jobs.submit(asked);
        const { ending } = await reaches(jobs, ref, "ended");
        expect(ending).toMatchObject({ outcome: "failed", sentence: expect.stringContaining("started it again") });
      }
      expect(runs(asked.tag)).toBe(0);
    });

    it("is as well known to a site that starts anew", async () => {
      const { ref } = await place.jobs().submit(request("sleep 2; exit 5"));
      const anew = place.jobs();
      expect(await anew.known()).toEqual([ref]);
      expect((await reaches(anew, ref, "ended")).ending).toMatchObject({ outcome: "failed", exitCode: 5 });
      await anew.forget(ref);
      expect(await anew.known()).toEqual([]);
    });

    it("asks once for many jobs", async () => {
      const jobs = place.jobs();
      const refs = await Promise.all(Array.from({ length: 6 }, async () => (await jobs.submit(request("sleep 2"))).ref));
      place.ran.length = 0;
      const statuses = await jobs.poll(refs);
      expect(statuses.map(({ ref }) => ref)).toEqual(refs);
      expect(statuses.filter(({ phase }) => phase === "ended")).toEqual([]);
      expect(place.ran.length).toBeLessThanOrEqual(1);
      for (const ref of refs) await reaches(jobs, ref, "ended");
    });

    it("ends a job at its walltime, and says so", async () => {
      const jobs = place.jobs();
      const { ref } = await jobs.submit(request("sleep 300", { walltimeS: stage.shortWalltimeS }));
      const patienceS = stage.shortWalltimeS + stage.overrunS + stage.accountingLagS;
      const { ending } = await reaches(jobs, ref, "ended", patienceS);
      expect(ending).toMatchObject({ outcome: "time-limit", sentence: expect.stringContaining("time limit") });
    }, 180_000);

    it("lets a job be unknown three times before it is gone", async () => {
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

    it("works in a folder of any name, with arguments of any text", async () => {
      place.remove();
      place = createPlace(scheduler, stage, HOSTILE.replaceAll("/", "_"));
      const jobs = place.jobs();
      const show = sh('printf "%s|" "$@" "$VALUE"', HOSTILE, "", "-x");
      const { ref } = await jobs.submit({ tag: newTag(), argv: show, env: { VALUE: HOSTILE }, settings: place.settings() });
      expect((await reaches(jobs, ref, "ended")).ending).toMatchObject({ outcome: "done" });
      expect(readFileSync(batchFiles(ref.folder).output, "utf8")).toBe(`${HOSTILE}||-x|${HOSTILE}|`);
      expect(existsSync(join(ref.folder, "pwned"))).toBe(false);
    });

    it.each(["", "A", "-x", "a b", "a/../b", "a$(x)", "a".repeat(64), "a\n"])("refuses the tag %j", async (tag) => {
      await expect(place.jobs().submit({ ...request("exit 0"), tag })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(place.ran).toEqual([]);
    });

    it("refuses settings that it does not have, by name", () => {
      const parsed = settingsSchema(scheduler.takes).safeParse({ walltimeS: 600, frobnicate: 1 });
      expect(parsed.error?.issues[0]?.message).toContain("frobnicate");
    });

    it("names its queues", async () => {
      const queues = await scheduler.queues(place.machine());
      if (rig.kind !== "itself") expect(queues.filter(({ open }) => open)).not.toEqual([]);
      for (const queue of queues)
        expect(queue).toEqual({
          name: expect.stringMatching(/./),
          open: expect.any(Boolean),
          walltimeMaxS: queue.walltimeMaxS,
          nodes: queue.nodes,
        });
    });

    describe.skipIf(rig.kind === "itself")("with commands", () => {
      it("tolerates states and reasons that it does not know", async () => {
        const listing = replying(
          (command) => !isSubmission(command),
          (result) => ({ ...result, stdout: stage.strangeState!(result.stdout) }),
        );
        const { ref } = await place.jobs().submit(request("sleep 3"));
        const [status] = await place.jobs({ wrap: listing }).poll([ref]);
        expect(status).toMatchObject({ phase: "unknown", ending: null });
        expect(`${status!.words} ${status!.sentence}`).toMatch(/FROBNICATED|frobnicated|Z/);
        await place.jobs().cancel(ref);
      });

      it("says in the scheduler's words why a job is refused", async () => {
        const jobs = place.jobs();
        const asked = request("exit 0", stage.refused!);
        const refused = jobs.submit(asked);
        await expect(refused).rejects.toMatchObject({ code: "REFUSED", message: expect.stringMatching(/: \S/) });
        expect(await scheduler.find(asked.tag, place.folder, place.machine())).toEqual([]);
      });

      it("ends a command that hangs, with all that it started", async () => {
        const environment = place.impostors(`echo $$ >>${join(place.folder, "pids")}; sleep 1000 & sleep 1000`);
        mkdirSync(place.folder, { recursive: true });
        const jobs = place.jobs({ environment, timeoutMs: 400 });
        const asked = request("exit 0");
        await expect(jobs.submit(asked)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
        const ref = { tag: asked.tag, id: "1", folder: join(place.folder, asked.tag) };
        await expect(jobs.poll([ref])).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
        const pids = readFileSync(join(place.folder, "pids"), "utf8").trim().split("\n");
        expect(pids.length).toBeGreaterThan(1);
        for (const pid of pids) expect(aliveInGroup(Number(pid))).toEqual([]);
      });

      it("says that its commands are missing", async () => {
        const jobs = place.jobs({ environment: { ...stage.environment, PATH: place.folder } });
        await expect(jobs.submit(request("exit 0"))).rejects.toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("PATH") });
        expect(await detectSchedulers(place.machine((run) => run, { PATH: place.folder }))).not.toContainEqual(
          expect.objectContaining({ name }),
        );
      });

      it.each(["", "\u0000\ufffd{{{[", '{"Jobs":', "1|2|3|4|5\n|||\n", "<?xml version='1.0'?><job_info><queue_info>", "null"])(
        "makes nothing of a listing like %j, and does not fail otherwise than in order",
        async (garbage) => {
          mkdirSync(place.folder, { recursive: true });
          writeFileSync(join(place.folder, "garbage"), garbage);
          const environment = place.impostors(`cat '${join(place.folder, "garbage")}'`);
          const jobs = place.jobs({ environment });
          const ref = { tag: newTag(), id: "77777", folder: join(place.folder, "x") };
          const polled = await jobs.poll([ref]).catch((error: unknown) => error);
          if (polled instanceof Error) expect(polled).toMatchObject({ code: expect.stringMatching(/UNAVAILABLE|REFUSED|CORRUPT_DATA/) });
          else expect(polled).toMatchObject([{ phase: "unknown" }]);
        },
      );

      it("gives its commands nothing of ours", async () => {
        const seen = join(place.folder, "seen");
        mkdirSync(place.folder, { recursive: true });
        const environment = { ...place.impostors(`env >'${seen}'; pwd >>'${seen}'`), XPCS_TOKEN: "secret" };
        await place
          .jobs({ environment })
          .submit(request("exit 0"))
          .catch(() => {});
        expect(readFileSync(seen, "utf8")).toMatch(/^LC_ALL=C$[\s\S]*^\/$/m);
        expect(readFileSync(seen, "utf8")).not.toContain("secret");
      });
    });
  },
);

describe("the registry of schedulers", () => {
  it("has a rig for every one", () => {
    expect(Object.keys(RIGS).sort()).toEqual(SCHEDULERS.map(({ name }) => name).sort());
  });

  it("has a page for every one", () => {
    const pages = SCHEDULERS.map(({ name }) => new URL(`../../../docs/schedulers/${name}.md`, import.meta.url));
    expect(pages.filter((page) => !existsSync(page))).toEqual([]);
  });

  it("refuses a name that is none", () => {
    expect(() => schedulerNamed("condor")).toThrow(/there is no scheduler "condor"/);
  });
});
