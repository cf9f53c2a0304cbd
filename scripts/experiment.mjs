/** The experiments across facilities: `npm run experiment -- NAME [options]` (docs/experiment.md). Exit code 2: there is none of that name. */
import { live } from "./experiment-live.mjs";
import { virtual } from "./experiment-virtual.mjs";

/** @type {Record<string, (args: string[]) => Promise<number>>} */
const EXPERIMENTS = {
  published: (args) => virtual("published", args),
  surge: (args) => virtual("surge", args),
  staging: (args) => virtual("staging", args),
  scaling: (args) => virtual("scaling", args),
  live,
};

const [name = "", ...args] = process.argv.slice(2);
const run = EXPERIMENTS[name];
if (run === undefined) {
  console.error(`usage: npm run experiment -- ${Object.keys(EXPERIMENTS).join("|")} [options]; --help after the name tells more`);
  process.exit(2);
}
process.exit(await run(args));
