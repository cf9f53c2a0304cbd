/**
 * What a transfer backend is: how the files of a job reach a site and how its result reaches its place.
 * A backend is one file that exports a value of type `Transfer`, listed in registry.ts; test/sites/transfers.test.ts
 * runs every one of them through the same suite. Files cross in lists, so that a backend may move many at once.
 *
 * The contract:
 * - Every method is idempotent: an attempt may be killed anywhere and repeated, here or at another site.
 * - A result is under its final name whole, or not there at all; it is the bytes whose sha256 the completion names.
 * - Nothing becomes visible before `confirm` has resolved, and `confirm` is asked last: it means that central has just
 *   said that the lease is still this attempt's (promise P5).
 */
import type { FileRef, JobId, OutputFile } from "../../core/job.js";
import type { FileAccess } from "../result-access.js";

export interface StageIn {
  readonly refs: readonly FileRef[];
  /** The attempt's own folder; a backend that copies puts the files here. */
  readonly dir: string;
  readonly signal: AbortSignal;
}

/** Where a job wants its result. */
export interface Destination {
  readonly ref: FileRef;
  readonly job: JobId;
  readonly overwrite: boolean;
}

/** What is at the destination before work begins. */
export type DestinationFound =
  /** An earlier attempt of this job published its result here, and the file still has its digest. */
  | { readonly kind: "published"; readonly output: OutputFile }
  /** Nothing, or (with `overwrite`) a file that may be replaced; `seen` is the file's identity. */
  | { readonly kind: "free"; readonly seen: string | null };

export interface StageOut {
  readonly destination: Destination;
  readonly epoch: number;
  /** The whole result in the attempt's folder, with its digest. Once it is published, the folder's copy is gone. */
  readonly local: OutputFile;
  /** From `inspect`: only that file may be replaced. */
  readonly seen: string | null;
  /** Group and mode that the file has from the moment on at which it is seen. */
  readonly access: FileAccess;
  /** Resolves when the lease is confirmed current. @throws STALE_LEASE · CANCELED */
  readonly confirm: () => Promise<void>;
  readonly signal: AbortSignal;
}

export interface Transfer {
  readonly name: string;
  /** One sentence for people: what it moves, and by which means. */
  readonly about: string;
  accepts(ref: FileRef): boolean;
  /**
   * Makes files readable here, under their own names and as they lie to each other: an input finds its parts beside it, and an HDF5
   * master its data files by their relative paths. Files of one name in two folders stay two files.
   * @returns local paths, in the order of `refs`
   * @throws NOT_FOUND · IO_FAILED · CHECKSUM_MISMATCH
   */
  stageIn(request: StageIn): Promise<string[]>;
  /** @throws ALREADY_EXISTS something else is there and `overwrite` is off · IO_FAILED */
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
