/** How the bytes of a body are handed on, piece by piece. */
import type { IncomingMessage } from "node:http";
import { finished } from "node:stream";

/** Gets the next piece when what it returns has resolved; returns nothing where it is ready for it at once: a promise for each piece would cost more than the piece. */
export type TakePiece = (piece: Buffer) => Promise<void> | undefined;

/**
 * Hands a body over, piece by piece; ends when the last was taken, also where it breaks.
 * @param cut words for a body that breaks
 * @throws what `take` throws · what `cut` says
 */
export function takeBody(response: IncomingMessage, take: TakePiece, cut: (error: Error) => Error): Promise<void> {
  let taking: Promise<void> | undefined;
  let failure: unknown = null;
  const fail = (error: unknown): void => {
    failure ??= error;
    response.destroy();
  };
  response.on("data", (piece: Buffer) => {
    if (failure !== null) return;
    try {
      taking = take(piece);
    } catch (error) {
      return fail(error);
    }
    if (taking === undefined) return;
    response.pause();
    taking = taking.then(() => void response.resume(), fail);
  });
  return new Promise((resolve, reject) => {
    finished(response, { writable: false }, async (error) => {
      await taking;
      if (failure !== null) reject(failure);
      else if (error || !response.complete) reject(cut(error ?? new Error("too few bytes")));
      else resolve();
    });
  });
}
