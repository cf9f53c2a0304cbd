/**
 * Lists what is in the folders that central's settings name for data, so that a person chooses a file in place of typing its path. Names, sizes and
 * times alone; what a path leads to outside of those folders is not told, nor whether it is there. Hidden names are left out.
 */
import type { Dirent, Stats } from "node:fs";
import { opendir, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Principal } from "../core/access.js";
import type { Clock } from "../core/clock.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import type { FolderEntry, FolderPage } from "../core/folders.js";
import { DEFAULT_EXPERIMENT } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { checkReadable, isInside, readable } from "../files/roots.js";
import { fromSystem, systemCode } from "../files/system-error.js";
import { type DataFolders, foldersOf } from "./data-rights.js";
import type { Door } from "./door.js";
import { InFlight, principalOf, sendError } from "./http-raw.js";
import { experiment, path } from "./job-schemas.js";
import { parseRequest } from "./requests.js";

export interface FolderServerOptions {
  readonly door: Pick<Door, "admit">;
  /** Null: central's settings list none. */
  readonly folders: DataFolders | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** As of http-api.ts. */
  readonly onRequest: (route: string, status: number, durationMs: number) => void;
}

const ROUTE = /^\/v1\/folders(?:\?|$)/;
const PAGE = 200;
const NAME_CHARS_MAX = 255;

const QUERY = z.strictObject({
  experiment: experiment.optional(),
  folder: path.optional(),
  like: z.string().max(NAME_CHARS_MAX).optional(),
  after: z.string().max(NAME_CHARS_MAX).optional(),
  limit: z.coerce.number().int().min(1).max(LIMITS.pageJobsMax).default(PAGE),
});
type Asked = z.output<typeof QUERY>;

/** Beyond this no Date can be. */
const LATEST_MS = 8.64e15;

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : Number(a.name > b.name));

/** The first names after `after`, a few more than a page, of a folder of any size: no more than some pages of them are held at a time. */
async function firstNames(folder: string, { like, after, limit }: Asked): Promise<Dirent[]> {
  const wanted = limit + 1;
  let kept: Dirent[] = [];
  for await (const entry of await opendir(folder, { bufferSize: 1_024 })) {
    const { name } = entry;
    if (name.startsWith(".") || (after !== undefined && name <= after)) continue;
    if (like !== undefined && !name.toLowerCase().includes(like.toLowerCase())) continue;
    kept.push(entry);
    if (kept.length >= 4 * wanted) kept = kept.sort(byName).slice(0, wanted);
  }
  return kept.sort(byName).slice(0, wanted);
}

/** True of what stands, or leads, behind a name that begins with a dot. */
function isHidden(path: string, roots: readonly string[]): boolean {
  return roots.some((root) => isInside(path, root) && path.slice(root.length).includes("/."));
}

/** What an entry is, links followed where they stay inside; null: nothing that is told. */
async function entryOf(folder: string, name: string, isLink: boolean, real: readonly string[]): Promise<FolderEntry | null> {
  const at = join(folder, name);
  try {
    if (!path.safeParse(at).success) return null;
    if (isLink) {
      const target = await realpath(at);
      if (!real.some((root) => isInside(target, root)) || isHidden(target, real)) return null;
    }
    const found = await stat(at);
    if (!found.isFile() && !found.isDirectory()) return null;
    return toldOf(at, name, found);
  } catch (error) {
    // Gone meanwhile, a loop of links, or a folder in between that central may not enter.
    if (systemCode(error) !== undefined) return null;
    throw error;
  }
}

/** Some file systems keep times that no calendar has. */
export function timeOf({ mtimeMs }: Pick<Stats, "mtimeMs">): string {
  return new Date(Math.abs(mtimeMs) <= LATEST_MS ? mtimeMs : 0).toISOString();
}

function toldOf(at: string, name: string, found: Stats): FolderEntry {
  const kind = found.isFile() ? "file" : "folder";
  return { name, path: at, kind, bytes: kind === "file" ? found.size : null, modifiedAt: timeOf(found) };
}

/** Those that are there: a folder that no experiment has made yet, or that is not mounted, keeps nobody from the others. */
async function present(roots: readonly string[]): Promise<FolderEntry[]> {
  const found = await Promise.all(
    roots.map(async (root) => {
      const there = await stat(root).catch(() => null);
      return there?.isDirectory() ? [toldOf(root, root, there)] : [];
    }),
  );
  return found.flat().sort(byName);
}

async function listed(settings: readonly string[], asked: Asked): Promise<FolderPage> {
  const { folder, limit } = asked;
  const top = await present(settings);
  if (folder === undefined) return { folder: null, parent: null, entries: top, next: null };
  const roots = top.map(({ path: root }) => root);
  await checkReadable([folder], roots);
  if (isHidden(folder, roots)) throw new XpcsError("REFUSED", `${folder} is hidden: what begins with a dot is not listed`);
  const real = await Promise.all(roots.map((root) => realpath(root)));
  // Where it leads, as it was just looked at.
  const target = await realpath(folder);
  if (!real.some((root) => isInside(target, root))) throw new XpcsError("REFUSED", `${folder} leads elsewhere now`);
  if (isHidden(target, real)) throw new XpcsError("REFUSED", `${folder} leads to what is hidden: what begins with a dot is not listed`);
  const names = await firstNames(target, asked);
  const page = names.slice(0, limit);
  const found = await Promise.all(page.map((entry) => entryOf(folder, entry.name, entry.isSymbolicLink(), real)));
  const above = dirname(folder);
  return {
    folder,
    parent: roots.includes(folder) || !roots.some((root) => isInside(above, root)) ? null : above,
    entries: found.filter((entry) => entry !== null),
    next: names.length > limit ? page.at(-1)!.name : null,
  };
}

/** @throws PERMISSION_DENIED */
function experimentFor({ role, experiment: only }: Principal, asked: string | undefined): string {
  if (role !== "operator")
    throw new XpcsError("PERMISSION_DENIED", "folders: this needs the token of an operator, who can submit what is in them");
  if (only !== null && asked !== undefined && asked !== only)
    throw new XpcsError("PERMISSION_DENIED", `folders: this token is for the experiment ${only}`);
  return only ?? asked ?? DEFAULT_EXPERIMENT;
}

/** @returns answers a request for a list of files; false: it is for something else */
export function folderServer({ door, folders, clock, logger, onRequest }: FolderServerOptions) {
  const inFlight = new InFlight(LIMITS.foldersInFlightMax, "folders are being listed for the holder of this token");

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET") throw new XpcsError("INVALID_ARGUMENT", "only GET");
    const principal = await principalOf(request, door);
    const asked = parseRequest(QUERY, "folders", Object.fromEntries(new URL(request.url!, "http://central").searchParams));
    const own = experimentFor(principal, asked.experiment);
    if (folders === null)
      throw new XpcsError("REFUSED", "central's settings list no folders (data) whose files could be chosen: type the path");
    const page = await inFlight.hold(principal.token, () => listed(readable(foldersOf(folders, own)), asked));
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(page));
  }

  return (request: IncomingMessage, response: ServerResponse): boolean => {
    if (!ROUTE.test(request.url ?? "")) return false;
    const startMs = clock.monotonicMs();
    request.resume();
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    void serve(request, response)
      .catch((error: unknown) => {
        const known = fromSystem(error);
        if (known.code === "INTERNAL" && !response.destroyed)
          logger.error("call-failed", { method: "folders", stack: toXpcsError(error).stack });
        const noToken = known.code === "PERMISSION_DENIED" && request.headers.authorization === undefined;
        sendError(response, known, noToken ? 401 : undefined);
      })
      .finally(() => onRequest("folders", response.statusCode, clock.monotonicMs() - startMs));
    return true;
  };
}
