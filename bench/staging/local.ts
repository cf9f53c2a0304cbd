/**
 * Question: what does the shared path cost beyond the one sha256 pass that every result gets? Input in place, result published on the same file system. The result is
 * on the disk before: how long that takes is the disk's matter, and stands beside.
 */
import { closeSync, copyFileSync, fsyncSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { spreadOf } from "../judge.js";
import { type Measured, measuredOf } from "../runtime/row.js";
import type { Place } from "../runtime/rows.js";
import { madeFile } from "./inputs.js";
import { publish } from "./stage.js";

const FILE_BYTES = 200e6;

function sync(path: string): void {
  const file = openSync(path, "r+");
  fsyncSync(file);
  closeSync(file);
}

/** Beyond the pass, ms. */
export async function measureLocal(place: Place): Promise<Measured> {
  const source = madeFile(join(place.dataFolder, "staging", `file-${place.scale}.bin`), Math.round(FILE_BYTES * place.scale), 0);
  const folder = place.folder("staging-local");
  mkdirSync(folder, { recursive: true });
  const local = join(folder, "attempt.hdf");
  const to = join(folder, "results.hdf");
  const once = async (synced: boolean) => {
    copyFileSync(source, local);
    if (synced) sync(local);
    const { s, cpuS, passS } = await publish(local, to, [source]);
    rmSync(to);
    return { beyondMs: (s - passS) * 1_000, s, pass: passS, cpuS };
  };
  try {
    const rows: Awaited<ReturnType<typeof once>>[] = [];
    const unsynced: number[] = [];
    for (let round = -1; round < place.runs; round += 1) {
      const [done, fresh] = [await once(true), await once(false)];
      if (round < 0) continue;
      rows.push(done);
      unsynced.push(fresh.beyondMs);
    }
    const of = (what: "s" | "pass" | "cpuS") => `${spreadOf(rows.map((row) => row[what])).median.toFixed(2)} s`;
    return measuredOf(
      rows.map(({ beyondMs }) => beyondMs),
      `${of("s")}, pass ${of("pass")}, CPU ${of("cpuS")}; ${Math.round(spreadOf(unsynced).median)} ms where the result is not on the disk yet`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
