/** A path as the source of a stream: a folder of files that arrive, or one file that grows. */
import { XpcsError } from "../core/errors.js";
import { filesWithoutUse } from "../core/live.js";
import type { StreamSource } from "../core/stream-source.js";
import { takeGrowing } from "./stream-file.js";
import { folderOf, takeFolder } from "./stream-folder.js";
import type { SourceEnding, SourceTake } from "./stream-sources.js";

/** What each of the times is on the command line. */
const OPTIONS = { settleMs: "--settle", missingMs: "--missing", companion: "--companion" };

/** @throws INVALID_ARGUMENT times of a folder for a file · what takeFolder and takeGrowing throw */
export async function takePath({ path }: Extract<StreamSource, { kind: "path" }>, take: SourceTake): Promise<SourceEnding> {
  const folder = await folderOf(path);
  if (folder !== null) return takeFolder(folder, take);
  const [option] = filesWithoutUse("file", take.files);
  if (option !== undefined)
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `${OPTIONS[option]} (${option}) is for a folder of files, and ${path} is a file that grows; a folder ends in /`,
    );
  return takeGrowing(path, take);
}
