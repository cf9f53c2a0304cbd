/** How much longer do many small files take than one large one? In turns, with a new version of every file in each. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { spreadOf } from "../judge.js";
import { type Measured, measuredOf } from "../runtime/row.js";
import type { Place } from "../runtime/rows.js";
import type { Staged } from "./stage-child.js";

export interface ManyAndOne {
  /** @param folder for what is brought; gone afterwards */
  stageMany(folder: string): Promise<Staged>;
  stageOne(folder: string): Promise<Staged>;
  /** Called before each pair. */
  renew(): void;
  /** CPU time that the far side has taken so far, where it is known. */
  serverCpuS?: () => number;
}

interface Pair {
  readonly many: Staged;
  readonly one: Staged;
  readonly manyServerS: number;
  readonly oneServerS: number;
}

/** ext4 looks twice at each inode that was freed within 5 s, here by the round before: half a second for 1000 files, which no site has. */
const FORGOTTEN_MS = 6_000;

export async function manyAgainstOne(place: Place, { stageMany, stageOne, renew, serverCpuS }: ManyAndOne): Promise<Measured> {
  const folder = join(place.folder("staging-many-files"));
  const server = serverCpuS ?? (() => 0);
  const counted = async (work: (folder: string) => Promise<Staged>): Promise<[Staged, number]> => {
    await sleep(FORGOTTEN_MS);
    const from = server();
    const staged = await work(folder);
    return [staged, server() - from];
  };
  const pairs: Pair[] = [];
  for (let round = -1; round < place.runs; round += 1) {
    renew();
    // Who goes first changes from round to round; the first round is no measurement.
    const before = round % 2 === 0 ? await counted(stageOne) : null;
    const [many, manyServerS] = await counted(stageMany);
    const [one, oneServerS] = before ?? (await counted(stageOne));
    if (round >= 0) pairs.push({ many, one, manyServerS, oneServerS });
  }
  const median = (value: (pair: Pair) => number) => `${spreadOf(pairs.map(value)).median.toFixed(2)} s`;
  const farSide =
    serverCpuS === undefined ? "" : `, of the far side ${median((pair) => pair.manyServerS)} and ${median((pair) => pair.oneServerS)}`;
  return measuredOf(
    pairs.map(({ many, one }) => many.s / one.s),
    `${median(({ many }) => many.s)} and ${median(({ one }) => one.s)}; CPU of the site ${median(({ many }) => many.cpuS)} and ${median(({ one }) => one.cpuS)}${farSide}`,
  );
}
