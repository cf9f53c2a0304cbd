/** How a site gets to central: it dials, or a pilot goes through the relay or the shared folder of the site that started it (pilot-ways.ts). */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { Link } from "../wire/link.js";
import { openMailbox } from "../wire/mailbox.js";
import type { ProxyChoice } from "../wire/proxy.js";
import { trustOf } from "../wire/trust.js";
import { openWebSocket } from "../wire/websocket-client.js";
import type { CentralSettings } from "./client-settings.js";

export type Reach =
  | { readonly by: "dialling" }
  /** `file` says where the relay is, at each dial anew. */
  | { readonly by: "relay"; readonly file: string; readonly token: string }
  | { readonly by: "folder"; readonly folder: string };

/** What a relay's file holds. */
export const RELAY_FILE = z.strictObject({ url: z.url(), pin: z.string() });

/** As the script of a batch job says it. */
export function reachIn(environment: Readonly<Record<string, string | undefined>>): Reach {
  const { XPCS_BATCH_RELAY: file, XPCS_BATCH_RELAY_TOKEN: token, XPCS_BATCH_MAILBOX: folder } = environment;
  if (file !== undefined && token !== undefined) return { by: "relay", file, token };
  return folder === undefined ? { by: "dialling" } : { by: "folder", folder };
}

/** What HTTP to central goes through. @throws UNAVAILABLE the relay's file cannot be read */
export function proxyOf(reach: Reach): ProxyChoice {
  if (reach.by !== "relay") return "environment";
  try {
    return { ...RELAY_FILE.parse(JSON.parse(readFileSync(reach.file, "utf8"))), token: reach.token };
  } catch (error) {
    throw new XpcsError("UNAVAILABLE", `${reach.file} does not say where the relay is: ${(error as Error).message}`);
  }
}

/** Opens a link to central. @throws what src/wire throws */
export async function openLink(reach: Reach, settings: CentralSettings, clock: Clock): Promise<Link> {
  if (reach.by === "folder") return openMailbox(reach.folder, randomUUID(), clock);
  const { central, insecure } = settings;
  return openWebSocket(central, { clock, trust: trustOf(settings), insecure, proxy: proxyOf(reach) });
}
