/** Results over each other in a real Chromium: chosen by filter, by ticks and by a link, with what the simulation put in; repeats judged as the command judges them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startXpcs } from "../cli/xpcs-process.js";
import { NO_BROWSER } from "./browser.js";
import { downloaded, expectAccessible, expectFitsPhone, PATIENCE_MS, usePages } from "./pages.js";
import { openScene, type Scene } from "./scene.js";
import { analyseSeries, DECAY_FRAMES, REPEATS, type Series, SPOILT } from "./series.js";

describe.skipIf(NO_BROWSER !== null)(`results that are compared${NO_BROWSER === null ? "" : ` (${NO_BROWSER})`}`, () => {
  let scene: Scene;
  let series: Series;
  beforeAll(async () => {
    scene = await openScene();
    series = await analyseSeries(scene.facility);
  }, 180_000);
  afterAll(() => scene?.facility.end());
  const pages = usePages(() => scene);

  const rows = (page: Page) => page.locator(".tall tbody tr");

  it("those of a tag, over each other, named by their temperature", async () => {
    const page = await pages.open("results");
    await page.getByLabel("tag").fill("series=temperature");
    await page.getByLabel("tag").press("Enter");
    await expect.poll(() => page.locator("tbody tr").count(), { timeout: PATIENCE_MS }).toBe(3);
    await page.getByRole("link", { name: "Compare all that are so" }).click();
    await page.getByText("3 of 3 results").waitFor({ timeout: PATIENCE_MS });
    expect(await page.getByLabel("Named by").inputValue()).toBe("temperature");
    expect(await rows(page).getByRole("link").allTextContents()).toEqual(["280", "300", "320"]);
    const legend = await page.locator(".u-legend").first().locator("tr:not(.quiet) .u-label").allTextContents();
    expect(legend.map((text) => text.replace(":", "").trim())).toEqual(["delay, s", "280", "300", "320"]);
    // What the simulation put in: tau of the field, and diffusion.
    const taus = (await page.locator(".tall tbody tr td:nth-child(4)").allTextContents()).map((text) => text.split(" ± ").map(Number));
    Object.values(DECAY_FRAMES).forEach((frames, at) => {
      const [tau, error] = taus[at]!;
      expect(Math.abs(tau! - frames * 0.001)).toBeLessThan(5 * error!);
      expect(error!).toBeLessThan(0.4 * tau!);
    });
    const exponents = (await page.locator(".tall tbody tr td:last-child").allTextContents()).map((text) => text.split(" ± ").map(Number));
    expect(exponents).toHaveLength(3);
    for (const [exponent, error] of exponents) expect(Math.abs(exponent! + 2)).toBeLessThan(5 * error!);
    await page.getByRole("img", { name: "tau against q" }).waitFor();
  });

  it("another q, model and choice of curves are in the address, which shows the same to a visitor", async () => {
    const page = await pages.open("compare?tag=series%3Dtemperature");
    await page.getByText("3 of 3 results").waitFor({ timeout: PATIENCE_MS });
    await page.getByLabel("q bin").selectOption("3");
    await page.getByLabel("Fit").selectOption("stretched");
    await page.getByLabel("draw 300").focus();
    await page.keyboard.press("Space");
    const shown = await page.locator(".tall tbody").textContent();
    const { token } = await scene.facility.client.createToken({ role: "visitor", person: "guest", validS: null });
    const other = await pages.open(page.url().split("#/")[1]!, token);
    await other.getByText("3 of 3 results").waitFor({ timeout: PATIENCE_MS });
    expect(await other.locator(".tall tbody").textContent()).toBe(shown);
    expect(await other.getByLabel("draw 300").isChecked()).toBe(false);
    expect(await other.locator(".u-legend").first().getByText("300").count()).toBe(0);
  });

  it("those that are ticked in the list of jobs; one that cannot be read says why, and the others are shown", async () => {
    const page = await pages.open("jobs?tag=series%3Drepeats");
    await expect.poll(() => page.locator("tbody tr").count(), { timeout: PATIENCE_MS }).toBe(REPEATS);
    for (const name of ["run_2.imm", "run_4.imm"]) await page.getByLabel(`choose ${name}`).check();
    await page.getByRole("link", { name: "Compare 2" }).click();
    await page.getByText("2 of 2 results").waitFor({ timeout: PATIENCE_MS });
    expect(await rows(page).getByRole("link").allTextContents()).toEqual(["run_2", "run_4"]);
    const { jobs } = await scene.facility.client.submit({
      jobs: [{ work: { app: "xpcs.noop", durationMs: 1 }, tags: {}, attemptsMax: 1 }],
    });
    await scene.facility.client.wait(jobs);
    await page.goto(`${scene.base}/#/compare?ids=${[series.repeats[0], jobs[0]].join(",")}`);
    await page.getByText("1 of 2 results").waitFor({ timeout: PATIENCE_MS });
    await page.getByText("without a result that can be shown").waitFor();
  });

  it("repeats are judged, and their dose table made, as the command does", async () => {
    const page = await pages.open("compare?tag=series%3Drepeats");
    await page.getByText(`${REPEATS} of ${REPEATS} results`).waitFor({ timeout: PATIENCE_MS });
    await page.getByLabel("they are repeats of one measurement").check();
    const repeats = page.getByRole("region", { name: "Repeats" });
    await repeats.getByText(`2 of ${REPEATS} would be dropped`).waitFor({ timeout: PATIENCE_MS });
    const verdicts = await repeats.locator(".tall tbody tr").allTextContents();
    expect(verdicts[SPOILT.bright]).toMatch(/dropped.*intensity 0\.\d+, the median is/s);
    expect(verdicts[SPOILT.sinking]).toMatch(/dropped.*intensity changes by -\d+(\.\d+)? % within the repeat/s);
    expect(verdicts.filter((text) => text.includes("kept"))).toHaveLength(REPEATS - 2);
    const table = join(scene.facility.folder, "dose.csv");
    const out = join(scene.facility.folder, "merged.hdf");
    const merged = await startXpcs(["merge", ...series.results, "--reject", "--out", out, "--dose-table", table], {}).result;
    expect(merged.code).toBe(0);
    const csv = await downloaded(page, () => page.getByRole("link", { name: "Dose table, CSV" }).click());
    // The same to the last digits, which the exponential of another build of V8 may change.
    const parts = (text: string) =>
      text.split(/[,\n]/).map((cell) => (cell === "" || Number.isNaN(Number(cell)) ? cell : Number(Number(cell).toPrecision(8))));
    expect(parts(csv.toString())).toEqual(parts(readFileSync(table, "utf8")));
    const legend = repeats.locator(".u-legend .u-label");
    expect(await legend.allTextContents()).toEqual(
      expect.arrayContaining([expect.stringContaining("kept"), expect.stringContaining("dropped")]),
    );
    await repeats.getByLabel("Against dose", { exact: true }).selectOption("intensity");
    await repeats.getByRole("img", { name: "counts per pixel and frame against dose" }).waitFor();
    await repeats.getByLabel("Limit, robust standard deviations").fill("1000");
    await repeats.getByLabel("Limit, robust standard deviations").press("Enter");
    await repeats.getByText(`1 of ${REPEATS} would be dropped`).waitFor({ timeout: PATIENCE_MS });
    expect(page.url()).toContain("scales=1000");
  });

  it("too few for a verdict, and others than repeats, say so", async () => {
    const page = await pages.open(`compare?repeats=1&ids=${series.repeats.slice(0, 3).join(",")}`);
    await page.getByText("that needs 6 or more, not 3").waitFor({ timeout: PATIENCE_MS });
    await page.goto(`${scene.base}/#/compare?repeats=1&ids=${[scene.job, series.repeats[0]].join(",")}`);
    await page.getByText("is no repeat of").waitFor({ timeout: PATIENCE_MS });
  });

  it.each([
    ["results", "results"],
    ["compared repeats", "compare?tag=series%3Drepeats&repeats=1"],
  ])(
    "%s have no serious fault of accessibility, and fit a phone",
    async (name, place) => {
      const page = await pages.open(place);
      const there = name === "results" ? page.getByText("run_1_results.hdf") : page.getByRole("region", { name: "Repeats" });
      await there.waitFor({ timeout: PATIENCE_MS });
      await expectAccessible(page);
      await expectFitsPhone(page);
    },
    60_000,
  );
});
