/** On what each scheduler is tested. A new one gets its rig here; the suite does the rest. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startFakeApi } from "./fake-apis.js";
import { PLAIN, type Rig, type Stage } from "./stage.js";

/** `npm run test:schedulers` (scripts/test-schedulers.mjs) starts the real ones and says here how they are reached, or why not. */
const REAL = JSON.parse(process.env.XPCS_TEST_SCHEDULERS ?? "{}") as Readonly<
  Record<string, { readonly env?: Readonly<Record<string, string>>; readonly skip?: string }>
>;

const NOT_ASKED = "the real one is tested by npm run test:schedulers";

function real(name: string, stage: Omit<Stage, "environment" | "end">): Rig {
  const { env, skip } = REAL[name] ?? { skip: NOT_ASKED };
  return {
    kind: "real",
    asked: "by commands",
    skip: env === undefined ? (skip ?? NOT_ASKED) : null,
    start: async () => ({ ...stage, environment: { ...process.env, ...env }, end: async () => {} }),
  };
}

/** The commands of a fake, in a folder for PATH, and a folder with its jobs. */
function fake(name: string, commands: readonly string[], stage: Omit<Stage, "environment" | "end">): Rig {
  return {
    kind: "fake",
    asked: "by commands",
    skip: null,
    start: async () => {
      const folder = mkdtempSync(join(tmpdir(), `xpcs-fake-${name}-`));
      const program = fileURLToPath(new URL(`./fakes/${name}.mjs`, import.meta.url));
      for (const path of ["bin", "state"]) mkdirSync(join(folder, path));
      for (const command of commands) {
        const text = `#!/bin/sh\nexec "${process.execPath}" "${program}" ${command} "$@"\n`;
        writeFileSync(join(folder, "bin", command), text, { mode: 0o755 });
      }
      const environment = { ...process.env, PATH: `${join(folder, "bin")}:/usr/bin:/bin`, FAKE_BATCH_STATE: join(folder, "state") };
      return { ...stage, environment, end: async () => rmSync(folder, { recursive: true, force: true }) };
    },
  };
}

/**
 * Servers that were started by hand: of the IRI API's reference implementation, as docs/schedulers/iri.md says. JSON of what a batch file says under `api`, without the folder.
 */
const REFERENCE: Readonly<Record<string, Stage["api"] | undefined>> =
  process.env.XPCS_TEST_IRI === undefined ? {} : { iri: JSON.parse(process.env.XPCS_TEST_IRI) as Stage["api"] };

/** The server of a fake API, in a process of its own, and the files of a facility; or another server of that API. */
function fakeApi(name: string, stage: Pick<Stage, "strangeState" | "refused">): Rig {
  return {
    kind: REFERENCE[name] === undefined ? "fake" : "reference",
    asked: "by HTTP",
    skip: null,
    start: async () => {
      const { api, end } = REFERENCE[name] === undefined ? await startFakeApi(name) : { api: REFERENCE[name], end: async () => {} };
      return { ...PLAIN, ...stage, environment: process.env, api, end };
    },
  };
}

export const RIGS: Readonly<Record<string, Rig>> = {
  slurm: real("slurm", {
    settings: { memoryGbPerNode: 0.1, person: "J. Doe" },
    // It looks at limits about once a minute.
    shortWalltimeS: 60,
    overrunS: 60,
    accountingLagS: 5,
    strangeState: (listing) => listing.replace(/\|(PENDING|CONFIGURING|RUNNING)\|[^|]*\|/g, "|FROBNICATED|Whim|"),
    tells: ["nodes", "memory", "queues", "accounts", "usualAccount"],
    refused: { queue: "no-such-partition" },
  }),
  "grid-engine": real("grid-engine", {
    settings: { person: "J. Doe" },
    shortWalltimeS: 3,
    // Of the queue: the time between the warning and the end.
    overrunS: 15,
    accountingLagS: 15,
    strangeState: (listing) => listing.replace(/<state>[^<]*</g, "<state>Zq<"),
    tells: ["nodes", "memory", "queues", "accounts"],
    refused: { queue: "no-such.q" },
  }),
  pbs: fake("pbs", ["qsub", "qstat", "qselect", "qdel", "pbsnodes"], {
    settings: { person: "J. Doe" },
    shortWalltimeS: 1,
    overrunS: 10,
    accountingLagS: 0,
    strangeState: (listing) => listing.replace(/"job_state": "[A-Z]"/g, '"job_state": "Z"'),
    tells: ["nodes", "queues"],
    refused: { queue: "no-such-queue" },
  }),
  lsf: fake("lsf", ["bsub", "bjobs", "bacct", "bkill", "bqueues"], {
    settings: { person: "J. Doe" },
    shortWalltimeS: 1,
    overrunS: 10,
    shortEnvironment: { FAKE_WALLTIME_S: "1" },
    accountingLagS: 0,
    strangeState: (listing) => listing.replace(/"STAT": "[A-Z]+"/g, '"STAT": "FROBNICATED"'),
    tells: ["queues"],
    refused: { queue: "no-such-queue" },
  }),
  cobalt: fake("cobalt", ["qsub", "qstat", "qdel"], {
    settings: { person: "J. Doe" },
    shortWalltimeS: 1,
    overrunS: 10,
    shortEnvironment: { FAKE_WALLTIME_S: "1" },
    accountingLagS: 0,
    strangeState: (listing) => listing.replace(/ (queued|running) /g, " FROBNICATED "),
    tells: ["queues"],
    refused: { queue: "no-such-queue" },
  }),
  oar: real("oar", {
    // Several jobs on a node.
    settings: { cpusPerNode: 1, person: "J. Doe" },
    // It looks at limits every ten seconds.
    shortWalltimeS: 10,
    overrunS: 60,
    accountingLagS: 0,
    strangeState: (listing) => listing.replace(/"state" : "\w+"/g, '"state" : "FROBNICATED"'),
    tells: ["nodes"],
    refused: { queue: "no-such-queue" },
  }),
  iri: fakeApi("iri", {
    strangeState: (answer) => answer.replace(/"state":"(queued|active)"/g, '"state":"frobnicated"'),
    refused: { queue: "no-such-queue" },
  }),
  sfapi: fakeApi("sfapi", {
    strangeState: (answer) => answer.replace(/"state":"(PENDING|RUNNING)"/g, '"state":"FROBNICATED"'),
    refused: { queue: "no-such-queue" },
  }),
  local: {
    kind: "itself",
    asked: "not at all",
    skip: null,
    start: async () => ({ ...PLAIN, settings: { person: "J. Doe" }, environment: process.env, end: async () => {} }),
  },
};
