/** Every scheduler that is a set of commands: what becomes of silence, garbage and commands that are not there. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { detectSchedulers } from "../../../src/sites/detect-scheduler.js";
import { onEachScheduler } from "./on-each-scheduler.js";
import { aliveInGroup, newTag } from "./stage.js";

onEachScheduler(
  (rig) => rig.asked === "by commands",
  ({ scheduler, test }) => {
    test("ends a command that hangs, with all that it started", async (place) => {
      const environment = place.impostors(`echo $$ >>${join(place.folder, "pids")}; sleep 1000 & sleep 1000`);
      mkdirSync(place.folder, { recursive: true });
      const jobs = place.jobs({ environment, timeoutMs: 400 });
      const asked = place.request("exit 0");
      await expect(jobs.submit(asked)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
      const ref = { tag: asked.tag, id: "1", folder: join(place.folder, asked.tag) };
      await expect(jobs.poll([ref])).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
      const pids = readFileSync(join(place.folder, "pids"), "utf8").trim().split("\n");
      expect(pids.length).toBeGreaterThan(1);
      await vi.waitFor(() => expect(pids.flatMap((pid) => aliveInGroup(Number(pid)))).toEqual([]), { timeout: 5_000 });
    });

    test("says that its commands are missing", async (place) => {
      const jobs = place.jobs({ environment: { ...place.stage.environment, PATH: place.folder } });
      await expect(jobs.submit(place.request("exit 0"))).rejects.toMatchObject({
        code: "NOT_FOUND",
        message: expect.stringContaining("PATH"),
      });
      expect(await detectSchedulers(place.machine((run) => run, { PATH: place.folder }))).not.toContainEqual(
        expect.objectContaining({ name: scheduler.name }),
      );
    });

    test("makes nothing of a garbled listing, and does not fail otherwise than in order", async (place) => {
      mkdirSync(place.folder, { recursive: true });
      for (const garbage of [
        "",
        "\u0000\ufffd{{{[",
        '{"Jobs":',
        "1|2|3|4|5\n|||\n",
        "<?xml version='1.0'?><job_info><queue_info>",
        "null",
      ]) {
        writeFileSync(join(place.folder, "garbage"), garbage);
        const environment = place.impostors(`cat '${join(place.folder, "garbage")}'`);
        const jobs = place.jobs({ environment });
        const ref = { tag: newTag(), id: "77777", folder: join(place.folder, "x") };
        const polled = await jobs.poll([ref]).catch((error: unknown) => error);
        if (polled instanceof Error) expect(polled).toMatchObject({ code: expect.stringMatching(/UNAVAILABLE|REFUSED|CORRUPT_DATA/) });
        else expect(polled).toMatchObject([{ phase: "unknown" }]);
      }
    });

    test("gives its commands nothing of ours", async (place) => {
      const seen = join(place.folder, "seen");
      mkdirSync(place.folder, { recursive: true });
      const environment = { ...place.impostors(`env >'${seen}'; pwd >>'${seen}'`), XPCS_TOKEN: "secret" };
      await place
        .jobs({ environment })
        .submit(place.request("exit 0"))
        .catch(() => {});
      expect(readFileSync(seen, "utf8")).toMatch(/^LC_ALL=C$[\s\S]*^\/$/m);
      expect(readFileSync(seen, "utf8")).not.toContain("secret");
    });
  },
);
