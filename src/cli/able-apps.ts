/** The built-in apps that this machine can run. */
import { toXpcsError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { APPS } from "../sites/apps.js";
import { nativeVersion } from "../xpcs/native.js";

/** All of them; without the native core only `xpcs.noop`. */
export function ableApps(logger: Logger): string[] {
  try {
    nativeVersion();
    return [...APPS];
  } catch (error) {
    logger.warn("native-core-missing", { reason: toXpcsError(error).message });
    return APPS.filter((app) => app === "xpcs.noop");
  }
}
