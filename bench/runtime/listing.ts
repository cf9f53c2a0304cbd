/** Question: how long does a page of a listing take when central has a million jobs? The slowest filter and place is what counts. */
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { connect, type JobQuery, type XpcsClient } from "../../src/index.js";
import { spreadOf } from "../judge.js";
import { withClient } from "./jobs.js";
import { madeIds, submittedMs, writeMadeLedger } from "./made-ledger.js";
import { createFacility, type Facility, ownBytes } from "./processes.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";

const PAGE = 100;
const REPEATS = 3;

/** Every field alone, and pairs: of many jobs each, of few, of none. */
export function queriesOf(count: number): Readonly<Record<string, JobQuery>> {
  const time = (share: number) => new Date(submittedMs(Math.floor(count * share))).toISOString();
  const month = { submittedAfter: time(0.35), submittedBefore: time(0.5) };
  return {
    "no filter": {},
    "state finished": { states: ["finished"] },
    "state failed": { states: ["failed"] },
    "state ready": { states: ["ready"] },
    tag: { tags: { sample: "s7" } },
    "tag of few": { tags: { scan: "450" } },
    site: { site: "polaris" },
    app: { app: "xpcs.corr" },
    owner: { owner: "eva" },
    time: month,
    "state and tag": { states: ["finished"], tags: { sample: "s7" } },
    "state failed and tag": { states: ["failed"], tags: { scan: "450" } },
    "state and site": { states: ["failed"], site: "polaris" },
    "site and app": { site: "polaris", app: "xpcs.noop" },
    "site and owner": { site: "aurora", owner: "ana" },
    "site and owner that never meet": { site: "aurora", owner: "dev" },
    "owner and app that never meet": { owner: "ana", app: "xpcs.corr", tags: { sample: "s7" } },
    "owner and time": { owner: "eva", ...month },
    "tag and time": { tags: { sample: "s7" }, ...month },
    "state ready and time": { states: ["ready"], ...month },
    "two tags": { tags: { sample: "s7", scan: "107" } },
  };
}

/** The ledger is imported once, and kept with the inputs of other measurements. */
async function madeLedger(place: Place, facility: Facility, count: number): Promise<string> {
  const kept = join(place.dataFolder, `ledger-${count}`);
  if (existsSync(kept)) return kept;
  const lines = join(facility.folder, "made.jsonl");
  place.say(`making a ledger of ${count} jobs in ${kept}: minutes, once`);
  await writeMadeLedger(lines, count);
  const partial = `${kept}.partial`;
  rmSync(partial, { recursive: true, force: true });
  await facility.run(["ledger", "import", "--data", partial, "--file", lines]);
  rmSync(lines);
  renameSync(partial, kept);
  return kept;
}

interface Timed {
  readonly what: string;
  readonly ms: number;
}

/** Median time of a page. */
async function pageMs(client: XpcsClient, query: JobQuery): Promise<number> {
  const times: number[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    const from = performance.now();
    await client.jobs({ ...query, limit: PAGE });
    times.push(performance.now() - from);
  }
  return spreadOf(times).median;
}

async function allPages(client: XpcsClient, ids: readonly string[]): Promise<Timed[]> {
  const timed: Timed[] = [];
  for (const [what, query] of Object.entries(queriesOf(ids.length))) {
    const { next } = await client.jobs({ ...query, limit: PAGE });
    const cursors: Readonly<Record<string, string | null | undefined>> = {
      "first page": undefined,
      "second page": next,
      "from the middle": ids[Math.floor(ids.length / 2)],
      "from the oldest tenth": ids[Math.floor(ids.length / 10)],
    };
    for (const [where, after] of Object.entries(cursors)) {
      if (after === null) continue;
      timed.push({ what: `${what}, ${where}`, ms: await pageMs(client, after === undefined ? query : { ...query, after }) });
    }
  }
  return timed;
}

/** The slowest page, ms. */
export async function measureListing(place: Place): Promise<Measured> {
  const count = Math.max(1_000, Math.round(1_000_000 * place.scale));
  const facility = createFacility(place.root, place.folder("listing"));
  try {
    const kept = await madeLedger(place, facility, count);
    mkdirSync(join(facility.folder, "central"), { mode: 0o700 });
    symlinkSync(join(kept, "ledger"), join(facility.folder, "central/ledger"));
    const central = await facility.startCentral();
    return await withClient(connect(central.url, { token: central.operatorToken }), async (client) => {
      const ids = madeIds(count);
      await allPages(client, ids);
      const rounds: Timed[][] = [];
      for (let round = 0; round < place.runs; round += 1) rounds.push(await allPages(client, ids));
      const medians = rounds[0]!.map(({ what }, at) => ({ what, ms: spreadOf(rounds.map((round) => round[at]!.ms)).median }));
      medians.sort((a, b) => b.ms - a.ms);
      for (const { what, ms } of medians) place.say(`  ${ms.toFixed(1)} ms  ${what}`);
      const slowest = medians[0]!;
      const typical = spreadOf(medians.map(({ ms }) => ms)).median;
      const gigabytes = (ownBytes(central.pid) / 1e9).toFixed(1);
      return measuredOf(
        rounds.map((round) => round[rounds[0]!.findIndex(({ what }) => what === slowest.what)]!.ms),
        `slowest of ${medians.length}: ${slowest.what}; median of all ${typical.toFixed(1)} ms; central has ${gigabytes} GB`,
      );
    });
  } finally {
    // Killed: what is kept must stay as it was imported.
    await facility.end();
  }
}
