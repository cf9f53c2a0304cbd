/** The digest by which two runs of a correlation are compared: of what in their results depends on data and settings alone. For kernel hosts. */
import { createHash } from "node:crypto";
import { readResultContent } from "../xpcs/native.js";

/** Of a result of a correlation, lower-case hex: its numbers, without what tells of the run. Loads the native core. @throws what readResultContent throws */
export function contentDigest(path: string): string {
  const hash = createHash("sha256");
  readResultContent(path, (piece) => void hash.update(piece));
  return hash.digest("hex");
}
