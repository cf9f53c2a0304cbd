/**
 * The files that a site has brought here, by digest: what many jobs read crosses once, also under several names. Attempts get them by reflink or hard link,
 * so what goes from the cache stays with those that have it. Least recently used goes first.
 *
 * On the disk: content/SHA256, read-only; names.jsonl (cache-names.ts); partial/KEY while a file is on its way.
 * Nothing is synced: after a reboot each file is digested before it is used again. A file that somebody has written to is not used again.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { chmod, copyFile, link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../../core/clock.js";
import { XpcsError } from "../../core/errors.js";
import { digestFile } from "../../files/digest.js";
import { isNoLink, systemCode } from "../../files/system-error.js";
import { type CacheName, type CacheNames, openNames, readNames } from "./cache-names.js";
import { lookAt } from "./identity.js";

/** A file that is whole. */
export interface Arrived {
  readonly sha256: string;
  /** As of identity.ts, when it is read-only and nobody will write to it any more; null: not looked at. */
  readonly identity: string | null;
}

export interface CacheRequest {
  /** Which file this is: where, and in which version. */
  readonly source: string;
  readonly bytes: number;
  /** Its digest, when the source says it beforehand. */
  readonly sha256: string | null;
  /** Brings it to `partial`, going on with what is there; its digest is compared with what the source has. */
  readonly fetch: (partial: string) => Promise<Arrived>;
  /** The attempt's name for it; its folder is made. */
  readonly to: string;
  readonly signal: AbortSignal;
}

export interface SiteCache {
  /** Whether a file is here, as far as is known without looking at its bytes: for whoever brings several together. */
  has(source: string, sha256: string | null): Promise<boolean>;
  /** Gives an attempt a file. @returns whether it was here @throws CANCELED · what `fetch` throws */
  stage(request: CacheRequest): Promise<boolean>;
}

export interface CacheOptions {
  /** Made when a file comes. */
  readonly folder: string;
  readonly bytesMax: number;
  readonly clock: Clock;
  /** Changes with each boot of the machine. */
  readonly boot: string;
}

interface Entry {
  readonly sha256: string;
  readonly bytes: number;
  /** Inode, length and time of change: another after somebody has written to it. */
  readonly identity: string;
  /** Not since the last boot. */
  unproven: boolean;
  usedMs: number;
  readonly names: Set<string>;
}

/** What is on its way for so long is nobody's any more, ms. */
const PARTIAL_KEPT_MS = 3 * 86_400_000;

/** @returns its identity */
async function madeReadOnly(path: string): Promise<string> {
  const { identity, writable } = await lookAt(path);
  if (writable) await chmod(path, 0o400);
  return identity;
}

/** A hard link, whatever has its name, and with its folder: of many files most find theirs, and nothing in their way. */
async function linkOver(from: string, to: string): Promise<void> {
  try {
    return await link(from, to);
  } catch (error) {
    if (systemCode(error) === "EEXIST") await rm(to, { force: true });
    else if (systemCode(error) === "ENOENT") await mkdir(dirname(to), { recursive: true });
    else throw error;
  }
  await link(from, to);
}

/**
 * Under another name: as blocks that are copied when written to, else as the same file, else as a copy.
 * @param reflinks false: the file system has none
 * @returns whether it has
 */
async function give(from: string, to: string, reflinks: boolean): Promise<boolean> {
  // A copy is there before it is whole, and a failed reflink leaves an empty file for a moment: both under a name that nobody asks for.
  const unfinished = join(dirname(to), `.${basename(to)}.incoming`);
  const copy = async (how: number): Promise<void> => {
    await rm(unfinished, { force: true });
    await copyFile(from, unfinished, how);
    await rename(unfinished, to);
  };
  if (reflinks) {
    await mkdir(dirname(to), { recursive: true });
    try {
      await copy(constants.COPYFILE_FICLONE_FORCE);
      return true;
    } catch {
      await rm(unfinished, { force: true });
    }
  }
  try {
    await linkOver(from, to);
  } catch (error) {
    if (!isNoLink(error)) throw error;
    await copy(0);
  }
  return false;
}

/** @throws CANCELED the signal was aborted first */
async function orStopped(flight: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let stop: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  signal.addEventListener("abort", stop);
  if (!signal.aborted) await Promise.race([flight, stopped]);
  signal.removeEventListener("abort", stop);
  if (signal.aborted) throw new XpcsError("CANCELED", "the transfer was stopped");
}

function keyOf(source: string): string {
  return createHash("sha256").update(source).digest("hex");
}

class FolderCache implements SiteCache {
  readonly #options: CacheOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #byName = new Map<string, Entry>();
  #names: CacheNames | null = null;
  readonly #flights = new Map<string, Promise<unknown>>();
  /** Keys of what lies in partial/: of an earlier process, or of a transfer that broke. */
  readonly #left = new Set<string>();
  #bytes = 0;
  /** Room of files that are on their way. */
  #arriving = 0;
  #reflinks = true;
  #opened: Promise<void> | null = null;

  constructor(options: CacheOptions) {
    this.#options = options;
  }

  #path(kind: "content" | "partial", name: string): string {
    return join(this.#options.folder, kind, name);
  }

  async #open(): Promise<void> {
    const { folder, clock, boot } = this.#options;
    for (const kind of ["content", "partial"]) await mkdir(join(folder, kind), { recursive: true });
    const names = join(folder, "names.jsonl");
    for (const { key, sha256, identity, boot: then, usedMs } of await readNames(names)) {
      const found = await lookAt(this.#path("content", sha256)).catch(() => null);
      // Gone, or written to.
      if (found?.identity !== identity) continue;
      this.#enter(key, { sha256, bytes: found.bytes, identity, unproven: then !== boot, usedMs, names: new Set() });
    }
    for (const name of await readdir(join(folder, "content")))
      if (!this.#entries.has(name)) await rm(this.#path("content", name), { force: true });
    for (const name of await readdir(join(folder, "partial"))) {
      const { changedMs } = await lookAt(this.#path("partial", name));
      if (clock.nowMs() - changedMs > PARTIAL_KEPT_MS) await rm(this.#path("partial", name), { force: true });
      else this.#left.add(name);
    }
    this.#names = await openNames(names, clock, () => this.#live());
  }

  #live(): CacheName[] {
    return [...this.#byName].map(([key, entry]) => this.#nameOf(key, entry));
  }

  #nameOf(key: string, { sha256, identity, unproven, usedMs }: Entry): CacheName {
    return { key, sha256, identity, boot: unproven ? "" : this.#options.boot, usedMs };
  }

  #enter(key: string, fresh: Entry): Entry {
    const entry = this.#entries.get(fresh.sha256) ?? fresh;
    if (entry === fresh) this.#bytes += fresh.bytes;
    entry.usedMs = Math.max(entry.usedMs, fresh.usedMs);
    entry.names.add(key);
    this.#entries.set(entry.sha256, entry);
    this.#byName.set(key, entry);
    return entry;
  }

  async #drop(entry: Entry): Promise<void> {
    if (this.#entries.get(entry.sha256) !== entry) return;
    this.#entries.delete(entry.sha256);
    this.#bytes -= entry.bytes;
    for (const key of entry.names) this.#byName.delete(key);
    await rm(this.#path("content", entry.sha256), { force: true });
  }

  /** Whether the entry is still what it says. */
  async #holds(entry: Entry): Promise<boolean> {
    const path = this.#path("content", entry.sha256);
    try {
      if ((await lookAt(path)).identity !== entry.identity) return false;
      if (entry.unproven && (await digestFile(path)).sha256 !== entry.sha256) return false;
      entry.unproven = false;
      return true;
    } catch {
      return false;
    }
  }

  /** Notes that the file with this key is the entry, used now. */
  async #use(key: string, entry: Entry): Promise<void> {
    const known = this.#enter(key, { ...entry, usedMs: this.#options.clock.nowMs() });
    await this.#names!.note(this.#nameOf(key, known));
  }

  async #fromHere(key: string, { sha256, to }: CacheRequest): Promise<boolean> {
    const entry = this.#entryOf(key, sha256);
    if (entry === undefined) return false;
    try {
      if (await this.#holds(entry)) {
        this.#reflinks = await give(this.#path("content", entry.sha256), to, this.#reflinks);
        await this.#use(key, entry);
        return true;
      }
    } catch (error) {
      // Meanwhile it made room for another.
      if (systemCode(error) !== "ENOENT") throw error;
    }
    await this.#drop(entry);
    return false;
  }

  /** For all that is here and all that is on its way. */
  async #makeRoom(): Promise<void> {
    while (this.#bytes + this.#arriving > this.#options.bytesMax && this.#entries.size > 0) {
      const oldest = [...this.#entries.values()].reduce((a, b) => (b.usedMs < a.usedMs ? b : a));
      await this.#drop(oldest);
    }
  }

  async #bring(key: string, request: CacheRequest): Promise<void> {
    const { bytes, fetch, to } = request;
    const partial = this.#path("partial", key);
    const fits = bytes <= this.#options.bytesMax;
    let room = fits ? bytes : 0;
    this.#arriving += room;
    const arrived = () => {
      this.#arriving -= room;
      room = 0;
    };
    try {
      await this.#makeRoom();
      // It may have been left read-only.
      if (this.#left.has(key)) await chmod(partial, 0o600).catch(() => {});
      this.#left.add(key);
      const came = await fetch(partial);
      if (fits) await this.#keep(key, request, partial, came, arrived);
      else {
        await mkdir(dirname(to), { recursive: true });
        await rename(partial, to);
      }
      this.#left.delete(key);
    } finally {
      arrived();
    }
  }

  /** What has come becomes content. @param arrived called when it counts as that */
  async #keep(key: string, { bytes, to }: CacheRequest, partial: string, came: Arrived, arrived: () => void): Promise<void> {
    const { sha256 } = came;
    const identity = came.identity ?? (await madeReadOnly(partial));
    // Before it is content, which may go at any time to make room.
    this.#reflinks = await give(partial, to, this.#reflinks);
    const twin = this.#entries.get(sha256);
    if (twin !== undefined) await this.#drop(twin);
    await rename(partial, this.#path("content", sha256));
    arrived();
    await this.#use(key, { sha256, bytes, identity, unproven: false, usedMs: 0, names: new Set() });
    // More may be on its way than there is room for.
    await this.#makeRoom();
  }

  #entryOf(key: string, sha256: string | null): Entry | undefined {
    return this.#byName.get(key) ?? (sha256 === null ? undefined : this.#entries.get(sha256));
  }

  #ready(): Promise<void> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }

  async has(source: string, sha256: string | null): Promise<boolean> {
    await this.#ready();
    return this.#entryOf(keyOf(source), sha256) !== undefined;
  }

  async stage(request: CacheRequest): Promise<boolean> {
    await this.#ready();
    const key = keyOf(request.source);
    // Whoever fetches it now may be stopped: then the next one goes on where that one was.
    const flight = request.sha256 ?? key;
    for (let other = this.#flights.get(flight); other !== undefined; other = this.#flights.get(flight)) {
      await orStopped(other, request.signal);
    }
    let hit = false;
    const mine = (async () => {
      hit = await this.#fromHere(key, request);
      if (!hit) await this.#bring(key, request);
    })();
    this.#flights.set(
      flight,
      mine.catch(() => {}).then(() => this.#flights.delete(flight)),
    );
    await mine;
    return hit;
  }
}

/** A cache in `folder`, with what an earlier process left there. */
export function openCache(options: CacheOptions): SiteCache {
  return new FolderCache(options);
}
