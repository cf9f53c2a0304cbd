/** What a newcomer sees: `xpcs demo --keep` says where to look, and there g2 settles live, in a real Chromium. */
import { readdirSync } from "node:fs";
import type { Browser } from "playwright-core";
import { afterAll, describe, expect, it } from "vitest";
import { NO_BROWSER, openBrowser, openPage } from "./browser.js";
import { type DemoProcess, startDemo } from "./demo-process.js";

describe.skipIf(NO_BROWSER !== null)(`the demo's page${NO_BROWSER === null ? "" : ` (${NO_BROWSER})`}`, () => {
  let demo: DemoProcess | undefined;
  let browser: Browser | undefined;
  afterAll(async () => {
    await browser?.close();
    await demo?.end();
  });

  it("shows a stream whose errors shrink, by the link that the demo prints; Ctrl-C ends all", { timeout: 270_000 }, async () => {
    demo = await startDemo();
    expect(demo.xpcs.printed()).toContain("All decay rates agree with the truth.");
    browser = await openBrowser();
    const { page, complaints } = await openPage(browser, demo.link);
    await page.getByRole("img", { name: "g2 against delay" }).waitFor({ timeout: 30_000 });
    // Only the job is left in the address: its token would be seen by who looks over a shoulder.
    expect(new URL(page.url()).hash).toMatch(/^#\/jobs\/[^?]+$/);
    // Of the first q: its contrast with its error.
    const contrast = page
      .getByLabel("Live")
      .getByRole("row")
      .filter({ has: page.getByRole("checkbox") })
      .first()
      .locator("td")
      .last();
    const relativeError = async (): Promise<number> => {
      const [value, error] = ((await contrast.textContent()) ?? "").split(" ± ").map(Number);
      return error === undefined ? Number.POSITIVE_INFINITY : error / value!;
    };
    await expect.poll(relativeError, { timeout: 30_000 }).toBeLessThan(1);
    const before = await relativeError();
    await expect.poll(relativeError, { timeout: 60_000 }).toBeLessThan(0.85 * before);
    expect(complaints).toEqual([]);
    demo.xpcs.kill("SIGINT");
    expect((await demo.xpcs.result).code).toBe(130);
    expect(readdirSync(demo.folder)).toEqual(["out"]);
  });
});
