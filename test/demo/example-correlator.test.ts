/** examples/02-correlator.ts does what it says. */
import { expect, it } from "vitest";
import { run } from "../../examples/02-correlator.js";

it("the in-process correlator tells blinking from steady pixels", () => {
  const lines: string[] = [];
  const g2 = run((line) => lines.push(line));
  expect(g2).toBeGreaterThan(1.7);
  expect(g2).toBeLessThan(2.2);
  expect(lines).toHaveLength(5);
  expect(lines[3]).toMatch(/^20000 frames: .* steady g2\(1\) (0\.[89]|1\.[01])/);
});
