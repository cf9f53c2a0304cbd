/** Pictures of every view in both themes and two sizes, for people to look at: `npm run test:web -- --screenshots FOLDER`. Skipped otherwise. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openBrowser, openPage } from "./browser.js";
import { openScene } from "./scene.js";

const FOLDER = process.env.XPCS_SCREENSHOTS;
const SIZES = { laptop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

it.skipIf(FOLDER === undefined)(
  "every view is pictured",
  async () => {
    mkdirSync(FOLDER!, { recursive: true });
    const { facility, base, job } = await openScene();
    const browser = await openBrowser();
    try {
      const views = { "log-in": null, overview: "overview", jobs: "jobs", submit: "submit", result: `jobs/${job}` };
      for (const colorScheme of ["light", "dark"] as const) {
        for (const [size, viewport] of Object.entries(SIZES)) {
          for (const [name, place] of Object.entries(views)) {
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
            if (name === "result") await page.getByRole("img", { name: "Intensity" }).waitFor();
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
  180_000,
);
