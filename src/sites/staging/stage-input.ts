/** One input of an attempt, through the site's cache. */
import { join } from "node:path";
import type { FileArrival } from "../arrival.js";
import type { StageIn } from "../transfers/define.js";
import type { CacheRequest, SiteCache } from "./cache.js";

export interface StagedInput extends Pick<CacheRequest, "source" | "bytes" | "sha256"> {
  /** As the submitter has it. */
  readonly path: string;
  /** Told when it is here. */
  readonly arriving?: FileArrival | undefined;
}

/** Files lie to each other in the attempt's folder as they do at the submitter. @returns where it is @throws what the cache throws */
export async function stageInput(
  cache: SiteCache,
  { dir, moved }: Pick<StageIn, "dir" | "moved">,
  { path, source, bytes, sha256, arriving }: StagedInput,
  signal: AbortSignal,
  fetch: CacheRequest["fetch"],
): Promise<string> {
  const to = join(dir, "inputs", path);
  const wasHere = await cache.stage({ source, bytes, sha256, to, signal, fetch });
  arriving?.whole(!wasHere);
  if (!wasHere) moved?.(bytes);
  return to;
}
