/** `xpcs site drain` and `xpcs site halt`: files that a site obeys (src/sites/site-orders.ts), and the eyes of a site for them. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Clock } from "../../core/clock.js";
import { XpcsError } from "../../core/errors.js";
import { fromSystem } from "../../files/system-error.js";
import { type Order, orderFile, ordersIn, type SiteOrders } from "../../sites/site-orders.js";
import type { CliIo } from "../output.js";
import { userName } from "../user-name.js";
import { siteFiles } from "./site-folder.js";
import { statusOf } from "./site-status.js";

const LOOK_MS = 1_000;

/** Tells `obey` what holds, now and again and again. @returns stops looking */
export function watchOrders(folder: string, clock: Clock, obey: (orders: SiteOrders) => void): () => void {
  const look = (): void => {
    obey(ordersIn(folder));
    timer = clock.after(LOOK_MS, look);
  };
  let timer = clock.after(0, look);
  return () => timer.cancel();
}

const MEANING: Readonly<Record<Order, string>> = {
  drain: "takes no more work and finishes what runs",
  halt: "stops all work at once and takes none",
};

/**
 * Gives an order, or takes it back. The site need not run: it obeys when it does.
 * @throws NOT_FOUND the site has never run with this state folder · IO_FAILED
 */
export function giveOrder(site: string, state: string, order: Order, on: boolean, reason: string | undefined, io: CliIo): void {
  const folder = statusOf(siteFiles(state))?.orders.folder ?? "";
  if (folder === "")
    throw new XpcsError(
      "NOT_FOUND",
      `site ${site} has not run with the state folder ${state}: put a file named ${order} into the folder that it obeys (--orders)`,
    );
  const file = orderFile(folder, order);
  try {
    if (on) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${file}.new`, `${reason ?? `by ${userName()}`}\n`);
      renameSync(`${file}.new`, file);
    } else rmSync(file, { force: true });
  } catch (error) {
    throw fromSystem(error);
  }
  const holds = ordersIn(folder);
  io.result({ site, file, ...holds }, () =>
    on ? `site ${site} ${MEANING[order]}, until: xpcs site ${order} ${site} off` : `the order to ${order} site ${site} is taken back`,
  );
}
