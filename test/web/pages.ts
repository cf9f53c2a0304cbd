/** A Chromium for a file of tests, and pages in it that are logged in; what the browser complains of fails the test. */
import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, Download, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { Facility } from "../chaos/processes.js";
import { type OpenPage, openBrowser, openPage } from "./browser.js";

export const PATIENCE_MS = 20_000;

export interface Pages {
  readonly browser: () => Browser;
  /** At a place behind `#/`, with a token (default: the operator's). */
  open(place?: string, token?: string): Promise<Page>;
  /** A page that the test has opened itself. */
  watch(made: OpenPage): Page;
}

/** Registers the hooks; the scene is made by another. */
export function usePages(scene: () => { readonly facility: Facility; readonly base: string }): Pages {
  let browser: Browser;
  const opened: OpenPage[] = [];
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
  });
  afterEach(async () => {
    for (const { page, complaints } of opened.splice(0)) {
      await page.context().close();
      expect(complaints).toEqual([]);
    }
  });
  const watch = (made: OpenPage): Page => {
    opened.push(made);
    return made.page;
  };
  return {
    browser: () => browser,
    watch,
    async open(place = "", token = scene().facility.operatorToken) {
      const { base } = scene();
      const page = watch(await openPage(browser, `${base}/#token=${token}`));
      await page.getByRole("heading", { name: "Sites" }).waitFor();
      if (place !== "") await page.goto(`${base}/#/${place}`);
      return page;
    },
  };
}

/** What a click downloads. */
export async function downloaded(page: Page, click: () => Promise<void>): Promise<Buffer> {
  const coming = page.waitForEvent("download");
  await click();
  const download: Download = await coming;
  const pieces: Buffer[] = [];
  for await (const piece of await download.createReadStream()) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** No serious fault by axe-core, in both themes. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 200))])).toEqual([]);
  }
}

/** Nothing stands out to the right on a phone. */
export async function expectFitsPhone(page: Page): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
  await expect.poll(() => page.evaluate(wide), { timeout: PATIENCE_MS }).toBe(0);
}
