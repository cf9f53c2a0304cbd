/** The ssh of transfers: never asks a person, notices a dead link within 15 s, and shares one connection to a host among its calls for a minute. */
import { lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A socket's path has 107 characters at most, and ssh makes it from this folder, a digest and a suffix. */
const FOLDER_CHARS = 45;

/** A folder that nobody else may look into, for the sockets; null where there is none. */
function socketFolder(): string | null {
  const folder = join(tmpdir(), `xpcs-ssh-${process.geteuid!()}`);
  if (folder.length > FOLDER_CHARS) return null;
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch {
    // It is there already, or cannot be made: the next look tells.
  }
  try {
    const found = lstatSync(folder);
    return found.isDirectory() && found.uid === process.geteuid!() && (found.mode & 0o077) === 0 ? folder : null;
  } catch {
    return null;
  }
}

/** The command's words, up to the host. @param config of `-F`; absent: the user's own */
export function sshWords(config: string | undefined): string[] {
  const folder = socketFolder();
  const shared = folder === null ? [] : ["ControlMaster=auto", `ControlPath=${folder}/%C`, "ControlPersist=60"];
  const options = ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3", "LogLevel=ERROR", ...shared];
  return ["ssh", ...(config === undefined ? [] : ["-F", config]), ...options.flatMap((option) => ["-o", option])];
}
