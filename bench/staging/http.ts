/**
 * Questions: how much longer than curl and one sha256 pass does a file take through central, and how much longer do many small files take than one
 * large one? A real central; what is compared alternates.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestFile } from "../../src/files/digest.js";
import { spreadOf } from "../judge.js";
import { type CentralProcess, cpuS, createFacility } from "../runtime/processes.js";
import { type Measured, measuredOf } from "../runtime/row.js";
import type { Place } from "../runtime/rows.js";
import { type HeldLease, type HeldLeases, holdLeases } from "./held-leases.js";
import { madeFile, madeFiles, touch, warmUpFiles } from "./inputs.js";
import { manyAgainstOne } from "./many.js";
import { type Opening, runProgram, stage } from "./stage.js";

const FILE_BYTES = 200e6;

interface Through {
  readonly central: CentralProcess;
  /** One for each list of files. */
  readonly leases: readonly HeldLease[];
  opening(lease: HeldLease): Opening;
}

/** A central that gives away the files of a folder, to the holder of a lease for each list of them. */
async function throughCentral<T>(
  place: Place,
  name: string,
  files: string,
  lists: readonly (readonly string[])[],
  work: (through: Through) => Promise<T>,
): Promise<T> {
  const facility = createFacility(place.root, place.folder(name));
  let held: HeldLeases | null = null;
  try {
    const settings = join(facility.folder, "central.json");
    writeFileSync(settings, JSON.stringify({ data: { read: [files], write: [] } }));
    const central = await facility.startCentral(["--settings", settings]);
    const warmUp = warmUpFiles(files);
    held = await holdLeases(central, [...lists, warmUp]);
    const { leases } = held;
    return await work({
      ...{ central, leases },
      opening: (lease) => ({
        settings: { folder: files, by: "http", connections: 4, giveUpS: 20 } as Opening["settings"],
        central: { url: central.url, token: central.siteToken, trust: {}, insecure: false },
        lease,
        warmUp: { lease: leases.at(-1)!, inputs: warmUp },
      }),
    });
  } finally {
    held?.end();
    await facility.end();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1_000;
}

const seconds = (values: readonly number[]): string => `${spreadOf(values).median.toFixed(2)} s`;

/** One large file, against curl from the same central and one pass over what it wrote. */
export function measureHttp(place: Place): Promise<Measured> {
  const files = join(place.dataFolder, "staging");
  const path = madeFile(join(files, `file-${place.scale}.bin`), Math.round(FILE_BYTES * place.scale), 0);
  return throughCentral(place, "staging-http", files, [[path]], async ({ central, leases, opening }) => {
    const held = leases[0]!;
    const scratch = place.folder("staging-http-files");
    const rows: { ratio: number; ours: number; raw: number; pass: number; cpu: number; central: number; rawCentral: number }[] = [];
    const raw = async () => {
      const query = new URLSearchParams({ job: held.job, epoch: String(held.epoch), path });
      const url = `${central.url.replace(/^ws/, "http")}/v1/data/file?${query}`;
      const to = `${scratch}.curl`;
      const head = ["-H", `authorization: Bearer ${central.siteToken}`, "-H", "x-xpcs-site: bench"];
      const cpuFrom = cpuS(central.pid);
      const s = await timed(() => runProgram(["curl", "--silent", "--show-error", "--fail", ...head, "--output", to, url]));
      const cpu = cpuS(central.pid) - cpuFrom;
      const pass = await timed(() => digestFile(to));
      rmSync(to);
      return { s, pass, cpu };
    };
    const ours = async () => {
      const cpuFrom = cpuS(central.pid);
      const staged = await stage(opening(held), scratch, [path]);
      return { ...staged, central: cpuS(central.pid) - cpuFrom };
    };
    for (let round = -1; round < place.runs; round += 1) {
      touch([path]);
      // Who goes first changes from round to round; the first round is no measurement.
      const first = round % 2 === 0 ? await raw() : null;
      const staged = await ours();
      const { s, pass, cpu } = first ?? (await raw());
      if (round < 0) continue;
      rows.push({
        ...{ ratio: staged.s / (s + pass), ours: staged.s, raw: s, pass, cpu: staged.cpuS, central: staged.central, rawCentral: cpu },
      });
    }
    const of = (what: keyof (typeof rows)[number]) => seconds(rows.map((row) => row[what]));
    return measuredOf(
      rows.map(({ ratio }) => ratio),
      `${of("ours")}; curl ${of("raw")}, pass ${of("pass")}; CPU of the site ${of("cpu")}, of central ${of("central")} (for curl ${of("rawCentral")})`,
    );
  });
}

/** Many files of 1 MB against one of as many bytes. */
export function measureManyHttp(place: Place): Promise<Measured> {
  const files = join(place.dataFolder, "staging");
  const count = Math.max(10, Math.round(1_000 * place.scale));
  const many = madeFiles(join(files, "many"), count);
  const one = madeFile(join(files, `one-${count}.bin`), count * 1_000_000, 0);
  return throughCentral(place, "staging-many-http", files, [many, [one]], async ({ central, leases, opening }) => {
    return manyAgainstOne(place, {
      stageMany: (folder) => stage(opening(leases[0]!), folder, many),
      stageOne: (folder) => stage(opening(leases[1]!), folder, [one]),
      renew: () => touch([...many, one]),
      serverCpuS: () => cpuS(central.pid),
    });
  });
}
