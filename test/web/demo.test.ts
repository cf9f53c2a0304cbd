/** What a newcomer sees: `xpcs demo --keep` says where to look, and there g2 settles live, in a real Chromium. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, describe, expect, it } from "vitest";
import { NO_BROWSER, openBrowser, openPage } from "./browser.js";

const CLI = join(import.meta.dirname, "../../dist/cli/main.js");
const ROOT = mkdtempSync(join(tmpdir(), "xpcs-demo-page-"));

describe.skipIf(NO_BROWSER !== null)(`the demo's page${NO_BROWSER === null ? "" : ` (${NO_BROWSER})`}`, () => {
  let child: ChildProcess | undefined;
  let browser: Browser | undefined;
  afterAll(async () => {
    await browser?.close();
    child?.kill("SIGKILL");
    rmSync(ROOT, { recursive: true, force: true });
  });

  it("shows a stream whose errors shrink, by the link that the demo prints; Ctrl-C ends all", { timeout: 120_000 }, async () => {
    child = spawn(process.execPath, [CLI, "demo", "--keep", "--out", join(ROOT, "out")], { env: { ...process.env, TMPDIR: ROOT } });
    let said = "";
    child.stdout!.on("data", (data: Buffer) => {
      said += data.toString();
    });
    const ended = new Promise<number | null>((resolve) => child!.once("close", resolve));
    await expect.poll(() => said, { timeout: 60_000 }).toContain("see its g2 settle at");
    expect(said).toContain("All decay rates agree with the truth.");
    const link = /see its g2 settle at (http\S+)/.exec(said)![1]!;
    browser = await openBrowser();
    const { page, complaints } = await openPage(browser, link);
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
    await expect.poll(relativeError, { timeout: 30_000 }).toBeLessThan(0.7 * before);
    expect(complaints).toEqual([]);
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(readdirSync(ROOT)).toEqual(["out"]);
  });
});
