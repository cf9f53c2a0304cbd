/** The pictures of docs/tour.md, of a running `xpcs demo`: `npm run test:web -- --tour docs/tour`. Skipped otherwise. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { expect, it } from "vitest";
import { openBrowser, openPage } from "./browser.js";
import { startDemo } from "./demo-process.js";

const FOLDER = process.env.XPCS_TOUR;
/** For the stream's curve to be recognised. */
const SETTLING_MS = 12_000;
const HEIGHT = 900;

it.skipIf(FOLDER === undefined)("the tour is pictured", { timeout: 300_000 }, async () => {
  mkdirSync(FOLDER!, { recursive: true });
  const demo = await startDemo();
  const browser = await openBrowser();
  try {
    const { page, complaints } = await openPage(browser, demo.link);
    const picture = async (name: string, whole: Locator, height = HEIGHT): Promise<void> => {
      await whole.first().waitFor({ timeout: 30_000 });
      await page.setViewportSize({ width: 1280, height });
      await page.waitForTimeout(1_000);
      await page.screenshot({ path: join(FOLDER!, `${name}.png`) });
    };
    const go = async (place: string): Promise<Page> => {
      await page.goto(`${new URL(demo.link).origin}/#/${place}`);
      return page;
    };
    const g2 = page.getByRole("img", { name: "g2 against delay" });
    await g2.waitFor({ timeout: 30_000 });
    await page.waitForTimeout(SETTLING_MS);
    await picture("stream", g2);
    await go("overview");
    await picture("overview", page.getByRole("heading", { name: "Sites" }));
    await go("jobs");
    await picture("jobs", page.getByRole("link", { name: "dense.imm" }));
    await page.getByRole("link", { name: "dense.imm" }).first().click();
    await picture("result", g2);
    await go("results");
    const ticks = page.getByRole("checkbox", { name: /^choose colloid_(whole|first|second|stride)/ });
    await ticks.first().waitFor({ timeout: 30_000 });
    for (const tick of await ticks.all()) await tick.check();
    await page.getByRole("link", { name: /^Compare/ }).click();
    await picture("compare", page.getByText("4 of 4 results"));
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
    await demo.end();
  }
});
