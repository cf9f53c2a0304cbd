/** The experiments across facilities: `npm run experiment -- NAME [options]` (docs/experiment.md). Exit code 2: there is none of that name. */
import { live } from "./experiment-live.mjs";

/** @type {Record<string, (args: string[]) => Promise<number>>} */
const EXPERIMENTS = { live };

const [name = "", ...args] = process.argv.slice(2);
const run = EXPERIMENTS[name];
if (run === undefined) {
  console.error(`usage: npm run experiment -- ${Object.keys(EXPERIMENTS).join("|")} [options]; --help after the name tells more`);
  process.exit(2);
}
process.exit(await run(args));
