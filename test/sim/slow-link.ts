/** A site's link on which files take seconds, and now and then come again; sees that a site brings no more jobs' files at a time than it may, and never tells that files are there which are not. */
import { type Clock, sleep } from "../../src/core/clock.js";
import type { LeaseRef } from "../../src/core/protocols.js";
import type { SiteOptions } from "../../src/sites/site.js";
import type { StageIn, Transfer } from "../../src/sites/transfers/define.js";
import { sharedPath } from "../../src/sites/transfers/shared-path.js";
import { Broken } from "./promises.js";

const FILE_BYTES = 1_000;
const PIECES = 10;

const nameOf = ({ job, epoch }: LeaseRef): string => `${job} ${epoch}`;

export class SlowLinks {
  /** Attempts whose files come. */
  readonly #coming = new Set<string>();
  readonly #told: { readonly broke: (broken: Broken) => void; readonly mark: (what: string) => void };

  constructor(told: { readonly broke: (broken: Broken) => void; readonly mark: (what: string) => void }) {
    this.#told = told;
  }

  /** Of one process of a site. @param pieceMs a piece of a file takes so long at most */
  of(clock: Clock, rng: () => number, { pieceMs, transfersMax }: { pieceMs: number; transfersMax: number }): Partial<SiteOptions> {
    let count = 0;
    const stageIn = async (request: StageIn): Promise<string[]> => {
      const name = nameOf(request.lease);
      this.#coming.add(name);
      count += 1;
      if (count > transfersMax)
        this.#told.broke(new Broken("defect", `files of ${count} jobs come at a time: ${[...this.#coming].join(", ")}`));
      try {
        for (const file of request.refs.map(() => request.arriving!.file(FILE_BYTES))) {
          while (file.lacks > 0 && !request.signal.aborted) {
            await sleep(clock, rng() * pieceMs, request.signal);
            if (rng() < 0.1) file.lost(FILE_BYTES / 2);
            else file.came(FILE_BYTES / PIECES);
          }
        }
        const { arriving: _told, ...rest } = request;
        return await sharedPath.stageIn(rest);
      } finally {
        count -= 1;
        this.#coming.delete(name);
      }
    };
    // The rest is that of shared paths, also where a test changes it.
    const transfer = Object.assign(Object.create(sharedPath) as Transfer, { local: false, stageIn });
    return { transfersMax, transfers: { of: () => transfer } };
  }

  /** What a site tells with a renewal. */
  heard(held: readonly (LeaseRef & { readonly filesInMs?: number })[]): void {
    for (const { filesInMs, ...lease } of held) {
      if (filesInMs === undefined) continue;
      this.#told.mark(filesInMs > 0 ? "files were expected" : "files were there");
      if (filesInMs === 0 && this.#coming.has(nameOf(lease)))
        this.#told.broke(new Broken("defect", `files of ${nameOf(lease)} were told to be there, and were on their way`));
    }
  }
}
