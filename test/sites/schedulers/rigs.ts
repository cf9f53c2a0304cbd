/** On what each scheduler is tested. A new one gets its rig here; the suite does the rest. */
import type { Rig, Stage } from "./stage.js";

/** `npm run test:schedulers` (scripts/test-schedulers.mjs) starts the real ones and says here how they are reached, or why not. */
const REAL = JSON.parse(process.env.XPCS_TEST_SCHEDULERS ?? "{}") as Readonly<
  Record<string, { readonly env?: Readonly<Record<string, string>>; readonly skip?: string }>
>;

const NOT_ASKED = "the real one is tested by npm run test:schedulers";

function real(name: string, stage: Omit<Stage, "environment" | "end">): Rig {
  const { env, skip } = REAL[name] ?? { skip: NOT_ASKED };
  return {
    kind: "real",
    skip: env === undefined ? (skip ?? NOT_ASKED) : null,
    start: async () => ({ ...stage, environment: { ...process.env, ...env }, end: async () => {} }),
  };
}

export const RIGS: Readonly<Record<string, Rig>> = {
  slurm: real("slurm", {
    settings: { memoryGbPerNode: 0.1 },
    // It looks at limits about once a minute.
    shortWalltimeS: 60,
    overrunS: 60,
    accountingLagS: 5,
    strangeState: (listing) => listing.replace(/\|(PENDING|CONFIGURING|RUNNING)\|[^|]*\|/g, "|FROBNICATED|Whim|"),
    refused: { queue: "no-such-partition" },
  }),
  local: {
    kind: "itself",
    skip: null,
    start: async () => ({
      environment: process.env,
      settings: {},
      shortWalltimeS: 1,
      overrunS: 10,
      accountingLagS: 0,
      strangeState: null,
      refused: null,
      end: async () => {},
    }),
  },
};
