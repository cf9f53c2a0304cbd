/**
 * What a site's admin orders on the spot, by files in the site's folder: `drain`, which lets what runs finish, and `halt`, which stops it at once. Both hold until the file is taken
 * away, whoever starts or ends meanwhile, and without central. What a file says is the reason.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "../core/limits.js";

/** Null: not ordered. */
export interface SiteOrders {
  readonly drain: string | null;
  readonly halt: string | null;
}

export const NO_ORDERS: SiteOrders = { drain: null, halt: null };
export const ORDERS = ["drain", "halt"] as const;
export type Order = (typeof ORDERS)[number];

/** The file of an order. */
export function orderFile(folder: string, order: Order): string {
  return join(folder, order);
}

/** A file that is there and cannot be read is an order all the same. */
function reasonIn(path: string): string | null {
  try {
    const [line = ""] = readFileSync(path, "utf8").trim().split("\n");
    return line.slice(0, LIMITS.reasonCharsMax / 2);
  } catch (error) {
    return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "") ? null : "";
  }
}

/** The orders that hold now. */
export function ordersIn(folder: string): SiteOrders {
  return { drain: reasonIn(orderFile(folder, "drain")), halt: reasonIn(orderFile(folder, "halt")) };
}

/** Why the site takes no work, as a phrase; null: it does. */
export function takesNothing({ drain, halt }: SiteOrders): string | null {
  if (halt !== null) return halt === "" ? "it was halted" : `it was halted: ${halt}`;
  if (drain !== null) return drain === "" ? "it is draining" : `it is draining: ${drain}`;
  return null;
}
