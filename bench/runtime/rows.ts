/** The rows of the runtime's table: goals, the figures of Balsam beside them, and what measures each. */
import { measureChoosing } from "./choosing.js";
import { measureDeadSite } from "./dead-site.js";
import { measureDispatch, measureNoop } from "./latency.js";
import { measureListing } from "./listing.js";
import { measureMemory } from "./memory.js";
import { measureReplay } from "./replay.js";
import { measureRestart } from "./restart.js";
import type { Goal, Measured } from "./row.js";
import { measureCalls, measureRoundTrip } from "./rpc.js";
import { measureBulk, measureSubmits } from "./submits.js";
import { measureCommands, measureNoops } from "./throughput.js";

export interface Place {
  /** The project's folder. */
  readonly root: string;
  /** What is kept between measurements. */
  readonly dataFolder: string;
  readonly runs: number;
  /** A fraction of the work: to try the bench. */
  readonly scale: number;
  /** Path of an empty folder for a measurement. */
  readonly folder: (name: string) => string;
  readonly say: (text: string) => void;
}

export interface RuntimeCase extends Goal {
  readonly measure: (place: Place) => Promise<Measured>;
}

/** Name of the micro cases together. */
export const MICRO = "micro";

export const RUNTIME_CASES: readonly RuntimeCase[] = [
  {
    name: "dispatch",
    title: "submit to running, idle slot, warm kernel host, median",
    goal: 50,
    unit: "ms",
    better: "less",
    balsam: "4.3 s",
    measure: measureDispatch,
  },
  {
    name: "noop",
    title: "`xpcs.noop` submit to finished, median",
    goal: 100,
    unit: "ms",
    better: "less",
    balsam: "7.1 s",
    measure: measureNoop,
  },
  {
    name: "submits",
    title: "single submits, 8 clients, each after fdatasync",
    goal: 3_000,
    unit: "/s",
    better: "more",
    balsam: "100-200/s",
    measure: measureSubmits,
  },
  { name: "bulk", title: "bulk create, jobs", goal: 30_000, unit: "/s", better: "more", balsam: "4750/s", measure: measureBulk },
  {
    name: "noops",
    title: "`xpcs.noop` through one site, 2 slots",
    goal: 300,
    unit: "/s",
    better: "more",
    balsam: "2/s",
    measure: measureNoops,
  },
  {
    name: "commands",
    title: "command app `/bin/true` through one site, 2 slots",
    goal: 100,
    unit: "/s",
    better: "more",
    balsam: "2/s",
    measure: measureCommands,
  },
  {
    name: "listing",
    title: "list page of 100 from 1 000 000 jobs, slowest filter and page",
    goal: 20,
    unit: "ms",
    better: "less",
    balsam: "-",
    measure: measureListing,
  },
  {
    name: "dead-site",
    title: "dead site process noticed, its job runs elsewhere",
    goal: 10,
    unit: "s",
    better: "less",
    balsam: "302 s",
    measure: measureDeadSite,
  },
  {
    name: "calls",
    title: "control calls over comlink, pipelined, against raw msgpack over ws",
    goal: 2.5,
    unit: "x",
    better: "less",
    balsam: "-",
    measure: measureCalls,
  },
  {
    name: "round-trip",
    title: "control call, median round trip, against the same",
    goal: 2.5,
    unit: "x",
    better: "less",
    balsam: "-",
    measure: measureRoundTrip,
  },
  {
    name: "memory",
    title: "memory of central per live job",
    goal: 2_000,
    unit: "B",
    better: "less",
    balsam: "-",
    measure: measureMemory,
  },
  {
    name: "restart",
    title: "restart of central with 100 000 live jobs",
    goal: 2,
    unit: "s",
    better: "less",
    balsam: "-",
    measure: measureRestart,
  },
  {
    name: "choosing",
    title: "choosing among 20 sites for one job, 100 000 jobs waiting",
    goal: 50,
    unit: "µs",
    better: "less",
    balsam: "-",
    measure: measureChoosing,
  },
  {
    name: "replay",
    title: "`xpcs replay` of 100 000 jobs on 20 sites, soonest",
    goal: 60,
    unit: "s",
    better: "less",
    balsam: "-",
    measure: measureReplay(100_000),
  },
  {
    name: "replay-million",
    title: "`xpcs replay` of a million jobs on 20 sites, soonest, in 4 GB",
    goal: 900,
    unit: "s",
    better: "less",
    balsam: "-",
    measure: measureReplay(1_000_000),
  },
];
