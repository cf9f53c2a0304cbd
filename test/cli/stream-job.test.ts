/** A stream as a job: leased by a site, followed live by command and HTTP, canceled, and resumed elsewhere after its site's death. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { JobView } from "../../src/core/job.js";
import type { LivePart } from "../../src/core/protocols.js";
import { readResultFile } from "../../src/xpcs/result-file.js";
import { contents } from "../xpcs/file-contents.js";
import { at, lines, lives, PLAY, start, detector as startDetector, startStream, until } from "./stream-processes.js";
import type { Xpcs } from "./xpcs-process.js";

interface Ready {
  readonly url: string;
  readonly operatorToken: string;
  readonly siteToken: string;
}
let central: Ready;
let who: Record<string, string>;

beforeAll(async () => {
  const process = start(["central", "--data", at("central"), "--listen", "127.0.0.1:0", "--json"]);
  central = await until(() => lines(process.printed())[0] as Ready | undefined, "central");
  who = { XPCS_CENTRAL: central.url, XPCS_TOKEN: central.operatorToken };
}, 60_000);

const sites: Xpcs[] = [];
afterEach(async () => {
  for (const site of sites.splice(0)) {
    site.kill("SIGTERM");
    await site.result;
  }
});
function site(name: string): Xpcs {
  const one = start(["site", "--name", name, "--work", at(`work-${name}`), "--slots", "1"], {
    XPCS_CENTRAL: central.url,
    XPCS_TOKEN: central.siteToken,
  });
  sites.push(one);
  return one;
}

const detector = async (...args: string[]): Promise<string> => (await startDetector(...args)).url;
const stream = (source: string, out: string, ...more: string[]): Xpcs => startStream(source, out, ["--submit", ...more], who);

async function http<T>(path: string): Promise<T> {
  const response = await fetch(`${central.url.replace(/^ws/, "http")}${path}`, {
    headers: { authorization: `Bearer ${central.operatorToken}` },
  });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

describe("a stream as a job", { timeout: 120_000 }, () => {
  it("is leased, followed by command and over HTTP, and leaves a whole result", async () => {
    site("one");
    const source = await detector("--frames", "40000");
    const submitted = stream(source, "whole.hdf");
    const id = await until(() => (lines(submitted.printed())[0]?.jobs as string[] | undefined)?.[0], "the job");
    const first = await until(async () => {
      const part = await http<LivePart>(`/v1/jobs/${id}/live?waitMs=200`);
      return part.live === null ? undefined : part;
    }, "a snapshot");
    expect(first).toMatchObject({ epoch: 1, ended: false, live: { source, missing: 0 } });
    const next = await http<LivePart>(`/v1/jobs/${id}/live?waitMs=5000&cursor=${first.cursor}`);
    expect(next.live!.cursor).toBeGreaterThan(first.live!.cursor);
    expect(next.live!.frames).toBeGreaterThan(first.live!.frames);
    const { code, stdout } = await submitted.result;
    expect(code).toBe(0);
    const job = lines(stdout).at(-1)!.job as JobView;
    expect(job).toMatchObject({ id, app: "xpcs.stream", state: "finished", inputs: [source, at("qmap.hdf")], site: "one" });
    expect(job.outputs.map(({ path }) => path)).toEqual([at("whole.hdf")]);
    expect(lives(submitted).length).toBeGreaterThan(1);
    expect((await readResultFile(at("whole.hdf"))).frames).toBe(40_000);
    const over = await http<LivePart>(`/v1/jobs/${id}/live?waitMs=0`);
    expect(over).toMatchObject({ ended: true, live: { ended: "end", frames: 40_000 } });
    const again = await start(["stream", "--follow", id, "--json"], who).result;
    expect(again.code).toBe(0);
    expect(lines(again.stdout).map((line) => Object.keys(line)[0])).toEqual(["live", "job"]);
  });

  it("reads a folder of files with what was said of them, at its site", async () => {
    site("files");
    mkdirSync(at("files"));
    const played = [
      "simulate-detector",
      ...PLAY,
      "--fast",
      "--frames",
      "2000",
      "--out",
      at("files/s_1.bin"),
      "--write-qmap",
      at("qmap.hdf"),
    ];
    expect((await start(played).result).code).toBe(0);
    const submitted = stream(at("files/"), "files.hdf", "--companion", "*.done", "--frame-time", "5e-5", "--patience", "6");
    const id = await until(() => (lines(submitted.printed())[0]?.jobs as string[] | undefined)?.[0], "the job");
    await until(async () => ((await http<JobView>(`/v1/jobs/${id}`)).state === "running" ? true : undefined), "the site");
    writeFileSync(at("files/s_1.done"), "");
    const { code, stdout } = await submitted.result;
    expect(code).toBe(0);
    expect(lines(stdout).at(-1)!.job).toMatchObject({ state: "finished", inputs: [at("files/"), at("qmap.hdf")] });
    expect((await readResultFile(at("files.hdf"))).frames).toBe(2_000);
  });

  it("is canceled within seconds, without a result", async () => {
    site("two");
    const submitted = stream(await detector(), "canceled.hdf");
    await until(() => lives(submitted)[0], "a snapshot");
    const id = (lines(submitted.printed())[0]!.jobs as string[])[0]!;
    expect((await start(["cancel", id], who).result).code).toBe(0);
    const { code, stdout } = await submitted.result;
    expect(code).toBe(1);
    expect(lines(stdout).at(-1)!.job).toMatchObject({ state: "canceled" });
    expect(existsSync(at("canceled.hdf"))).toBe(false);
  });

  it("goes on at another site after its own died: from the spool to the bit", async () => {
    const dying = site("dying");
    const source = await detector("--frames", "60000", "--seed", "4");
    const submitted = stream(source, "resumed.hdf");
    await until(() => lives(submitted).find(({ frames }) => frames > 3_000), "some frames");
    dying.kill("SIGKILL");
    site("heir");
    const { code, stdout } = await submitted.result;
    expect(code).toBe(0);
    const job = lines(stdout).at(-1)!.job as JobView;
    expect(job.attempts.map(({ site: name, outcome }) => [name, outcome])).toEqual([
      ["dying", "lost"],
      ["heir", "finished"],
    ]);
    const undisturbed = await detector("--frames", "60000", "--seed", "4");
    const here = start(["stream", undisturbed, "--json", "--qmap", at("qmap.hdf"), "--out", at("undisturbed.hdf")]);
    expect((await here.result).code).toBe(0);
    const different = /^\/provenance\/|\/entry\/start_time|rawdata_path/;
    expect(await contents(at("resumed.hdf"), different)).toEqual(await contents(at("undisturbed.hdf"), different));
  });

  it("whose spool has lost the beginning goes on behind a recorded gap", async () => {
    const dying = site("brief");
    const source = await detector("--frames", "70001", "--rate", "30000", "--photons", "60", "--replay", "3000", "--spool-mb", "8");
    const submitted = stream(source, "late.hdf");
    await until(() => lives(submitted).find(({ frames }) => frames > 3_000), "some frames");
    dying.kill("SIGKILL");
    // 8 MB are 17 000 frames, half a second.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    site("late");
    const { code } = await submitted.result;
    expect(code).toBe(0);
    const read = await readResultFile(at("late.hdf"));
    expect(read.warnings[0]).toMatch(/^\d+ of 70001 frames are missing, in 1 gaps that no pair crosses$/);
    expect(Object.keys(await contents(at("late.hdf"), /^(?!\/provenance\/stream_gaps)/))).toEqual(["/provenance/stream_gaps"]);
  }, 120_000);

  it.each([
    [["--until", "error(q1) > 2%"], "cannot be waited for"],
    [["--every", "1ms"], "a time such as 500ms"],
  ])("refuses %j before anything runs", async (more, why) => {
    const { code, stderr } = await start(
      ["stream", "ws://127.0.0.1:9", "--qmap", at("qmap.hdf"), "--out", at("no.hdf"), "--submit", ...more],
      who,
    ).result;
    expect(code).toBe(2);
    expect(stderr).toContain(why);
  });
});
