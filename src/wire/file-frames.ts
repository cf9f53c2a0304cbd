/**
 * Several files in one body, as central's data server sends them: before each file a line of JSON with its length, `{"bytes":N}`, and then its bytes; in
 * place of a file that cannot be sent, and of all after it, a line with the error. The reader knows beforehand what it asked for.
 */
import { isErrorCode, XpcsError } from "../core/errors.js";
import type { TakePiece } from "./take-pieces.js";

const LINE_BYTES_MAX = 16 * 1024;
const NEWLINE = 10;

/** What stands before a file. @param bytes its length */
export function fileHead(bytes: number): Buffer {
  return Buffer.from(`${JSON.stringify({ bytes })}\n`);
}

/** What stands in place of a file. */
export function fileRefusal({ code, message }: XpcsError): Buffer {
  return Buffer.from(`${JSON.stringify({ error: { code, message: message.slice(0, 1_000) } })}\n`);
}

/** @throws what the sender says · UNAVAILABLE it is no head */
function headOf(line: string): number {
  let head: { bytes?: unknown; error?: { code?: unknown; message?: unknown } } | null;
  try {
    head = JSON.parse(line) as typeof head;
  } catch {
    head = null;
  }
  const code = head?.error?.code;
  if (isErrorCode(code)) throw new XpcsError(code, String(head?.error?.message));
  const bytes = head?.bytes;
  if (typeof bytes !== "number") throw new XpcsError("UNAVAILABLE", "the answer is no list of files");
  return bytes;
}

export interface FileFrames {
  /** Takes the next bytes of the body. @throws what `take` throws · what the sender says · UNAVAILABLE they are not what was asked for */
  readonly push: TakePiece;
  /** @throws UNAVAILABLE files are missing */
  end(): void;
}

/**
 * @param sizes lengths of the files that were asked for, bytes
 * @param take gets the bytes of one file after the other; `last` is true once for each, also for one of no bytes
 */
export function readFileFrames(
  sizes: readonly number[],
  take: (at: number, piece: Buffer, last: boolean) => ReturnType<TakePiece>,
): FileFrames {
  let at = 0;
  /** Bytes of the file that are still to come; null: its head comes first. */
  let left: number | null = null;
  let line = Buffer.alloc(0);

  /** @returns what of `piece` stands behind the head */
  const readHead = (piece: Buffer): Buffer => {
    if (at >= sizes.length) throw new XpcsError("UNAVAILABLE", "the source sent more than it was asked for");
    const end = piece.indexOf(NEWLINE);
    line = Buffer.concat([line, end < 0 ? piece : piece.subarray(0, end)]);
    if (line.length > LINE_BYTES_MAX) throw new XpcsError("UNAVAILABLE", "the answer is no list of files");
    if (end < 0) return Buffer.alloc(0);
    const bytes = headOf(line.toString("utf8"));
    if (bytes !== sizes[at]) throw new XpcsError("UNAVAILABLE", `the source sends ${bytes} bytes of ${sizes[at]}`);
    left = bytes;
    line = Buffer.alloc(0);
    return piece.subarray(end + 1);
  };
  const push: TakePiece = (piece) => {
    let rest = piece;
    while (rest.length > 0 || left === 0) {
      if (left === null) {
        rest = readHead(rest);
        continue;
      }
      const part = rest.subarray(0, left);
      rest = rest.subarray(part.length);
      left -= part.length;
      const [file, last] = [at, left === 0];
      if (last) {
        at += 1;
        left = null;
      }
      const taking = take(file, part, last);
      if (taking === undefined) continue;
      const behind = rest;
      return taking.then(() => push(behind));
    }
    return undefined;
  };
  return {
    push,
    end() {
      if (at < sizes.length) throw new XpcsError("UNAVAILABLE", `the source sent ${at} files of ${sizes.length}`);
    },
  };
}
