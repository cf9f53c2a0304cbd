/**
 * Serves the boxes of a shared folder (mailbox.ts): each that is new becomes a link. Boxes of a predecessor are removed, so that whoever dialled them dials again.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, sleep } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Link } from "./link.js";
import { removeBox, takeMailbox } from "./mailbox.js";

/** Between two looks for new boxes. */
const LOOK_MS = 250;
/** For the other end, to read the goodbye. */
const LINGER_MS = 5_000;

export interface MailboxServerOptions {
  /** Folders in which there may be boxes, at each look; those that are not there are left out. */
  readonly folders: () => readonly string[];
  readonly clock: Clock;
  readonly onLink: (link: Link) => void;
  readonly onFault: (reason: string) => void;
}

/** Serves until the signal, then closes all links. */
export async function serveMailboxes({ folders, clock, onLink, onFault }: MailboxServerOptions, signal: AbortSignal): Promise<void> {
  /** Boxes with a link, or whose end is being waited for. */
  const mine = new Map<string, { readonly link: Link; readonly gone: Promise<void> }>();

  async function take(box: string): Promise<void> {
    const link = await takeMailbox({ box, clock });
    if (link === null) return removeBox(box);
    const gone = link.ended
      .then(() => sleep(clock, LINGER_MS, signal))
      .then(() => removeBox(box))
      .catch((error: Error) => onFault(error.message))
      .finally(() => mine.delete(box));
    mine.set(box, { link, gone });
    onLink(link);
  }

  async function look(folder: string): Promise<void> {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((each) => !each.startsWith("."))) {
      const box = join(folder, name);
      if (!mine.has(box)) await take(box);
    }
  }

  while (!signal.aborted) {
    for (const folder of folders()) await look(folder).catch((error: Error) => onFault(error.message));
    await sleep(clock, LOOK_MS, signal);
  }
  const left = [...mine.values()];
  for (const { link } of left) link.close();
  await Promise.all(left.map(({ gone }) => gone));
}

/** Joins two links: what comes out of one goes into the other, and with one the other ends. */
export function joinLinks(one: Link, other: Link): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.onBytes((bytes) => {
      if (to.buffered > LIMITS.bufferedBytesMax) from.close(new XpcsError("UNAVAILABLE", "the other end does not read"));
      else to.send(bytes);
    });
    from.onClose((reason) => to.close(reason));
  }
}
