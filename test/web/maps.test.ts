/** Maps in a real Chromium: the value under the pointer is the file's, colours and outlines are where they belong, and it all works by the keyboard. */
import type { Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { datasetOf } from "../xpcs/file-contents.js";
import { NO_BROWSER } from "./browser.js";
import { downloaded, expectFitsPhone, PATIENCE_MS, usePages } from "./pages.js";
import { FRAMES, openScene, type Scene } from "./scene.js";

/** The colours of a row of pixels of the canvas, from below and the left. */
async function rowOf(canvas: Locator, y: number): Promise<string[]> {
  const bytes = await canvas.evaluate((element, py) => {
    const from = element as unknown as {
      readonly width: number;
      getContext(kind: string): { readPixels(...args: unknown[]): void; RGBA: number; UNSIGNED_BYTE: number };
    };
    const row = new Uint8Array(4 * from.width);
    const gl = from.getContext("webgl2");
    gl.readPixels(0, py, from.width, 1, gl.RGBA, gl.UNSIGNED_BYTE, row);
    return [...row];
  }, y);
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.slice(4 * at, 4 * at + 4).join());
}

describe.skipIf(NO_BROWSER !== null)(`maps${NO_BROWSER === null ? "" : ` (${NO_BROWSER})`}`, () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  }, 120_000);
  afterAll(() => scene?.facility.end());
  const pages = usePages(() => scene);

  it("shows C2 under the pointer", async () => {
    const page = await pages.open(`jobs/${scene.job}`);
    const map = page.getByRole("region", { name: "Two-time" });
    const canvas = map.locator(".ground canvas");
    await canvas.waitFor({ timeout: PATIENCE_MS });
    const c2 = await datasetOf(scene.result, "/xpcs/twotime/correlation_map/c2_00001");
    const box = (await canvas.boundingBox())!;
    const [t1, t2] = [100, 300];
    const at = (t: number) => (t + 0.5) / FRAMES;
    await canvas.hover({ position: { x: at(t1) * box.width, y: (1 - at(t2)) * box.height } });
    const said = await map.locator("output").textContent();
    expect(said).toMatch(/^t1 0\.1000 s, t2 0\.3000 s: C2 = /);
    expect(Number(said!.split("= ")[1])).toBeCloseTo(Number(c2[t1 * FRAMES + t2]), 4);
    // The map is its own mirror, and is no single colour.
    const [row, mirror] = [await rowOf(canvas, 420), await rowOf(canvas, 140)];
    expect(row[140]).toBe(mirror[420]);
    const some = Array.from({ length: 30 }, (_, step) => row[10 + 18 * step]);
    expect(new Set(some).size).toBeGreaterThan(3);
    await map.getByLabel("q bin").selectOption("2");
    await expect.poll(async () => new Set(await rowOf(canvas, 420)).size).toBeGreaterThan(3);
    expect((await rowOf(canvas, 420)).join()).not.toBe(row.join());
  });

  it("show the image with its partitions, counts and bins under the pointer", async () => {
    const page = await pages.open(`jobs/${scene.job}`);
    const map = page.getByRole("region", { name: "SAXS, 2D" });
    const canvas = map.locator(".ground canvas");
    await canvas.waitFor({ timeout: PATIENCE_MS });
    const [image, dynamic, own] = await Promise.all(
      ["/xpcs/temporal_mean/scattering_2d", "/xpcs/qmap/dynamic_roi_map", "/xpcs/qmap/static_roi_map"].map((name) =>
        datasetOf(scene.result, name),
      ),
    );
    const side = 96;
    expect(image!.length).toBe(side * side);
    const box = (await canvas.boundingBox())!;
    const point = async (row: number, column: number) => {
      await canvas.hover({ position: { x: ((column + 0.5) / side) * box.width, y: ((row + 0.5) / side) * box.height } });
      return (await map.locator("output").textContent())!;
    };
    // Not on its own mirror, so that rows and columns, up and down cannot be confused.
    const at = Array.from({ length: side * side }, (_, pixel) => pixel).find(
      (pixel) => dynamic![pixel] === 2 && pixel % side > 70 && pixel > 20 * side,
    )!;
    const [row, column] = [Math.floor(at / side), at % side];
    const said = await point(row, column);
    expect(said).toMatch(
      new RegExp(`^row ${row}, column ${column}: [\\d.e-]+, q bin 2 \\(q 0\\.00806 Å⁻¹\\), static bin ${Number(own![at])} `),
    );
    expect(Number(said.split(": ")[1]!.split(",")[0])).toBeCloseTo(Number(image![at]), 5);
    expect(await point(0, 0)).toBe("row 0, column 0: masked");
    // Borders of the bins are white, and go with the outline.
    const white = async () => (await rowOf(canvas, 280)).filter((colour) => colour === "255,255,255,255").length;
    const colours = async () => new Set(await rowOf(canvas, 280)).size;
    // Four rings' borders to the left, four to the right of the beam.
    expect(await white()).toBe(8);
    await map.getByLabel("Outlined").selectOption("none");
    await expect.poll(white).toBe(0);
    // The image itself is still drawn, masked and not.
    await expect.poll(colours).toBeGreaterThan(10);
    expect(page.url()).toContain("outline=none");
    await map.getByLabel("Scale", { exact: true }).selectOption("linear");
    expect(page.url()).toContain("saxs=linear");
  });

  it("are kept as a picture with axes and scale", async () => {
    const page = await pages.open(`jobs/${scene.job}`);
    const map = page.getByRole("region", { name: "Two-time" });
    await map.locator(".ground canvas").waitFor({ timeout: PATIENCE_MS });
    const svg = (await downloaded(page, () => map.getByRole("button", { name: "SVG of Two-time map" }).click())).toString();
    expect(svg).toContain(">t1, s</text>");
    expect(svg).toContain(">0.4</text>");
    const picture = /href="(data:image\/png;base64,[^"]+)"/.exec(svg)![1]!;
    const pixels = await page.evaluate(async (href) => {
      const image = new (globalThis as unknown as { Image: new () => { src: string; width: number; decode(): Promise<void> } }).Image();
      image.src = href;
      await image.decode();
      return image.width;
    }, picture);
    expect(pixels).toBe(560);
    const png = await downloaded(page, () => map.getByRole("button", { name: "PNG of Two-time map" }).click());
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    // A picture of one colour would be some kilobytes.
    expect(png.length).toBeGreaterThan(50_000);
  });

  it("are zoomed and read by the keyboard, and fit a phone", async () => {
    const page = await pages.open(`jobs/${scene.job}`);
    const map = page.getByRole("region", { name: "SAXS, 2D" });
    await map.locator(".ground canvas").focus();
    const said = async () => (await map.locator("output").textContent())!;
    const [, row, column] = /^row (\d+), column (\d+)/.exec(await said())!;
    for (const key of ["ArrowDown", "ArrowRight", "ArrowRight"]) await page.keyboard.press(key);
    const step = Math.round(96 / 20);
    expect(await said()).toMatch(new RegExp(`^row ${Number(row) + step}, column ${Number(column) + 2 * step}:`));
    expect(await map.locator(".ends.x").textContent()).toBe("0column96");
    for (let press = 0; press < 4; press += 1) await page.keyboard.press("+");
    expect(await map.locator(".ends.x").textContent()).not.toBe("0column96");
    await map.getByRole("button", { name: "Whole map" }).click();
    expect(await map.locator(".ends.x").textContent()).toBe("0column96");
    await expectFitsPhone(page);
  });
});
