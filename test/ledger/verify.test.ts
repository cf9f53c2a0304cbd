/** What counts as a difference between a record that was kept and one that its events make. */
import { expect, it } from "vitest";
import { differingFields } from "../../src/ledger/verify.js";

it("names the fields that differ, whatever the order of keys, and not those that the kept record never had", () => {
  expect(differingFields({ a: { x: 1, y: [2] }, b: null }, { b: null, c: 3, a: { y: [2], x: 1 } })).toEqual([]);
  expect(differingFields({ a: { x: 1 }, b: null, c: [1, 2] }, { a: { x: 2 }, c: [2, 1] })).toEqual(["a", "b", "c"]);
});
