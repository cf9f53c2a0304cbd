/** `xpcs site logs`: the log of a site, which turns to a new file when it is full (bounded-log.ts). */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { type Clock, sleep } from "../../core/clock.js";
import { XpcsError } from "../../core/errors.js";
import type { CliIo } from "../output.js";
import { humanLine } from "../pino-logger.js";
import { textIfThere } from "./site-folder.js";

const LOOK_MS = 300;
const PIECE_BYTES = 65_536;

/** The last lines, of the file and the one before it. @param bytes as far as the file is looked at */
export function linesAtEnd(path: string, count: number, bytes = Number.POSITIVE_INFINITY): string[] {
  const now = Buffer.from(textIfThere(path) ?? "")
    .subarray(0, bytes)
    .toString();
  const linesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "");
  const lines = linesOf(now);
  const before = lines.length < count ? linesOf(textIfThere(`${path}.1`) ?? "") : [];
  return [...before, ...lines].slice(-count);
}

interface Followed {
  /** Where it begins. */
  readonly fromBytes: number;
  /** The whole lines since the last time. */
  readonly next: () => string[];
}

/** From the end of a file as it is now. */
function followFile(path: string): Followed {
  let file: number | null = null;
  let at = 0;
  let rest = "";
  let decoder = new StringDecoder("utf8");

  function open(): void {
    try {
      file = openSync(path, "r");
    } catch {
      file = null;
    }
    at = 0;
    rest = "";
    decoder = new StringDecoder("utf8");
  }

  function more(): string[] {
    if (file === null) return [];
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let got = readSync(file, piece, 0, PIECE_BYTES, at); got > 0; got = readSync(file, piece, 0, PIECE_BYTES, at)) {
      at += got;
      rest += decoder.write(piece.subarray(0, got));
    }
    const lines = rest.split("\n");
    rest = lines.pop()!;
    return lines;
  }

  function hasTurned(): boolean {
    try {
      return file === null || statSync(path).ino !== fstatSync(file).ino;
    } catch {
      return false;
    }
  }

  open();
  if (file !== null) at = fstatSync(file).size;
  return {
    fromBytes: at,
    next() {
      const lines = more();
      if (!hasTurned()) return lines;
      // What came between the last look and the turn.
      lines.push(...more());
      if (file !== null) closeSync(file);
      open();
      return [...lines, ...more()];
    },
  };
}

/** One line for whoever asked; one that was cut short when the machine stopped is shown to people as it is. */
function showLine(line: string, io: CliIo): void {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    io.out(line);
    return;
  }
  io.result(fields, () => humanLine(line).trimEnd());
}

/**
 * Prints the last `count` lines; with `follow` also those that come, until the person has seen enough.
 * @throws NOT_FOUND there is no log
 */
export async function showLog(path: string, count: number, follow: boolean, clock: Clock, io: CliIo): Promise<void> {
  if (!follow && textIfThere(path) === null) throw new XpcsError("NOT_FOUND", `there is no log ${path}: the site has not been started`);
  const followed = follow ? followFile(path) : null;
  for (const line of linesAtEnd(path, count, followed?.fromBytes)) showLine(line, io);
  if (followed === null) return;
  while (!io.signal.aborted) {
    for (const line of followed.next()) showLine(line, io);
    await sleep(clock, LOOK_MS, io.signal);
  }
}
