/** The rows of the table of streams: goals, and what measures each. */
import { type Measured, measuredOf } from "../runtime/row.js";
import type { Place, RuntimeCase } from "../runtime/rows.js";
import { type ChainRun, runChain } from "./chain.js";

const RATE = 50_000;
const SECONDS = 20;

async function rounds(place: Place, one: () => Promise<ChainRun>): Promise<ChainRun[]> {
  const runs: ChainRun[] = [];
  for (let round = 0; round < place.runs; round += 1) runs.push(await one());
  return runs;
}

const list = (runs: readonly ChainRun[], value: (run: ChainRun) => string): string => runs.map(value).join(", ");

/** One core is enough where a second of the detector takes less than a second of it. */
async function measureLive(place: Place): Promise<Measured> {
  const runs = await rounds(place, () => runChain(place, Math.round(RATE * SECONDS * place.scale), RATE));
  const beside = [
    `events/s ${list(runs, ({ events, seconds }) => `${(events / seconds / 1e6).toFixed(2)} M`)}`,
    `frames missing ${list(runs, ({ missing }) => String(missing))}`,
    `the picture at most ${list(runs, ({ behindS }) => behindS!.toFixed(2))} s behind the photons`,
  ];
  return measuredOf(
    runs.map(({ cpuS, frames }) => cpuS / (frames / RATE)),
    beside.join("; "),
  );
}

/** Through the whole chain, as fast as it goes. */
async function measureFastest(place: Place): Promise<Measured> {
  const runs = await rounds(place, () => runChain(place, Math.round(2 * RATE * SECONDS * place.scale), null));
  const beside = [
    `events/s ${list(runs, ({ events, seconds }) => `${(events / seconds / 1e6).toFixed(1)} M`)}`,
    `cores that it had ${list(runs, ({ cpuS, seconds }) => (cpuS / seconds).toFixed(2))}, the source ${list(runs, ({ sourceCpuS, seconds }) => (sourceCpuS / seconds).toFixed(2))}`,
  ];
  return measuredOf(
    runs.map(({ events, cpuS }) => events / cpuS),
    beside.join("; "),
  );
}

export const STREAM_CASES: readonly RuntimeCase[] = [
  {
    name: "live",
    title: "Rigaku 3M, 50 kHz, 56 photons a frame: seconds of the correlator's core per second of the detector",
    ...{ goal: 1, unit: "x", better: "less", balsam: "-", measure: measureLive },
  },
  {
    name: "fastest",
    title: "the same photons as fast as they go: events per second of the correlator's core",
    ...{ goal: 2.8e6, unit: "/s", better: "more", balsam: "-", measure: measureFastest },
  },
];
