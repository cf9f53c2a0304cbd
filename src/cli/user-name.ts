/** Name of the person who runs this: as the system knows it, else as the environment says, else by number (a container may know neither). */
import { userInfo } from "node:os";

/** Never empty. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env.LOGNAME || process.env.USER || `uid-${process.geteuid?.() ?? 0}`;
  }
}
