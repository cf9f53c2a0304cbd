/**
 * The thread of desk.ts: makes files of the bytes that it is handed, and digests them. Its calls of the system wait, as there is nothing else to do here; each of them made from
 * the main thread would be a hop to another thread and back, which for a small file costs more than its bytes.
 */
import { createHash, type Hash } from "node:crypto";
import { chmodSync, closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { digestNow } from "../../files/digest-now.js";
import { serveThread } from "../../files/serve-thread.js";
import type { Arrived } from "./cache.js";
import type { DeskOrder } from "./desk.js";
import { identityNow } from "./identity.js";

interface Open {
  /** Null: it cannot be opened. */
  file: number | null;
  readonly hash: Hash;
  /** Why it will never be whole: what comes after must not make it look so. */
  failure: unknown;
}

/** Files that have begun and not ended, by the number that the main thread gave them. */
const open = new Map<number, Open>();

function begin(path: string): Open {
  const begun: Open = { file: null, hash: createHash("sha256"), failure: null };
  try {
    // Of an earlier try, which its owner may not write to any more.
    rmSync(path, { force: true });
    // Read-only, as the cache wants it.
    begun.file = openSync(path, "w", 0o400);
  } catch (error) {
    begun.failure = error;
  }
  return begun;
}

function write({ file, hash }: Open, piece: Uint8Array): void {
  for (let at = 0; at < piece.length; ) at += writeSync(file!, piece, at, piece.length - at);
  hash.update(piece);
}

function end(number: number): void {
  const known = open.get(number);
  open.delete(number);
  if (typeof known?.file === "number") closeSync(known.file);
}

function take({ file: number, path, slab, bytes, last }: Extract<DeskOrder, { slab: unknown }>): Arrived | null {
  const known = open.get(number) ?? begin(path);
  open.set(number, known);
  try {
    if (known.failure === null) write(known, new Uint8Array(slab, 0, bytes));
  } catch (error) {
    known.failure = error;
  }
  if (last) end(number);
  if (known.failure !== null) throw known.failure;
  return last ? { sha256: known.hash.digest("hex"), identity: identityNow(path) } : null;
}

function digest(path: string): string {
  const file = openSync(path, "r");
  try {
    return digestNow(file, path, fstatSync(file).size);
  } finally {
    closeSync(file);
  }
}

function adopt(from: string, to: string): Arrived {
  renameSync(from, to);
  chmodSync(to, 0o400);
  return { sha256: digest(to), identity: identityNow(to) };
}

serveThread<DeskOrder, Arrived | null>((order) => {
  if ("slab" in order) return take(order);
  if ("from" in order) return adopt(order.from, order.to);
  end(order.file);
  return null;
});
