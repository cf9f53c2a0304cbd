/** A real Chromium for the tests of the page: found on this machine, or the reason why they are skipped. */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const PROGRAM = process.env.XPCS_CHROMIUM ?? PROGRAMS.find(existsSync);

/** Null: there is one. */
export const NO_BROWSER =
  PROGRAM === undefined ? "there is no Chromium here: apt-get install chromium, or name one in XPCS_CHROMIUM" : null;

/** WebGL is drawn by software, as test machines have no graphics card. The sandbox wants rights that root in a container lacks. */
export function openBrowser(): Promise<Browser> {
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: PROGRAM!, args: [...sandbox, "--use-angle=swiftshader", "--enable-unsafe-swiftshader"] });
}

export interface OpenPage {
  readonly page: Page;
  /** What the browser complained of: errors of scripts, and what the content policy refused. */
  readonly complaints: readonly string[];
}

/** A page of its own, with storage of its own. @param lost responses that the test provokes are no complaint */
export async function openPage(browser: Browser, address: string, colorScheme: "light" | "dark" = "light"): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // That a request failed is shown by the page, and told here as well by the browser.
    if (message.type() === "error" && !/^Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(address);
  return { page, complaints };
}
