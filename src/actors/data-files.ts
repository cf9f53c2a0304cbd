/** Sends the bytes of files, and several files in one answer (src/wire/file-frames.ts), each in the version that was asked for. */
import type { FileHandle } from "node:fs/promises";
import type { Writable } from "node:stream";
import { XpcsError } from "../core/errors.js";
import { openVersioned, type VersionedFile } from "../files/file-version.js";
import { fromSystem } from "../files/system-error.js";
import { fileHead, fileRefusal } from "../wire/file-frames.js";

export interface AskedFile {
  readonly path: string;
  readonly version: string;
}

export interface Buffers {
  /** Sends bytes of a file, from one place to another. @throws IO_FAILED it ends before · UNAVAILABLE the peer has hung up */
  send(file: FileHandle, from: number, to: number): Promise<void>;
  /** Resolves when all has been sent. */
  end(): Promise<void>;
}

/** While one is sent the next one is read. */
const BUFFERS = 2;
const BUFFER_BYTES = 512 * 1024;

/** The refusal of a file that is no longer in the version that was asked for. */
export function changedMeanwhile(path: string): XpcsError {
  return new XpcsError("IO_FAILED", `${path} has changed since its transfer began: is it complete?`);
}

/** Buffers that are used again for the next bytes: memory that is new for each would keep the collector of garbage busy. */
export function openBuffers(to: Writable): Buffers {
  const all: { bytes: Buffer; sent: Promise<void> }[] = [];
  let next = 0;
  let broken: Error | null = null;
  const gone = new Promise<void>((resolve) => {
    // Also where the peer hangs up: then the callbacks of what was written may never come.
    to.once("close", resolve);
  });
  // Whoever writes hears of it; nobody else must.
  to.on("error", (error) => {
    broken ??= error;
  });
  const write = (bytes: Buffer): Promise<void> => {
    const sent = new Promise<void>((resolve) => {
      to.write(bytes, (error) => {
        broken ??= error ?? null;
        resolve();
      });
    });
    return Promise.race([sent, gone]);
  };
  const check = (): void => {
    if (broken !== null || to.destroyed) throw new XpcsError("UNAVAILABLE", "the peer has hung up");
  };
  return {
    async send(file, from, end) {
      for (let at = from; at < end; ) {
        const buffer = all[next] ?? { bytes: Buffer.allocUnsafeSlow(BUFFER_BYTES), sent: Promise.resolve() };
        all[next] = buffer;
        next = (next + 1) % BUFFERS;
        await buffer.sent;
        check();
        const { bytesRead } = await file.read(buffer.bytes, 0, Math.min(BUFFER_BYTES, end - at), at);
        if (bytesRead === 0) throw new XpcsError("IO_FAILED", "the file became shorter while it was sent");
        buffer.sent = write(buffer.bytes.subarray(0, bytesRead));
        at += bytesRead;
      }
    },
    async end() {
      for (const { sent } of all) await sent;
      check();
      to.end();
    },
  };
}

async function openAsked({ path, version }: AskedFile): Promise<VersionedFile> {
  const open = await openVersioned(path);
  if (open.version === version) return open;
  await open.file.close();
  throw changedMeanwhile(path);
}

/** All of them, one after the other. One that cannot be sent is named, and is the last; one that becomes shorter on the way breaks the answer off. */
export async function sendFiles(files: readonly AskedFile[], to: Writable): Promise<void> {
  const buffers = openBuffers(to);
  for (const each of files) {
    let opened: VersionedFile;
    try {
      opened = await openAsked(each);
    } catch (error) {
      to.write(fileRefusal(fromSystem(error)));
      break;
    }
    const { file, bytes } = opened;
    try {
      to.write(fileHead(bytes));
      await buffers.send(file, 0, bytes);
    } finally {
      await file.close();
    }
  }
  await buffers.end();
}
