/**
 * `xpcs submit --watch`: submits each file when it is complete, until Ctrl-C. Each submission has a key made of the file, its content's identity
 * and its results: the same file again, also after a restart, makes no second job.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { type Clock, sleep } from "../core/clock.js";
import { ERROR_CODES, isCode, toXpcsError, XpcsError } from "../core/errors.js";
import type { CorrJob, JobId, JobSpec } from "../core/job.js";
import { jobFiles } from "../core/job-files.js";
import type { XpcsClient } from "../index.js";
import type { SettledFiles } from "../sites/settled-files.js";
import type { CliIo } from "./output.js";

/** How often the folders are looked at. */
const LOOK_MS = 1_000;
/** A file may still grow so long after its submission, ms: then it was not complete, and is submitted again. */
const REGRETS_MS = 600_000;
/** A file that was refused is tried again after this time, doubled each time, up to the last: what it needs may come. */
const AGAIN_MS = 10_000;
const AGAIN_MAX_MS = 300_000;

export interface FolderWatch {
  /** The files that are there now. */
  readonly list: () => readonly string[];
  /** The jobs of a file: `again` when other content of that name was submitted before. @throws what `submitSpecs` throws */
  readonly specsOf: (file: string, again: boolean) => JobSpec[];
  readonly files: SettledFiles;
  readonly overwrite: boolean;
  /** From --key: another one submits all anew. */
  readonly key: string | null;
  readonly client: Pick<XpcsClient, "submit">;
  readonly clock: Clock;
}

interface Known {
  /** The content that was submitted, or whose results are there. */
  done: string | null;
  doneMs: number;
  /** It was refused: the message, how often, and when to try again. */
  problem: string | null;
  tries: number;
  againMs: number;
  /** Looked at and not complete. */
  incomplete: boolean;
}

/** What became of one file, as --json prints it. */
export interface Watched {
  readonly file: string;
  readonly jobs: readonly JobId[];
  readonly problem: { readonly code: string; readonly message: string } | null;
}

const worksOf = (specs: readonly JobSpec[]) => specs.map(({ work }) => work as CorrJob);

/** Its own files: the maps and settings that it shares with others are there since before. */
function ownFiles(work: CorrJob): string[] {
  const shared = [work.qmap, work.job, work.monitor];
  return jobFiles(work).flatMap((ref) => (shared.includes(ref) ? [] : [ref.path]));
}

function keyOf(key: string | null, specs: readonly JobSpec[], identity: string): string {
  const outs = worksOf(specs).map(({ out }) => out.path);
  return `watch ${createHash("sha256")
    .update(JSON.stringify([key, outs, identity]))
    .digest("hex")}`;
}

/** Central is away, or has too much to do: nothing is wrong with the file. */
function passes(error: XpcsError): boolean {
  const { retry } = ERROR_CODES[error.code];
  return retry === "yes" || retry === "after-delay";
}

class Watching {
  readonly #watch: FolderWatch;
  readonly #io: CliIo;
  readonly #known = new Map<string, Known>();
  readonly #counts = { files: 0, jobs: 0, there: 0 };
  #away = false;

  constructor(watch: FolderWatch, io: CliIo) {
    this.#watch = watch;
    this.#io = io;
  }

  #tell(watched: Watched): void {
    const { file, jobs, problem } = watched;
    const what = problem === null ? jobs.join(" ") : `not submitted: ${problem.message} (${problem.code})`;
    this.#io.result(watched, () => `${new Date(this.#watch.clock.nowMs()).toISOString().slice(11, 19)} UTC  ${basename(file)}  ${what}`);
  }

  #refused(file: string, known: Known, error: XpcsError): void {
    const { code, message } = error;
    known.tries = known.problem === message ? known.tries + 1 : 1;
    known.problem = message;
    known.againMs = this.#watch.clock.monotonicMs() + Math.min(AGAIN_MS * 2 ** (known.tries - 1), AGAIN_MAX_MS);
    // What is missing may be on its way, such as the modules of a detector: told when it is not there the next time either.
    if (known.tries === (code === "NOT_FOUND" ? 2 : 1)) this.#tell({ file, jobs: [], problem: { code, message } });
  }

  #done(known: Known, identity: string): void {
    Object.assign(known, { done: identity, doneMs: this.#watch.clock.monotonicMs(), problem: null });
  }

  /** @throws what is wrong with the file, or with central */
  async #submit(file: string, known: Known, content: string): Promise<void> {
    const { specsOf, files, overwrite, key, client } = this.#watch;
    const specs = specsOf(file, known.done !== null);
    const works = worksOf(specs);
    const own = new Set(works.flatMap(ownFiles));
    own.delete(resolve(file));
    const parts = [...own].map((path) => files.rested(path, { mayBeEmpty: false }));
    known.incomplete = parts.includes(null);
    if (known.incomplete) return;
    if (known.done === null && !overwrite && works.every(({ out }) => existsSync(out.path))) {
      this.#counts.there += 1;
      return this.#done(known, content);
    }
    const submitting = client.submit({ jobs: specs, key: keyOf(key, specs, [content, ...parts].join()) });
    const jobs = await untilAborted(submitting, this.#io.signal);
    if (jobs === null) return;
    this.#done(known, content);
    this.#counts.files += 1;
    this.#counts.jobs += jobs.jobs.length;
    this.#tell({ file, jobs: jobs.jobs, problem: null });
  }

  async #look(file: string): Promise<void> {
    const { files, clock } = this.#watch;
    const known: Known = this.#known.get(file) ?? { done: null, doneMs: 0, problem: null, tries: 0, againMs: 0, incomplete: true };
    this.#known.set(file, known);
    const nowMs = clock.monotonicMs();
    if (known.done !== null && nowMs - known.doneMs > REGRETS_MS) return;
    const content = files.look(file);
    known.incomplete = content === null;
    if (content === null || content === known.done || nowMs < known.againMs) return;
    try {
      await this.#submit(file, known, content);
    } catch (error) {
      const failure = toXpcsError(error);
      if (passes(failure) || isCode(failure, "PERMISSION_DENIED") || isCode(failure, "VERSION_MISMATCH")) throw failure;
      this.#refused(file, known, isCode(failure, "KEY_CONFLICT") ? submittedOtherwise() : failure);
      // Its jobs are there, and stay as they are.
      if (isCode(failure, "KEY_CONFLICT")) Object.assign(known, { done: content, doneMs: nowMs });
    }
  }

  async round(): Promise<void> {
    const there = new Set(this.#watch.list());
    for (const file of this.#known.keys()) if (!there.has(file)) this.#known.delete(file);
    try {
      for (const file of there) {
        if (this.#io.signal.aborted) return;
        await this.#look(file);
      }
      this.#away = false;
    } catch (error) {
      const failure = toXpcsError(error);
      if (!passes(failure)) throw failure;
      if (!this.#away) this.#io.note(`central does not take jobs now, trying on: ${failure.message}`);
      this.#away = true;
    }
  }

  /** One sentence, and the exit code: what was not submitted is not done. */
  end(): void {
    const { files, jobs, there } = this.#counts;
    const named = (title: string, which: (known: Known) => boolean): string => {
      const names = [...this.#known].filter(([, known]) => which(known)).map(([file]) => basename(file));
      const some = `${names.slice(0, 5).join(" ")}${names.length > 5 ? " ..." : ""}`;
      return names.length === 0 ? "" : `; ${names.length} ${title}: ${some}`;
    };
    const present = there === 0 ? "" : `; ${there} had their results`;
    const incomplete = named("not complete", (known) => known.incomplete && known.problem === null);
    const refused = named("refused", (known) => known.problem !== null);
    this.#io.note(`submitted ${files} files, ${jobs} jobs${present}${incomplete}${refused}`);
    if (refused !== "") this.#io.exitWith(1);
  }
}

function submittedOtherwise(): XpcsError {
  return new XpcsError("KEY_CONFLICT", "it was submitted before, with other settings, and goes on as it was; --key TEXT submits it anew");
}

/** Null when the signal came first: the key makes it harmless that the outcome is not known. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  work.catch(() => {});
  let stop: () => void = () => {};
  const aborted = new Promise<null>((settle) => {
    stop = () => settle(null);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Submits what is complete, and what comes, until the command is interrupted.
 *
 * @throws PERMISSION_DENIED · VERSION_MISMATCH central will not take this person's jobs
 */
export async function watchAndSubmit(watch: FolderWatch, io: CliIo): Promise<void> {
  const watching = new Watching(watch, io);
  const { signal } = io;
  try {
    while (!signal.aborted) {
      await watching.round();
      await sleep(watch.clock, LOOK_MS, signal);
    }
  } finally {
    watching.end();
  }
}
