/** Question: how much longer do many small files take than one large one by rsync over ssh, and from an S3 store? With the far sides that the tests have. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { closeRigs, obstacleOf, RIGS } from "../../test/sites/transfer-rigs.js";
import type { Measured } from "../runtime/row.js";
import type { Place } from "../runtime/rows.js";
import { madeFile, madeFiles, touch, warmUpFiles } from "./inputs.js";
import { manyAgainstOne } from "./many.js";
import { NO_CENTRAL, stage } from "./stage.js";

const LEASE = { job: "bench", epoch: 1 };

function inputs({ dataFolder, scale }: Place): { files: string; many: string[]; one: string } {
  const files = join(dataFolder, "staging");
  const count = Math.max(10, Math.round(1_000 * scale));
  return { files, many: madeFiles(join(files, "many"), count), one: madeFile(join(files, `one-${count}.bin`), count * 1_000_000, 0) };
}

/** A real sshd of this machine. @throws there is none */
export async function measureManyRsync(place: Place): Promise<Measured> {
  const obstacle = obstacleOf("rsync");
  if (obstacle !== null) throw new Error(obstacle);
  const { files, many, one } = inputs(place);
  const { opening, close } = await RIGS.rsync!({ there: files, work: place.folder("staging-rsync") });
  try {
    const at = { settings: opening.settings, central: NO_CENTRAL, lease: LEASE, warmUp: { lease: LEASE, inputs: warmUpFiles(files) } };
    return await manyAgainstOne(place, {
      stageMany: (folder) => stage(at, folder, many),
      stageOne: (folder) => stage(at, folder, [one]),
      renew: () => touch([...many, one]),
    });
  } finally {
    await close();
    await closeRigs();
  }
}

/** s3rver, in the process of the bench. */
export async function measureManyS3(place: Place): Promise<Measured> {
  const { files, many, one } = inputs(place);
  const work = place.folder("staging-s3");
  mkdirSync(work, { recursive: true });
  const { opening, far, close } = await RIGS.s3!({ there: files, work });
  try {
    const warmUp = warmUpFiles(files);
    for (const path of [...many, one, ...warmUp]) await far.write(path, readFileSync(path));
    const at = { settings: opening.settings, central: NO_CENTRAL, lease: LEASE, warmUp: { lease: LEASE, inputs: warmUp } };
    return await manyAgainstOne(place, {
      stageMany: (folder) => stage(at, folder, many),
      stageOne: (folder) => stage(at, folder, [one]),
      // A store knows no digest of them: nothing is remembered.
      renew: () => {},
      serverCpuS: () => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
    });
  } finally {
    await close();
    rmSync(work, { recursive: true, force: true });
  }
}
