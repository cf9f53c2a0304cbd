/** The page in a real Chromium against a real central and site: what a scientist does, with what they then see. */
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobSpec } from "../../src/core/job.js";
import { type Facility, startCommand } from "../chaos/processes.js";
import { datasetOf } from "../xpcs/file-contents.js";
import { NO_BROWSER, openPage } from "./browser.js";
import { downloaded, expectAccessible, PATIENCE_MS, usePages } from "./pages.js";
import { FRAME_TIME_S, openScene, type Scene } from "./scene.js";

describe.skipIf(NO_BROWSER !== null)(`the page${NO_BROWSER === null ? "" : ` (${NO_BROWSER})`}`, () => {
  let scene: Scene;
  let facility: Facility;
  let base: string;
  let job: string;
  let result: string;
  let input: string;
  let qmap: string;
  beforeAll(async () => {
    scene = await openScene();
    ({ facility, base, job, result, input, qmap } = scene);
  }, 120_000);
  afterAll(() => facility?.end());
  const pages = usePages(() => scene);
  const { open } = pages;
  const noop = async (durationMs: number, more: Partial<JobSpec> = {}): Promise<string> => {
    const { jobs } = await facility.client.submit({
      jobs: [{ work: { app: "xpcs.noop", durationMs }, tags: {}, attemptsMax: 1, ...more }],
    });
    return jobs[0]!;
  };
  const tokenOf = async (role: "visitor" | "operator"): Promise<string> => {
    const { token } = await facility.client.createToken({ role, person: `p${randomBytes(4).toString("hex")}`, validS: null });
    return token;
  };

  it("is entered with a token, typed or in the link, which leaves the address; a wrong one is refused", async () => {
    const page = pages.watch(await openPage(pages.browser(), base));
    await page.getByLabel("Token").fill("xpcs_op_wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").waitFor({ timeout: PATIENCE_MS });
    await page.getByLabel("Token").fill(facility.operatorToken);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("rowheader", { name: "alpha", exact: true }).waitFor();
    const second = await open();
    expect(second.url()).toBe(`${base}/#/overview`);
    await second.getByRole("button", { name: "Log out" }).click();
    await second.getByLabel("Token").waitFor();
    expect(await second.evaluate("sessionStorage.length")).toBe(0);
  });

  it("shows a job that comes and ends, without a reload", async () => {
    const page = await open("jobs?state=finished");
    await page.goto(`${base}/#/jobs`);
    await page.getByRole("heading", { name: "Jobs" }).waitFor();
    const id = await noop(1_500);
    await page.goto(`${base}/#/jobs/${id}`);
    await page.getByText("running", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    await page.getByText("finished", { exact: true }).waitFor({ timeout: PATIENCE_MS });
  });

  it("shows g2 with its fit, and offers the numbers", async () => {
    const page = await open(`jobs/${job}`);
    await page.getByRole("img", { name: "g2 against delay" }).waitFor({ timeout: PATIENCE_MS });
    const [delays, g2] = [await datasetOf(result, "/xpcs/multitau/delay_list"), await datasetOf(result, "/xpcs/multitau/normalized_g2")];
    const csv = (await downloaded(page, () => page.getByRole("link", { name: "CSV" }).click())).toString();
    const rows = csv
      .trim()
      .split("\n")
      .slice(1)
      .map((row) => row.split(",").map(Number));
    const first = rows.filter(([bin]) => bin === 1);
    expect(first.map(([, , lag]) => Math.round(lag! / FRAME_TIME_S))).toEqual(Array.from(delays, Number));
    const columns = g2.length / delays.length;
    for (const [at, [, , , value]] of first.entries()) expect(value).toBeCloseTo(Number(g2[at * columns]), 6);
    // The figure as it is seen: a dot for each value, and the same numbers.
    const figure = (kind: string) => downloaded(page, () => page.getByRole("button", { name: `${kind} of g2 against delay` }).click());
    const svg = (await figure("SVG")).toString();
    const shown = rows.filter(([bin, , , value, , pairs]) => [1, 2].includes(bin!) && pairs! > 0 && Number.isFinite(value));
    expect(svg.match(/<circle [^>]*r="2.6"/g)).toHaveLength(shown.length);
    expect(svg).toContain(">delay, s</text>");
    const png = await figure("PNG");
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    const [, width] = /width="(\d+)"/.exec(svg)!;
    expect(png.readUInt32BE(16)).toBe(2 * Number(width));
    const numbers = (await figure("CSV")).toString().trim().split("\n");
    expect(numbers[0]).toMatch(/^"delay, s",q 0\.00479,error of q 0\.00479,fit q 0\.00479,/);
    expect(Number(numbers[1]!.split(",")[1])).toBeCloseTo(Number(g2[0]), 6);
    await page.getByLabel("Fit").selectOption("stretched");
    expect(page.url()).toContain("fit=stretched");
    await page
      .getByLabel(/^draw q/)
      .first()
      .uncheck();
    expect(page.url()).toContain("bins=2");
  });

  it("shows g2 of a stream, which comes to the truth while it runs", async () => {
    const [film, out] = [join(facility.folder, "live.hdf"), join(facility.folder, "live_results.hdf")];
    const tauS = 0.002;
    const play = ["--photons", "40", "--rate", "20000", "--tau", String(tauS), "--listen", "0", "--write-qmap", film];
    const detector = startCommand(["simulate-detector", ...play]);
    try {
      const { url } = await detector.ready;
      const work = { app: "xpcs.stream" as const, source: url!, qmap: { path: film }, out: { path: out }, overwrite: false, options: {} };
      const { jobs } = await facility.client.submit({
        jobs: [{ work: { ...work, everyMs: 200, patienceMs: 20_000 }, tags: {}, attemptsMax: 1 }],
      });
      const page = await open(`jobs/${jobs[0]}`);
      await page.getByRole("img", { name: "g2 against delay" }).waitFor({ timeout: PATIENCE_MS });
      // "0.00201 ± 0.000012": of the innermost ring.
      const cell = page.getByRole("region", { name: "Live" }).locator(".tall tbody tr").first().locator("td").nth(3);
      const seen = new Set<string>();
      await expect
        .poll(
          async () => {
            const { state, reason } = await facility.client.job(jobs[0]!);
            expect({ state, reason }).toMatchObject({ state: "running" });
            const text = (await cell.textContent({ timeout: PATIENCE_MS }))!;
            seen.add(text);
            const [tau, error] = text.split(" ± ").map(Number);
            return error !== undefined && error < 0.05 * tau! && Math.abs(tau! - tauS) < 4 * error;
          },
          { timeout: 60_000, interval: 200 },
        )
        .toBe(true);
      expect(seen.size).toBeGreaterThan(1);
      // What is zoomed to stays, whatever comes.
      const over = (await page.getByRole("img", { name: "g2 against delay" }).locator(".u-over").boundingBox())!;
      const frame = async () => {
        const svg = await downloaded(page, () => page.getByRole("button", { name: "SVG of g2 against delay" }).click());
        return [...svg.toString().matchAll(/<text x="[^>]*text-anchor="(?:middle|end)">([^<]*)</g)].map(([, text]) => text);
      };
      const whole = await frame();
      await page.mouse.move(over.x + 0.3 * over.width, over.y + 0.3 * over.height);
      await page.mouse.down();
      await page.mouse.move(over.x + 0.6 * over.width, over.y + 0.6 * over.height, { steps: 4 });
      await page.mouse.up();
      const zoomed = await frame();
      expect(zoomed).not.toEqual(whole);
      const before = seen.size;
      await expect.poll(async () => seen.add((await cell.textContent())!).size, { timeout: PATIENCE_MS }).toBeGreaterThan(before + 3);
      expect(await frame()).toEqual(zoomed);
      // Also without a curve, until all is asked for.
      const curves = page.getByRole("img", { name: "g2 against delay" }).locator(".u-series");
      const drawn = await curves.count();
      await page.getByLabel("draw bin 2", { exact: true }).uncheck();
      await expect.poll(() => curves.count(), { timeout: PATIENCE_MS }).toBeLessThan(drawn);
      expect(await frame()).toEqual(zoomed);
      await page.mouse.dblclick(over.x + 0.5 * over.width, over.y + 0.5 * over.height);
      expect(await frame()).not.toEqual(zoomed);
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByText("canceled", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    } finally {
      detector.child.kill("SIGKILL");
    }
  }, 120_000);

  it("follows a log", async () => {
    const talk = { work: { app: "talk", parameters: {}, inputs: {}, outputs: {}, overwrite: false }, tags: {}, attemptsMax: 1 };
    const { jobs } = await facility.client.submit({ jobs: [talk] });
    const page = await open(`jobs/${jobs[0]}`);
    const log = page.locator("pre.log");
    await log.getByText("word 2").waitFor({ timeout: PATIENCE_MS });
    expect(await log.textContent()).not.toContain("word 9");
    await log.getByText("word 9").waitFor({ timeout: PATIENCE_MS });
  });

  it("filters, chooses and cancels; cancels one", async () => {
    const [one, other] = [await noop(60_000, { tags: { batch: "x" } }), await noop(60_000, { tags: { batch: "x" } })];
    const page = await open("jobs");
    await page.getByLabel("tag").fill("batch=x");
    await page.getByLabel("tag").press("Enter");
    await expect.poll(() => page.locator("tbody tr").count(), { timeout: PATIENCE_MS }).toBe(2);
    await page.goto(`${base}/#/jobs/${one}`);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("canceled", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    await page.goto(`${base}/#/jobs?tag=batch%3Dx`);
    await page.getByLabel("choose all of this page").check();
    await page.getByRole("button", { name: "Cancel" }).click();
    await expect.poll(async () => (await facility.client.job(other)).state, { timeout: PATIENCE_MS }).toBe("canceled");
  });

  it("submits, and says what central refuses", async () => {
    const page = await open("submit");
    await page.getByLabel("Detector files", { exact: true }).fill("relative.imm");
    await page.getByLabel("q-map", { exact: true }).fill(qmap);
    await page.getByRole("button", { name: "Submit" }).click();
    await page.getByRole("alert").waitFor({ timeout: PATIENCE_MS });
    await page.getByLabel("Detector files", { exact: true }).fill(input);
    await page.getByLabel("Result", { exact: true }).fill(join(facility.folder, "again_results.hdf"));
    await page.getByLabel("Stride").fill("2");
    await page.getByLabel("Frame time, s").fill(String(FRAME_TIME_S));
    await page.getByRole("button", { name: "Submit" }).click();
    await page.getByText("Submitted:").waitFor({ timeout: PATIENCE_MS });
    const id = (await page.locator("[role=status] a").textContent())!;
    const [done] = await facility.client.wait([id]);
    expect(done).toMatchObject({ state: "finished", reason: null });
    const stride = await datasetOf(join(facility.folder, "again_results.hdf"), "/xpcs/multitau/config/stride_frame");
    expect(Number(stride)).toBe(2);
  });

  it("files are chosen from the folders that central serves, by the keyboard", async () => {
    const page = await open("submit");
    const opener = page.getByRole("button", { name: "Choose Detector files…" });
    await opener.focus();
    await page.keyboard.press("Enter");
    const choice = page.getByRole("group", { name: "Choose Detector files" });
    await choice.getByRole("button", { name: `${facility.folder}/` }).focus();
    await page.keyboard.press("Enter");
    await choice.getByRole("button", { name: "film.imm" }).waitFor({ timeout: PATIENCE_MS });
    await choice.getByLabel("Name contains").fill("film.");
    await expect.poll(() => choice.locator(".entries button").count(), { timeout: PATIENCE_MS }).toBe(1);
    await choice.getByRole("button", { name: "film.imm" }).focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => page.getByLabel("Detector files", { exact: true }).inputValue(), { timeout: PATIENCE_MS }).toBe(input);
    await expect.poll(() => choice.count(), { timeout: PATIENCE_MS }).toBe(0);
    // The next is looked for where the last one was.
    await page.getByRole("button", { name: "Choose q-map…" }).click();
    const second = page.getByRole("group", { name: "Choose q-map" });
    await second.getByRole("button", { name: "qmap.hdf", exact: true }).waitFor({ timeout: PATIENCE_MS });
    await expectAccessible(page);
    await second.getByRole("button", { name: "qmap.hdf", exact: true }).click();
    await page.getByLabel("Result", { exact: true }).fill(join(facility.folder, "chosen_results.hdf"));
    await page.getByLabel("Frame time, s").fill(String(FRAME_TIME_S));
    await page.getByRole("button", { name: "Submit" }).click();
    await page.getByText("Submitted:").waitFor({ timeout: PATIENCE_MS });
    const [done] = await facility.client.wait([(await page.locator("[role=status] a").textContent())!]);
    expect(done).toMatchObject({ state: "finished", reason: null });
    await opener.click();
    await page.keyboard.press("Escape");
    await expect.poll(() => page.getByRole("group", { name: "Choose Detector files" }).count(), { timeout: PATIENCE_MS }).toBe(0);
  });

  it("several files are ticked in two folders, and make a job each", async () => {
    const names = ["a/one.imm", "a/two.imm", "a/notes.txt", "b/three.imm"];
    for (const name of ["a", "b", "results"]) mkdirSync(join(facility.folder, "series", name), { recursive: true });
    for (const name of names) copyFileSync(input, join(facility.folder, "series", name));
    const page = await open("submit");
    await page.getByRole("button", { name: "Choose Detector files…" }).click();
    const choice = page.getByRole("group", { name: "Choose Detector files" });
    const enter = (name: string) => choice.getByRole("button", { name, exact: true }).click();

    await enter(`${facility.folder}/`);
    await enter("series/");
    await enter("a/");
    await choice.getByLabel("tick one.imm").waitFor({ timeout: PATIENCE_MS });
    await choice.getByLabel("tick all shown").check();
    await choice.getByLabel("tick notes.txt").uncheck();
    await choice.getByRole("button", { name: "Take 2 files" }).waitFor();
    await enter("Up");
    await enter("b/");
    await choice.getByLabel("tick three.imm").check();
    await expectAccessible(page);
    await choice.getByRole("button", { name: "Take 3 files" }).click();
    const files = page.getByLabel("Detector files", { exact: true });
    const paths = names.filter((name) => name.endsWith(".imm")).map((name) => join(facility.folder, "series", name));
    expect((await files.inputValue()).split("\n")).toEqual(paths);
    await page.getByLabel("q-map", { exact: true }).fill(qmap);
    await page.getByLabel("Frame time, s").fill(String(FRAME_TIME_S));
    await page.getByLabel("Result", { exact: true }).fill(join(facility.folder, "all_results.hdf"));
    await page.getByRole("button", { name: "Submit 3 jobs" }).click();
    await page.getByText("the result of several files is a folder").waitFor({ timeout: PATIENCE_MS });
    await page.getByLabel("Result", { exact: true }).fill(join(facility.folder, "series/results"));
    await page.getByLabel("Tags").fill("series=page");
    await page.getByRole("button", { name: "Submit 3 jobs" }).click();
    await page.getByRole("link", { name: "3 jobs" }).waitFor({ timeout: PATIENCE_MS });
    const { jobs } = await facility.client.jobs({ tags: { series: "page" } });
    const done = await facility.client.wait(jobs.map(({ id }) => id));
    expect(done.map(({ state, reason }) => ({ state, reason }))).toEqual(paths.map(() => ({ state: "finished", reason: null })));
    for (const name of ["one", "two", "three"]) {
      const g2 = await datasetOf(join(facility.folder, `series/results/${name}_results.hdf`), "/xpcs/multitau/normalized_g2");
      expect(Array.from(g2)).toEqual(Array.from(await datasetOf(result, "/xpcs/multitau/normalized_g2")));
    }
    await page.getByRole("link", { name: "3 jobs" }).click();
    await page.getByRole("link", { name: "three.imm" }).waitFor({ timeout: PATIENCE_MS });
  });

  it("a visitor sees, and cannot change", async () => {
    const id = await noop(20_000);
    const page = await open(`jobs/${id}`, await tokenOf("visitor"));
    await page.getByText("running", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    expect(await page.getByRole("button", { name: "Cancel" }).count()).toBe(0);
    expect(await page.getByRole("link", { name: "Submit" }).count()).toBe(0);
    const status = await page.evaluate(
      `fetch("/v1/jobs/${id}/cancel", { method: "POST", headers: { authorization: "Bearer " + sessionStorage.getItem("xpcs-token") } }).then((answer) => answer.status)`,
    );
    expect(status).toBe(403);
    await facility.client.cancel([id]);
  });

  it("says that the connection is lost, and goes on when central is back", async () => {
    const page = await open("overview");
    await page.getByText("live", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    await facility.kill("central");
    await page.getByText("connection lost: trying again").waitFor({ timeout: PATIENCE_MS });
    await facility.startCentral();
    await page.getByText("live", { exact: true }).waitFor({ timeout: PATIENCE_MS });
  });

  it.each([
    ["overview", ""],
    ["jobs", ""],
    ["submit", ""],
    ["result", "job"],
  ])("%s has no serious fault of accessibility", async (name, what) => {
    const page = await open(what === "job" ? `jobs/${job}` : name);
    if (what === "job") await page.getByRole("img", { name: "Intensity" }).waitFor({ timeout: PATIENCE_MS });
    await expectAccessible(page);
  });
});
