/**
 * The commands of `xpcs`: name, group, one line for the overview, and the file that implements it.
 * Files are imported only when their command runs, so that the overview and a usage error cost nothing.
 */
import type { Command } from "commander";
import type { CliIo } from "./output.js";

/** Adds one command to the program. Options, arguments, description and examples are the file's own. */
export type RegisterCommand = (program: Command, io: CliIo) => void;

export const COMMAND_GROUPS = ["Analyse here", "Run the service", "Jobs", "This machine"] as const;

export interface CommandEntry {
  readonly name: string;
  readonly group: (typeof COMMAND_GROUPS)[number];
  readonly summary: string;
  readonly load: () => Promise<RegisterCommand>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "corr",
    group: "Analyse here",
    summary: "correlate one detector file: g2, its errors and the mean intensities",
    load: async () => (await import("./corr.js")).registerCorr,
  },
  {
    name: "stream",
    group: "Analyse here",
    summary: "correlate what a detector sends while it runs: g2 live",
    load: async () => (await import("./stream.js")).registerStream,
  },
  {
    name: "merge",
    group: "Analyse here",
    summary: "add repeats of one measurement up, from their results",
    load: async () => (await import("./merge.js")).registerMerge,
  },
  {
    name: "eigen-corr",
    group: "Analyse here",
    summary: "in place of XPCS-Eigen's corr: its flags, results in META.hdf",
    load: async () => (await import("./eigen-corr.js")).registerEigenCorr,
  },
  {
    name: "boost-corr",
    group: "Analyse here",
    summary: "in place of boost_corr: its options and result names",
    load: async () => (await import("./boost-corr.js")).registerBoostCorr,
  },
  {
    name: "view",
    group: "Analyse here",
    summary: "what is in a result: summary, fits per q, plots",
    load: async () => (await import("./view.js")).registerView,
  },
  {
    name: "leverage",
    group: "Analyse here",
    summary: "pixels that pull g2 of a result, and the q-map without the bad ones",
    load: async () => (await import("./leverage.js")).registerLeverage,
  },
  {
    name: "central",
    group: "Run the service",
    summary: "the ledger and the router of all jobs; one per beamline",
    load: async () => (await import("./central.js")).registerCentral,
  },
  {
    name: "site",
    group: "Run the service",
    summary: "work for a central on this machine: lease, analyse, report",
    load: async () => (await import("./site.js")).registerSite,
  },
  {
    name: "join",
    group: "Run the service",
    summary: "make this machine a site, with one paste",
    load: async () => (await import("./join.js")).registerJoin,
  },
  {
    name: "token",
    group: "Run the service",
    summary: "make, list and revoke tokens of persons and sites",
    load: async () => (await import("./token.js")).registerToken,
  },
  {
    name: "ledger",
    group: "Run the service",
    summary: "back up, check, export and import the ledger of central",
    load: async () => (await import("./ledger.js")).registerLedger,
  },
  {
    name: "experiment",
    group: "Run the service",
    summary: "archive a whole experiment in one file, and remove it",
    load: async () => (await import("./experiment.js")).registerExperiment,
  },
  {
    name: "replay",
    group: "Run the service",
    summary: "what if: a recorded shift again, with other policies or sites",
    load: async () => (await import("./replay.js")).registerReplay,
  },
  {
    name: "submit",
    group: "Jobs",
    summary: "hand detector files to central; prints the job ids",
    load: async () => (await import("./submit.js")).registerSubmit,
  },
  { name: "run", group: "Jobs", summary: "run a command that sites allow", load: async () => (await import("./run.js")).registerRun },
  { name: "jobs", group: "Jobs", summary: "list jobs by state or tag", load: async () => (await import("./jobs.js")).registerJobs },
  {
    name: "job",
    group: "Jobs",
    summary: "all about one job: attempts, site and why, outputs",
    load: async () => (await import("./job.js")).registerJob,
  },
  { name: "watch", group: "Jobs", summary: "follow jobs until they end", load: async () => (await import("./watch.js")).registerWatch },
  {
    name: "wait",
    group: "Jobs",
    summary: "wait until jobs have ended: for scripts",
    load: async () => (await import("./wait.js")).registerWait,
  },
  {
    name: "logs",
    group: "Jobs",
    summary: "what a command has written, also live",
    load: async () => (await import("./logs.js")).registerLogs,
  },
  {
    name: "cancel",
    group: "Jobs",
    summary: "stop jobs, also running ones",
    load: async () => (await import("./cancel.js")).registerCancel,
  },
  {
    name: "explain",
    group: "Jobs",
    summary: "why this site, and how it went",
    load: async () => (await import("./explain.js")).registerExplain,
  },
  {
    name: "modify",
    group: "Jobs",
    summary: "change what jobs ask for, before they run",
    load: async () => (await import("./modify.js")).registerModify,
  },
  {
    name: "retry",
    group: "Jobs",
    summary: "let failed and canceled jobs begin anew",
    load: async () => (await import("./retry.js")).registerRetry,
  },
  {
    name: "sites",
    group: "Jobs",
    summary: "list the sites and what they are doing",
    load: async () => (await import("./sites.js")).registerSites,
  },
  {
    name: "demo",
    group: "This machine",
    summary: "a simulated sample through central and two sites, in a minute",
    load: async () => (await import("./demo.js")).registerDemo,
  },
  {
    name: "simulate-detector",
    group: "This machine",
    summary: "play a detector with known dynamics, for streams",
    load: async () => (await import("./simulate-detector.js")).registerSimulateDetector,
  },
  {
    name: "bundle",
    group: "This machine",
    summary: "this program as one archive, for machines without Node or HDF5",
    load: async () => (await import("./bundle.js")).registerBundle,
  },
  {
    name: "doctor",
    group: "This machine",
    summary: "check this machine and say what to do about each failure",
    load: async () => (await import("./doctor.js")).registerDoctor,
  },
];
