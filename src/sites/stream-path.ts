/** A path as the source of a stream: a folder of files that arrive, or one file that grows. */
import type { StreamSource } from "../core/stream-source.js";
import { takeGrowing } from "./stream-file.js";
import { folderOf, takeFolder } from "./stream-folder.js";
import type { SourceEnding, SourceTake } from "./stream-sources.js";

/** @throws what takeFolder and takeGrowing throw */
export async function takePath({ path }: Extract<StreamSource, { kind: "path" }>, take: SourceTake): Promise<SourceEnding> {
  const folder = await folderOf(path);
  return folder === null ? takeGrowing(path, take) : takeFolder(folder, take);
}
