/**
 * What a transfer backend is: how the files of a job reach a site and how its result reaches its place.
 * A backend is one file that exports a value of type `Backend`, listed in registry.ts; test/sites/transfers.test.ts
 * runs every one of them through the same suite. Files cross in lists, so that a backend may move many at once.
 *
 * The contract:
 * - Every method is idempotent: an attempt may be killed anywhere and repeated, here or at another site.
 * - A result is under its final name whole, or not there at all; it is the bytes whose sha256 the completion names.
 * - Nothing becomes visible before `confirm` has resolved, and `confirm` is asked last: it means that central has just
 *   said that the lease is still this attempt's (promise P5).
 * - A failure that may pass is tried again, with growing waits; `report` is told of it at once, and it is final after a time without progress.
 */
import type { z } from "zod";
import type { Clock } from "../../core/clock.js";
import type { FileRef, OutputFile, SiteName } from "../../core/job.js";
import type { LeaseRef } from "../../core/protocols.js";
import type { Destination, DestinationFound, Publication } from "../../files/publication.js";
import type { ProxyChoice } from "../../wire/proxy.js";
import type { Trust } from "../../wire/trust.js";
import type { Arriving } from "../arrival.js";
import type { SiteCache } from "../staging/cache.js";

/** What a backend tells of a transfer. */
export interface Told {
  /** What people see as the reason of the job's state: why it does not go on at present, or null. */
  readonly report: (reason: string | null) => void;
  /** Called with the bytes of each file that has crossed the link; what was here already is not told. */
  readonly moved?: (bytes: number) => void;
}

export interface StageIn extends Told {
  readonly lease: LeaseRef;
  readonly refs: readonly FileRef[];
  /** The attempt's own folder; a backend that copies puts the files here. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Told of each file, as its bytes come. */
  readonly arriving?: Arriving;
}

export interface StageOut extends Publication, Told {}

export interface Transfer {
  /** Files have the same paths here, so the site's roots hold for them. */
  readonly local: boolean;
  /**
   * Makes files readable here, under their own names and as they lie to each other: an input finds its parts beside it, and an HDF5
   * master its data files by their relative paths. Files of one name in two folders stay two files.
   * @returns local paths, in the order of `refs`
   * @throws NOT_FOUND · IO_FAILED · CHECKSUM_MISMATCH · REFUSED
   */
  stageIn(request: StageIn): Promise<string[]>;
  /** @throws ALREADY_EXISTS something else is there and `overwrite` is off · IO_FAILED · REFUSED */
  inspect(destination: Destination): Promise<DestinationFound>;
  /**
   * Publishes a result.
   * @returns the file that is now at the destination: this attempt's, or an earlier one's of the same job
   * @throws STALE_LEASE · CANCELED · ALREADY_EXISTS · CHECKSUM_MISMATCH · IO_FAILED; then nothing was published
   */
  stageOut(request: StageOut): Promise<OutputFile>;
  /** Central has recorded the job's end: forgets what was kept to recognise the publication after a crash. */
  settle(destination: Destination): Promise<void>;
  /** Removes what an attempt that did not publish may have left at the destination. */
  discard(request: { readonly destination: Destination; readonly epoch: number }): Promise<void>;
}

/** Central as the site's settings have it now. */
export interface CentralAccess {
  /** `ws:` or `wss:`. */
  readonly url: string;
  readonly token: string;
  readonly trust: Trust;
  readonly insecure: boolean;
  /** Absent: as the environment says. */
  readonly proxy?: ProxyChoice;
}

/** What a site gives its backends. */
export interface TransferContext {
  readonly site: SiteName;
  readonly central: () => CentralAccess;
  readonly cache: SiteCache;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
}

/** What every location has. */
export interface LocationSettings {
  /** Paths in this folder, as the submitter sees them, are reached by this backend. */
  readonly folder: string;
  readonly by: string;
}

export interface Backend {
  readonly name: string;
  /** One sentence for people: what it moves, and by which means. */
  readonly about: string;
  /** What its locations may have in the site's settings, beside `folder` and `by`. */
  readonly settings: z.ZodObject;
  /** `settings` has passed the schema. */
  open(settings: LocationSettings, context: TransferContext): Transfer;
}
