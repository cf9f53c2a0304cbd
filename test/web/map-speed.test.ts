/**
 * How a large two-time map behaves in Chromium: `npm run test:web -- --map SIDE`. Prints when it is first seen, frames per second while it is zoomed
 * and moved, and the memory of the browser's processes. WebGL is drawn by software here, so a graphics card is faster. Skipped otherwise.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { expect, it } from "vitest";
import { denseSample, photonSource } from "../../src/demo/sample.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";
import { openBrowser, openPage } from "./browser.js";
import { openScene } from "./scene.js";

const SIDE = Number(process.env.XPCS_MAP_SIDE ?? 0);
const GESTURE_MS = 4_000;

/** Memory that the processes of the browser share fairly, by kind, MB of 10^6 bytes. */
async function memoryOf(browser: Browser): Promise<Record<string, number>> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const sums: Record<string, number> = {};
  for (const { id, type } of processInfo) {
    const kB = Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, "utf8"))?.[1] ?? 0);
    sums[type] = Math.round((sums[type] ?? 0) + (kB * 1_024) / 1e6);
  }
  await session.detach();
  return sums;
}

/** Frames while something is done again and again: each waits until its picture is whole. */
async function framesDuring(page: Page, gesture: (step: number) => Promise<void>): Promise<{ perS: number; slowestMs: number }> {
  await page.evaluate(`(() => {
    const gl = document.querySelector(".ground canvas").getContext("webgl2");
    const times = (globalThis.frameTimes = []);
    const tick = () => {
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
      times.push(performance.now());
      if (times !== globalThis.frameTimes) return;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  })()`);
  const endMs = performance.now() + GESTURE_MS;
  for (let step = 0; performance.now() < endMs; step += 1) await gesture(step);
  const times = (await page.evaluate(
    "(() => { const times = globalThis.frameTimes; globalThis.frameTimes = []; return times; })()",
  )) as number[];
  const gaps = times.slice(1).map((time, at) => time - times[at]!);
  return { perS: (1_000 * gaps.length) / (times.at(-1)! - times[0]!), slowestMs: Math.max(...gaps) };
}

it.skipIf(SIDE === 0)(
  "a large map",
  async () => {
    const { facility, base, qmap } = await openScene();
    const browser = await openBrowser();
    try {
      const sample = { ...denseSample(5), frames: SIDE };
      const { height, width } = sample.detector;
      const [input, out] = [join(facility.folder, "long.imm"), join(facility.folder, "long_results.hdf")];
      writeFileSync(input, immBytes(simulateEvents(photonSource(sample)), { height, width, dense: true, frameTimeS: sample.frameTimeS }));
      const files = { input: { path: input }, qmap: { path: qmap }, out: { path: out } };
      const options = { type: "twotime" as const, frameTimeS: 0.001, qBins: [1] };
      const { jobs } = await facility.client.submit({
        jobs: [{ work: { app: "xpcs.corr", ...files, overwrite: false, options }, tags: {}, attemptsMax: 1 }],
      });
      const [done] = await facility.client.wait(jobs);
      expect(done).toMatchObject({ state: "finished" });
      const { page, complaints } = await openPage(browser, `${base}/#token=${facility.operatorToken}`);
      await page.getByRole("heading", { name: "Sites" }).waitFor();
      const before = await memoryOf(browser);
      const startMs = performance.now();
      await page.goto(`${base}/#/jobs/${jobs[0]}`);
      const map = page.getByRole("region", { name: "Two-time" });
      const canvas = map.locator(".ground canvas");
      await canvas.waitFor({ timeout: 120_000 });
      // Drawn, and not only there.
      await page.evaluate(`(() => {
        const gl = document.querySelector(".ground canvas").getContext("webgl2");
        gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
      })()`);
      const firstS = (performance.now() - startMs) / 1_000;
      await canvas.scrollIntoViewIfNeeded();
      const box = (await canvas.boundingBox())!;
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      await page.mouse.move(x, y);
      const zoomed = await framesDuring(page, (step) => page.mouse.wheel(0, step % 40 < 20 ? -100 : 100));
      for (let step = 0; step < 6; step += 1) await page.mouse.wheel(0, -100);
      await page.mouse.down();
      const moved = await framesDuring(page, (step) => page.mouse.move(x + 150 * Math.sin(step / 10), y + 150 * Math.cos(step / 10)));
      await page.mouse.up();
      expect(complaints).toEqual([]);
      const after = await memoryOf(browser);
      const text = (of: typeof zoomed) => `${of.perS.toFixed(0)} frames/s, the slowest ${of.slowestMs.toFixed(0)} ms`;
      console.log(
        [
          `map of ${SIDE} x ${SIDE}, ${(done!.outputs[0]!.bytes / 1e6).toFixed(0)} MB file: first seen after ${firstS.toFixed(1)} s`,
          `zoomed: ${text(zoomed)}`,
          `moved: ${text(moved)}`,
          `memory, MB, by process, before: ${JSON.stringify(before)}, after: ${JSON.stringify(after)}`,
        ].join("\n"),
      );
    } finally {
      await browser.close();
      await facility.end();
    }
  },
  600_000,
);
