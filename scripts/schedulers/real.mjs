/** The real schedulers that this project can start, each in a folder of its own, and how they are started and stopped together. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareGridEngine, startGridEngine, stopGridEngine } from "./grid-engine.mjs";
import { prepareSlurm, startSlurm, stopSlurm } from "./slurm.mjs";

/** @type {Record<string, { prepare: () => string | null, start: (folder: string) => Promise<Record<string, string>>, stop: (folder: string) => Promise<void> }>} */
export const REAL = {
  slurm: { prepare: prepareSlurm, start: startSlurm, stop: stopSlurm },
  "grid-engine": { prepare: prepareGridEngine, start: startGridEngine, stop: stopGridEngine },
};

/**
 * Installs what is missing and starts those named.
 *
 * @param {readonly string[]} names
 * @returns for each the environment of its commands, or why it cannot be here, or why it did not start; and what stops all
 */
export async function startReal(names) {
  /** @type {Record<string, { env?: Record<string, string>, skip?: string, failure?: string }>} */
  const reached = {};
  /** @type {(() => Promise<void>)[]} */
  const stops = [];
  for (const name of names) {
    const { prepare, start, stop } = /** @type {typeof REAL[string]} */ (REAL[name]);
    const skip = prepare();
    if (skip !== null) {
      reached[name] = { skip };
      continue;
    }
    const folder = mkdtempSync(join(tmpdir(), `xpcs-${name}-`));
    stops.push(async () => {
      await stop(folder);
      rmSync(folder, { recursive: true, force: true });
    });
    const beganMs = Date.now();
    try {
      reached[name] = { env: await start(folder) };
      console.error(`${name} is up after ${((Date.now() - beganMs) / 1000).toFixed(1)} s, in ${folder}`);
    } catch (error) {
      reached[name] = { failure: /** @type {Error} */ (error).message };
    }
  }
  return {
    reached,
    async stop() {
      for (const stop of stops.reverse()) await stop();
    },
  };
}
