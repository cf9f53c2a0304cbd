/**
 * Question: how long does `xpcs replay` take for 100 000 jobs on 20 sites, and for a million, with the policy that asks most? A made-up shift, in a process of its
 * own.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { spreadOf } from "../judge.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

const SITES = 20;
const PROGRAM = fileURLToPath(new URL("./replay-run.js", import.meta.url));

interface Ran {
  readonly wallS: number;
  readonly userS: number;
  readonly peakMb: number;
  readonly answered: number;
}

/** Seconds of a whole shift of so many jobs; of a fraction of it, as much more as that is less. Beside them CPU time and memory. */
export const measureReplay =
  (whole: number) =>
  async ({ runs, scale, say }: Place): Promise<Measured> => {
    const jobs = Math.max(1_000, Math.round(whole * scale));
    const ran: Ran[] = [];
    for (let round = 0; round < runs; round += 1) {
      const what = `jobs=${jobs},sites=${SITES},seed=${round + 1}`;
      const { status, stdout } = spawnSync(process.execPath, [PROGRAM, what, "soonest"], {
        stdio: ["ignore", "pipe", "inherit"],
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`the replay of ${what} ended with ${status}`);
      const one = JSON.parse(stdout) as Ran;
      if (one.answered !== jobs) throw new Error(`the replay of ${what} answered ${one.answered} jobs`);
      ran.push(one);
      say(`  ${one.wallS.toFixed(1)} s, ${one.userS.toFixed(1)} s of CPU time, ${Math.round(one.peakMb)} MB`);
    }
    const cpuMs = (1_000 * spreadOf(ran.map(({ userS }) => userS)).median) / jobs;
    const peakMb = Math.max(...ran.map((one) => one.peakMb));
    const measured = jobs === whole ? `${jobs} jobs` : `by ${jobs} jobs`;
    const beside = `${measured}; ${cpuMs.toFixed(2)} ms of CPU time a job, all threads; ${Math.round(peakMb)} MB at most`;
    return measuredOf(
      ran.map(({ wallS }) => (wallS * whole) / jobs),
      beside,
    );
  };
