/**
 * A link through a folder that two machines share, for where neither can dial the other: messages as files.
 *
 *     BOX/            one per end that dials (mailbox-server.ts finds it)
 *       up/N  down/N  the N-th batch of messages of the end that dials, and of the other; written under another name and renamed, removed by who has read it
 *       taken/        made by the other end
 *
 * A batch is messages, each with its length before it (4 bytes, little-endian); a length of 2^32 - 1 closes the link, what follows says why. An end that has
 * nothing to say writes an empty batch now and then, so that its death is noticed. A box belongs to the two processes that opened it: one that dies takes the
 * link with it, and whoever needs one opens another.
 */
import { mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, sleep, WOKEN } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { createCloseSignal, createInlet, type Link } from "./link.js";

/** Between two looks for the next batch: short while there is traffic, then longer. */
const LOOK_MIN_MS = 10;
const LOOK_MAX_MS = 200;
/** Batches that wait for their reader before no more are written. */
const WINDOW = 16;
/** An end whose last batch is older than this is gone: file systems may show things late. */
const SILENCE_MS = 5 * LIMITS.heartbeatMs;
const CLOSES = 0xffff_ffff;
const LENGTH_BYTES = 4;
const BATCH_BYTES_MAX = 4 * LIMITS.frameBytesMax;

const errorCode = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

/** One message with its length before it. */
function framed(bytes: Uint8Array, length = bytes.length): Uint8Array[] {
  const head = Buffer.alloc(LENGTH_BYTES);
  head.writeUInt32LE(length);
  return [head, bytes];
}

interface Batch {
  readonly messages: Uint8Array[];
  /** Null: the link goes on. */
  readonly closes: string | null;
}

/** @throws CORRUPT_DATA */
function parseBatch(bytes: Buffer): Batch {
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < LENGTH_BYTES) throw new XpcsError("CORRUPT_DATA", "a batch of messages is cut short");
    const length = bytes.readUInt32LE(at);
    at += LENGTH_BYTES;
    if (length === CLOSES) return { messages, closes: bytes.subarray(at).toString("utf8").slice(0, LIMITS.reasonCharsMax) };
    if (length > LIMITS.frameBytesMax) throw new XpcsError("CORRUPT_DATA", `a message of ${length} bytes is too large`);
    if (bytes.length - at < length) throw new XpcsError("CORRUPT_DATA", "a batch of messages is cut short");
    messages.push(bytes.subarray(at, at + length));
    at += length;
  }
  return { messages, closes: null };
}

/** Null: it is not there yet. @throws CORRUPT_DATA · of the file system */
async function readBatch(path: string): Promise<Batch | null> {
  const file = await open(path).catch((error) => {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const { size } = await file.stat();
    if (size > BATCH_BYTES_MAX) throw new XpcsError("CORRUPT_DATA", `a batch of ${size} bytes is too large`);
    return parseBatch(await file.readFile());
  } finally {
    await file.close();
  }
}

export interface MailboxOptions {
  readonly box: string;
  readonly clock: Clock;
}

/** The link of a box that is there, as one of its ends. `ended` resolves when it no longer touches the box. */
function mailboxLink({ box, clock }: MailboxOptions, mine: "up" | "down"): Link & { readonly ended: Promise<void> } {
  const [out, back] = [join(box, mine), join(box, mine === "up" ? "down" : "up")];
  const signal = createCloseSignal();
  const over = new AbortController();
  const inlet = createInlet();
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let nudge = new AbortController();
  signal.onClose(() => {
    over.abort(WOKEN);
    nudge.abort(WOKEN);
  });
  let farewell: string | null = null;
  const fire = (what: string): void => signal.fire(new XpcsError("UNAVAILABLE", `the shared folder ${box}: ${what}`));

  /** As much as a batch may hold. */
  function nextBatch(): Uint8Array {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    while (waiting.length > 0 && (bytes === 0 || bytes + waiting[0]!.length < LIMITS.frameBytesMax)) {
      const message = waiting.shift()!;
      waitingBytes -= message.length;
      bytes += message.length;
      parts.push(...framed(message));
    }
    return Buffer.concat(parts);
  }

  async function put(number: number, bytes: Uint8Array): Promise<void> {
    const path = join(out, String(number));
    await writeFile(`${path}.new`, bytes, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  async function write(): Promise<void> {
    let wroteMs = clock.monotonicMs();
    let number = 1;
    while (signal.reason === null) {
      if (waiting.length === 0 && clock.monotonicMs() - wroteMs < LIMITS.heartbeatMs) {
        nudge = new AbortController();
        await sleep(clock, LIMITS.heartbeatMs - (clock.monotonicMs() - wroteMs), nudge.signal);
        continue;
      }
      // The reader removes what it has read.
      const old = await stat(join(out, String(number - WINDOW))).catch(() => null);
      if (old !== null) {
        await sleep(clock, LOOK_MAX_MS, over.signal);
        continue;
      }
      await put(number, nextBatch());
      number += 1;
      wroteMs = clock.monotonicMs();
    }
    // What was sent before the goodbye comes before it.
    while (farewell !== null && waiting.length > 0) {
      await put(number, nextBatch());
      number += 1;
    }
    if (farewell !== null) await put(number, Buffer.concat(framed(Buffer.from(farewell), CLOSES)));
  }

  async function read(): Promise<void> {
    let heardMs = clock.monotonicMs();
    let lookMs = LOOK_MIN_MS;
    for (let number = 1; signal.reason === null; ) {
      const path = join(back, String(number));
      const batch = await readBatch(path);
      if (batch === null) {
        if (clock.monotonicMs() - heardMs > SILENCE_MS) return fire(`nothing was heard for ${SILENCE_MS} ms`);
        // The folder itself is gone when the other end, or its successor, has given it up.
        if (lookMs === LOOK_MAX_MS) await stat(back);
        await sleep(clock, lookMs, over.signal);
        lookMs = Math.min(LOOK_MAX_MS, 2 * lookMs);
        continue;
      }
      await rm(path);
      number += 1;
      heardMs = clock.monotonicMs();
      if (batch.messages.length > 0) lookMs = LOOK_MIN_MS;
      for (const message of batch.messages) inlet.take(message);
      if (batch.closes !== null) return fire(batch.closes);
    }
  }

  const failed = (error: Error): void => fire(errorCode(error) === "ENOENT" ? "the other end has given it up" : error.message);
  const ended = Promise.all([write().catch(failed), read().catch(failed)]).then(() => {});

  return {
    ended,
    send(bytes) {
      if (signal.reason !== null) return;
      waiting.push(bytes);
      waitingBytes += bytes.length;
      nudge.abort(WOKEN);
    },
    onBytes: inlet.onBytes,
    onClose: signal.onClose,
    close(reason) {
      if (signal.reason !== null) return;
      farewell = reason?.message ?? "the other end has closed the link";
      signal.fire(reason ?? new XpcsError("UNAVAILABLE", "the link was closed"));
    },
    get buffered() {
      return waitingBytes;
    },
  };
}

/** Removes a box, in which an end that is closing may still write. */
export async function removeBox(box: string): Promise<void> {
  await rm(box, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** @returns false: it was taken before, or is gone. @throws of the file system */
async function claim(box: string): Promise<boolean> {
  try {
    await mkdir(join(box, "taken"));
    return true;
  } catch (error) {
    if (["EEXIST", "ENOENT"].includes(errorCode(error))) return false;
    throw error;
  }
}

/**
 * Opens a new box in `folder`, as the end that dials; what is sent waits for the other end.
 *
 * @param name of the box: one that no other has had
 * @throws UNAVAILABLE the folder is not there, or cannot be written
 */
export async function openMailbox(folder: string, name: string, clock: Clock): Promise<Link> {
  const box = join(folder, name);
  try {
    // The folder itself is made by nobody but its owner: one that is gone stays so.
    const making = join(folder, `.${name}`);
    for (const path of [making, join(making, "up"), join(making, "down")]) await mkdir(path, { mode: 0o700 });
    await rename(making, box);
  } catch (error) {
    throw new XpcsError("UNAVAILABLE", `no link can be made in the shared folder ${folder}: ${(error as Error).message}`);
  }
  const link = mailboxLink({ box, clock }, "up");
  // One that nobody has taken is not left: whoever serves the folder later would take it for a link.
  void link.ended.then(async () => {
    if (await claim(box).catch(() => false)) await removeBox(box).catch(() => {});
  });
  return link;
}

/**
 * Takes a box as the other end.
 *
 * @returns null: it was taken before, so its link has ended
 */
export async function takeMailbox({ box, clock }: MailboxOptions): Promise<(Link & { readonly ended: Promise<void> }) | null> {
  return (await claim(box)) ? mailboxLink({ box, clock }, "down") : null;
}
