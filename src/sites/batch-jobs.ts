/**
 * The batch jobs of a site, over any scheduler: none is submitted twice, none is lost by a crash between the submission and the note of it, and how
 * each ended is found out. All that must outlive the site lies in one folder per job (batch-script.ts).
 */
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { type Clock, sleep } from "../core/clock.js";
import { isCode, toXpcsError, XpcsError } from "../core/errors.js";
import { conclude } from "./batch-ending.js";
import { bringFiles } from "./batch-mirror.js";
import { note, noted } from "./batch-notes.js";
import { batchFiles, batchScript, checkTag } from "./batch-script.js";
import type { BatchSettings } from "./batch-settings.js";
import type { BatchRef, Ending, Launch, Machine, Phase, Scheduler, Sighting } from "./schedulers/define.js";

/** A job that the scheduler has not known this often is gone. */
const STRIKES = 3;
/** Folders of failed jobs that stay. */
const ASIDE_MAX = 20;
/** A listing may be a little behind a submission. */
const LOOK_AGAIN_MS = 1_000;

export interface BatchRequest {
  /** Names the job, here and at the scheduler. The same tag again is the same job. */
  readonly tag: string;
  readonly argv: readonly [program: string, ...words: string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Checked by the scheduler's schema (batch-settings.ts). */
  readonly settings: BatchSettings;
  /** It runs on each node, with its number in XPCS_PILOT; otherwise once, on the first. */
  readonly onEachNode?: boolean;
}

export interface BatchStatus {
  readonly ref: BatchRef;
  readonly phase: Phase;
  /** One sentence for people: what it waits for, or how it ended. */
  readonly sentence: string;
  /** The scheduler's own words; empty when it said nothing. */
  readonly words: string;
  /** Ms since 1970; null: its script has not started. */
  readonly startedMs: number | null;
  /** Ms since 1970, of the file with its exit code; null: there is none. */
  readonly endedMs: number | null;
  /** For the phase "ended", and only for that. */
  readonly ending: Ending | null;
}

export interface BatchOptions {
  readonly scheduler: Scheduler;
  readonly machine: Machine;
  /** In place of the scheduler's. */
  readonly launch?: Launch;
  /** Holds a folder per job; must be reachable from the nodes under the same path, or else only ours. */
  readonly folder: string;
  /** Where the nodes are far away: holds a folder per job there, from which is brought here what jobs have left. */
  readonly there?: string;
  readonly clock: Clock;
  /** Least time between two looks that count towards "gone", ms. */
  readonly strikeMs: number;
  /** A submission may take effect so long after whoever asked for it has ended or given it up, ms. */
  readonly lateMs: number;
}

export interface BatchJobs {
  /**
   * Submits a job, unless one of its tag is there.
   *
   * @returns the job; `attached`: it was there already
   * @throws INVALID_ARGUMENT · REFUSED by the scheduler · NOT_FOUND no such command · UNAVAILABLE · DEADLINE_EXCEEDED: submit it again, with the same tag
   */
  submit(request: BatchRequest): Promise<{ readonly ref: BatchRef; readonly attached: boolean }>;
  /** Jobs of this folder whose id is known, for a site that starts. */
  known(): Promise<BatchRef[]>;
  /** Tags whose submission was begun, while their id is not known: submit them again, and they are found or submitted. */
  unsettled(): Promise<string[]>;
  /** @throws what the scheduler's command failed with; then nothing has changed */
  poll(refs: readonly BatchRef[]): Promise<BatchStatus[]>;
  cancel(ref: BatchRef): Promise<void>;
  /** Removes the folder of a job that has ended, or was refused. */
  forget(ref: Pick<BatchRef, "tag">): Promise<void>;
  /** The same for a job that failed, whose folder stays for a while, with a dot before its name. @returns where it is now */
  setAside(ref: Pick<BatchRef, "tag">): Promise<string>;
}

/** When it was written, ms since 1970; null: it is not there. */
async function writtenMs(path: string): Promise<number | null> {
  return stat(path).then(
    ({ mtimeMs }) => Math.round(mtimeMs),
    () => null,
  );
}

async function numbersIn(path: string): Promise<number[]> {
  const words = ((await noted(path)) ?? "").split(" ");
  return words.filter((word) => /^\d+$/.test(word)).map(Number);
}

async function wasAtLimit({ folder }: BatchRef): Promise<boolean> {
  const { started, signaled } = batchFiles(folder);
  const [[startS, walltimeS], [toldS]] = await Promise.all([numbersIn(started), numbersIn(signaled)]);
  return startS !== undefined && walltimeS !== undefined && toldS !== undefined && toldS - startS >= walltimeS;
}

/** The id that the scheduler told, or else the one by which the job that runs or ran knows itself. */
async function recordedId(folder: string): Promise<string | null> {
  const files = batchFiles(folder);
  for (const path of [files.submitted, files.claimedId]) {
    const id = await noted(path);
    if (id !== null && id !== "") return id;
  }
  return null;
}

/** The batch jobs of one folder. */
export function createBatchJobs({
  scheduler,
  machine,
  launch = scheduler.launch,
  folder: root,
  there,
  clock,
  strikeMs,
  lateMs,
}: BatchOptions): BatchJobs {
  /** Submissions of an earlier process began before. */
  const openedMs = clock.monotonicMs();
  /** By tag: when its submission here had no answer. */
  const unanswered = new Map<string, number>();
  /** By tag: looks in vain, and when the last one that counts was. */
  const strikes = new Map<string, { count: number; atMs: number }>();

  async function folders(): Promise<{ tag: string; folder: string; id: string | null }[]> {
    const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    const tags = names.filter((name) => !name.startsWith(".")).sort();
    return Promise.all(tags.map(async (tag) => ({ tag, folder: join(root, tag), id: await recordedId(join(root, tag)) })));
  }

  /** What a job has left far away. Where that cannot be had now it is as if it had left nothing, until the next look. */
  async function bring(tag: string): Promise<void> {
    if (there === undefined || scheduler.api === undefined) return;
    await bringFiles(scheduler.api, machine, posix.join(there, tag), join(root, tag)).catch(() => {});
  }

  async function findExisting(tag: string, folder: string): Promise<string | null> {
    return (await recordedId(folder)) ?? (await scheduler.find(tag, folder, machine))[0] ?? null;
  }

  /** Of one whose submission was begun before. @throws UNAVAILABLE it may be there, or still come: that the search was refused, or has no command, says nothing of it */
  async function findBegun(tag: string, folder: string): Promise<string | null> {
    const notKnown = (why: string): XpcsError =>
      new XpcsError("UNAVAILABLE", `whether the batch job ${tag} was submitted is not known: ${why}`);
    const id = await findExisting(tag, folder).catch((error: unknown) => {
      throw notKnown(toXpcsError(error).message);
    });
    // The script is written just before.
    if (id !== null || (await noted(batchFiles(folder).script)) === null) return id;
    if (clock.monotonicMs() - (unanswered.get(tag) ?? openedMs) < lateMs) throw notKnown("it may still be under way");
    return null;
  }

  async function findAfterFailure(tag: string, folder: string, failure: unknown): Promise<string> {
    // Without the command nothing was submitted.
    if (isCode(failure, "NOT_FOUND")) throw failure;
    await sleep(clock, LOOK_AGAIN_MS);
    const id = await findExisting(tag, folder).catch(() => null);
    if (id === null) throw failure;
    return id;
  }

  async function look(ref: BatchRef, sighting: Sighting | undefined): Promise<Omit<Parameters<typeof conclude>[0], "accounted"> | null> {
    if (sighting !== undefined && sighting.phase !== "ended") {
      strikes.delete(ref.tag);
      return null;
    }
    const files = batchFiles(ref.folder);
    const before = strikes.get(ref.tag) ?? { count: 0, atMs: Number.NEGATIVE_INFINITY };
    const nowMs = clock.monotonicMs();
    const strike = nowMs - before.atMs < strikeMs ? before : { count: before.count + 1, atMs: nowMs };
    strikes.set(ref.tag, strike);
    if (strike !== before && (await noted(files.exitCode)) === null) await bring(ref.tag);
    const [code, canceled] = await Promise.all([noted(files.exitCode), noted(files.canceled)]);
    return {
      exitCode: code !== null && /^\d+$/.test(code) ? Number(code) : null,
      canceled: canceled !== null,
      atLimit: await wasAtLimit(ref),
      listed: sighting?.ending ?? null,
      patienceOver: strike.count >= STRIKES,
    };
  }

  /** Null: accounting could not be asked, so that no conclusion may be drawn from its silence. */
  async function accountsOf(refs: readonly BatchRef[]): Promise<ReadonlyMap<string, Ending> | null> {
    if (refs.length === 0) return new Map();
    try {
      return await scheduler.account(refs, machine);
    } catch (error) {
      // Where there is no such command there is no accounting.
      return isCode(error, "NOT_FOUND") ? new Map() : null;
    }
  }

  async function startedMs(ref: BatchRef): Promise<number | null> {
    const [startS] = await numbersIn(batchFiles(ref.folder).started);
    return startS === undefined ? null : startS * 1000;
  }

  async function statusOf(ref: BatchRef, sighting: Sighting | undefined, ending: Ending | null): Promise<BatchStatus> {
    const endedMs = ending === null ? null : await writtenMs(batchFiles(ref.folder).exitCode);
    const common = { ref, words: sighting?.words ?? "", startedMs: await startedMs(ref), endedMs };
    if (ending !== null) {
      strikes.delete(ref.tag);
      return { ...common, phase: "ended", sentence: ending.sentence, ending };
    }
    if (sighting !== undefined && sighting.phase !== "ended")
      return { ...common, phase: sighting.phase, sentence: sighting.sentence, ending };
    const said = sighting === undefined ? "the scheduler does not list it" : sighting.sentence;
    const looks = `look ${strikes.get(ref.tag)?.count ?? 0} of ${STRIKES}`;
    return { ...common, phase: "unknown", sentence: `${said}; how it ended is not known yet (${looks})`, ending };
  }

  return {
    async submit({ tag, argv, env = {}, settings, onEachNode = false }) {
      checkTag(tag);
      const folder = join(root, tag);
      const files = batchFiles(folder);
      const far = there === undefined ? {} : { folder: posix.join(there, tag), makesFolder: true };
      const named = settings.person === undefined ? env : { XPCS_BATCH_FOR: settings.person, ...env };
      const script = batchScript({
        tag,
        folder,
        argv,
        env: named,
        settings,
        ownId: scheduler.ownId,
        launch,
        onEachNode,
        makesFolder: false,
        ...far,
      });
      const isNew = (await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined;
      if (!isNew && (await recordedId(folder)) === null) await bring(tag);
      const existing = await (isNew ? findExisting : findBegun)(tag, folder);
      let id = existing;
      let attached = existing !== null;
      if (id === null) {
        await note(files.script, script, 0o700);
        try {
          id = await scheduler.submit({ tag, folder, scriptPath: files.script, script, settings }, machine);
        } catch (failure) {
          unanswered.set(tag, clock.monotonicMs());
          id = await findAfterFailure(tag, folder, failure);
          attached = true;
        }
      }
      await note(files.submitted, `${id}\n`);
      unanswered.delete(tag);
      return { ref: { tag, id, folder }, attached };
    },
    async known() {
      return (await folders()).flatMap(({ id, ...rest }) => (id === null ? [] : [{ ...rest, id }]));
    },
    async unsettled() {
      return (await folders()).flatMap(({ id, tag }) => (id === null ? [tag] : []));
    },
    async poll(refs) {
      if (refs.length === 0) return [];
      const sightings = new Map((await scheduler.status(refs, machine)).map((sighting) => [sighting.id, sighting]));
      const evidence = new Map(await Promise.all(refs.map(async (ref) => [ref.tag, await look(ref, sightings.get(ref.id))] as const)));
      const asked = refs.filter(({ tag }) => {
        const found = evidence.get(tag);
        return found !== null && found !== undefined && found.exitCode !== 0;
      });
      const accounts = await accountsOf(asked);
      return Promise.all(
        refs.map((ref) => {
          const found = evidence.get(ref.tag) ?? null;
          const accounted = accounts?.get(ref.id) ?? null;
          const ending = found === null ? null : conclude({ ...found, accounted, patienceOver: found.patienceOver && accounts !== null });
          return statusOf(ref, sightings.get(ref.id), ending);
        }),
      );
    },
    async cancel(ref) {
      await note(batchFiles(ref.folder).canceled, "");
      await scheduler.cancel(ref, machine);
    },
    async forget({ tag }) {
      strikes.delete(tag);
      unanswered.delete(tag);
      await rm(join(root, tag), { recursive: true, force: true });
    },
    async setAside({ tag }) {
      strikes.delete(tag);
      const place = join(root, `.${tag}`);
      await rename(join(root, tag), place);
      const aside = (await readdir(root)).filter((name) => name.startsWith(".")).sort();
      for (const old of aside.slice(0, -ASIDE_MAX)) await rm(join(root, old), { recursive: true, force: true });
      return place;
    },
  };
}
