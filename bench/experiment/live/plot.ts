/** Jobs/min of each facility over time, with the outage as a band, as SVG text. */
import type * as vega from "vega";
import { COLOURS, pageOf, rendered } from "../../../src/xpcs/plot.js";
import type { Flows } from "./flows.js";

const WIDTH = 640;
const HEIGHT = 320;

/** Renders the figure. @param victim whose link was cut */
export function flowsSvg({ flows, windowS, outageS }: Flows, victim: string): Promise<string> {
  const values = flows.flatMap(({ name, windows }) => windows.map((rate, at) => ({ name, s: (at + 0.5) * windowS, rate })));
  const x = (field: string): vega.NumericValueRef => ({ scale: "x", field });
  return rendered({
    ...pageOf({ title: "Jobs that each facility finished", subtitle: `windows of ${windowS} s; grey: the link of ${victim} is cut` }),
    width: WIDTH,
    height: HEIGHT,
    data: [
      { name: "rates", values },
      { name: "outage", values: [{ from: outageS[0], until: outageS[1] }] },
    ],
    scales: [
      { name: "x", type: "linear", domain: [0, Math.max(windowS, ...values.map(({ s }) => s + windowS / 2))], range: [0, WIDTH] },
      { name: "y", type: "linear", domain: { data: "rates", field: "rate" }, range: [HEIGHT, 0], zero: true, nice: true },
      { name: "colour", type: "ordinal", domain: flows.map(({ name }) => name), range: [...COLOURS] },
    ],
    axes: [
      { orient: "bottom", scale: "x", title: "time (s)", grid: true },
      { orient: "left", scale: "y", title: "jobs/min", grid: true },
    ],
    marks: [
      {
        type: "rect",
        from: { data: "outage" },
        encode: { update: { x: x("from"), x2: x("until"), y: { value: 0 }, y2: { value: HEIGHT }, fill: { value: "#ddd" } } },
      },
      {
        type: "group",
        from: { facet: { name: "site", data: "rates", groupby: "name" } },
        marks: [
          {
            type: "line",
            from: { data: "site" },
            encode: {
              update: {
                x: x("s"),
                y: { scale: "y", field: "rate" },
                stroke: { scale: "colour", field: "name" },
                strokeWidth: { value: 2 },
              },
            },
          },
        ],
      },
    ],
    legends: [{ stroke: "colour", orient: "top-right", fillColor: "white", padding: 4, symbolType: "stroke", symbolStrokeWidth: 2 }],
  });
}
