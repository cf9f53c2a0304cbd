/** Pictures of every view in both themes and two sizes, for people to look at: `npm run test:web -- --screenshots FOLDER`. Skipped otherwise. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { expect, it } from "vitest";
import { openBrowser, openPage } from "./browser.js";
import { openScene } from "./scene.js";
import { analyseSeries } from "./series.js";

const FOLDER = process.env.XPCS_SCREENSHOTS;
const SIZES = { laptop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

it.skipIf(FOLDER === undefined)(
  "every view is pictured",
  async () => {
    mkdirSync(FOLDER!, { recursive: true });
    const { facility, base, job } = await openScene();
    await analyseSeries(facility);
    const browser = await openBrowser();
    try {
      // Where each view is, and what is there when it is whole.
      const views: Readonly<Record<string, readonly [place: string | null, whole: (page: Page) => Locator]>> = {
        "log-in": [null, (page) => page.getByLabel("Token")],
        overview: ["overview", (page) => page.getByRole("img", { name: "Finished jobs per minute" })],
        jobs: ["jobs", (page) => page.getByRole("link", { name: "film.imm" })],
        submit: ["submit", (page) => page.getByRole("button", { name: "Choose Detector files…" })],
        result: [`jobs/${job}`, (page) => page.getByRole("img", { name: "Intensity" })],
        results: ["results", (page) => page.getByRole("link", { name: "film_results.hdf" })],
        compare: ["compare?tag=series%3Dtemperature&q=2", (page) => page.getByText("3 of 3 results")],
        repeats: ["compare?tag=series%3Drepeats&repeats=1", (page) => page.getByRole("region", { name: "Repeats" })],
      };
      for (const colorScheme of ["light", "dark"] as const) {
        for (const [size, viewport] of Object.entries(SIZES)) {
          for (const [name, [place, whole]] of Object.entries(views)) {
            const { page, complaints } = await openPage(
              browser,
              place === null ? base : `${base}/#token=${facility.operatorToken}`,
              colorScheme,
            );
            await page.setViewportSize(viewport);
            if (place !== null) {
              await page.getByRole("heading", { name: "Sites" }).waitFor();
              await page.goto(`${base}/#/${place}`);
            }
            await whole(page).waitFor();
            if (name === "submit") {
              await whole(page).click();
              await page.getByRole("button", { name: `${facility.folder}/` }).click();
              await page.getByRole("button", { name: "film.imm" }).waitFor();
            }
            await page.waitForTimeout(500);
            await page.screenshot({ path: join(FOLDER!, `${name}-${size}-${colorScheme}.png`), fullPage: true });
            const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
            expect(wide, `${name} is wider than a ${size}`).toBe(0);
            expect(complaints).toEqual([]);
            await page.context().close();
          }
        }
      }
    } finally {
      await browser.close();
      await facility.end();
    }
  },
  600_000,
);
