/** The transfer backends, in the order in which they are asked whether they accept a file. */
import { XpcsError } from "../../core/errors.js";
import type { FileRef } from "../../core/job.js";
import type { Transfer } from "./define.js";
import { sharedPath } from "./shared-path.js";

export const TRANSFERS: readonly Transfer[] = [sharedPath];

/**
 * The backend for a file.
 * @throws UNSUPPORTED no backend takes it
 */
export function transferFor(ref: FileRef): Transfer {
  const found = TRANSFERS.find((transfer) => transfer.accepts(ref));
  if (!found) throw new XpcsError("UNSUPPORTED", `no transfer reaches "${ref.path}": give an absolute path on a shared file system`);
  return found;
}
