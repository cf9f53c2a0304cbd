/** Figures as SVG and CSV: each value is where its axis says, names cannot break out, and nothing of the numbers is lost. */
import { expect, it } from "vitest";
import { type Figure, figureCsv, figureSvg, ticksOf } from "../../src/web/figure-svg.js";

const FIGURE: Figure = {
  title: 'g2 <of> "a" & b',
  x: { title: "delay, s", from: 0.001, to: 1, log: true },
  y: { title: "g2", from: 1, to: 1.5, log: false },
  curves: [
    {
      ...{ label: "</text><script>", colour: "#0072b2", kind: "points", quiet: false },
      points: [
        { x: 0.001, y: 1, error: 0.1 },
        { x: 1, y: 1.5, error: null },
        { x: 0.0316227766, y: 1.25, error: 0.05 },
      ],
    },
    {
      ...{ label: "fit", colour: "hsl(10 70% 48%)", kind: "line", quiet: true },
      points: [
        { x: 0.001, y: 1.5, error: null },
        { x: 0.5, y: 1, error: null },
      ],
    },
  ],
};

it("draws each value where its axis says", () => {
  const { text, width, height } = figureSvg(FIGURE);
  const marks = [...text.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="2.6"/g)].map(([, x, y]) => [Number(x), Number(y)]);
  // The frame is 620 x 380 at (74, 40); the third value is in the middle of both axes.
  expect(marks).toEqual([
    [74, 420],
    [694, 40],
    [384, 230],
  ]);
  expect(text).toContain(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"`);
  // From 1.2 to 1.3, of a frame from 1 to 1.5.
  expect(text).toContain("M384.00 268.00V192.00");
  expect(text).toContain('stroke="hsl(10 70% 48%)"');
});

it("names are text, whatever is in them, and quiet curves are not in the legend", () => {
  const { text } = figureSvg(FIGURE);
  expect(text).not.toContain("<script>");
  expect(text).toContain("g2 &#60;of&#62; &#34;a&#34; &#38; b");
  expect(text).not.toContain(">fit<");
});

it("ticks are round numbers within the axis", () => {
  expect(ticksOf({ title: "", from: 0, to: 1, log: false })).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticksOf({ title: "", from: 96, to: 0, log: false })).toEqual([0, 20, 40, 60, 80]);
  expect(ticksOf({ title: "", from: -0.03, to: 0.021, log: false })).toEqual([-0.03, -0.02, -0.01, 0, 0.01, 0.02]);
  expect(ticksOf({ title: "", from: 0.00009, to: 2, log: true })).toEqual([0.0001, 0.001, 0.01, 0.1, 1]);
  expect(ticksOf({ title: "", from: 0.003, to: 0.011, log: true })).toEqual([0.003, 0.005, 0.007, 0.01]);
  expect(ticksOf({ title: "", from: 2, to: 2, log: false })).toEqual([2]);
});

it("CSV has all values, with what has none left empty, and names quoted", () => {
  expect(figureCsv(FIGURE)).toBe(
    [
      '"delay, s",</text><script>,error of </text><script>,fit',
      "0.001,1,0.1,1.5",
      "0.0316227766,1.25,0.05,",
      "0.5,,,1",
      "1,1.5,,",
      "",
    ].join("\n"),
  );
});
