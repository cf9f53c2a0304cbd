/**
 * How a site reaches the files of jobs: the `locations` of its settings, each a folder of paths as submitters write them, and a backend. Of several
 * that hold a path the longest counts. Without any, every path is on a shared file system.
 */
import { isAbsolute, normalize } from "node:path";
import { z } from "zod";
import { XpcsError } from "../core/errors.js";
import type { FileRef } from "../core/job.js";
import { isInside } from "../files/roots.js";
import type { LocationSettings, Transfer, TransferContext } from "./transfers/define.js";
import { BACKENDS } from "./transfers/registry.js";
import { sharedPath } from "./transfers/shared-path.js";

export const folderSetting = z
  .string()
  .refine((path) => isAbsolute(path) && normalize(path) === path && (path === "/" || !path.endsWith("/")), {
    error: "must be an absolute path without . and .. and without a slash at its end",
  });

const schemas = BACKENDS.map(({ name, settings }) => settings.extend({ folder: folderSetting, by: z.literal(name) }));

/** A list of locations in a settings file; null: everything by shared path. */
export const LOCATIONS = z
  .array(
    z
      .discriminatedUnion("by", schemas as [(typeof schemas)[number], ...typeof schemas])
      .transform((location) => location as unknown as LocationSettings),
  )
  .refine((locations) => new Set(locations.map(({ folder }) => folder)).size === locations.length, "have one folder twice")
  .nullable()
  .default(null);

/** The backend of each file. */
export interface Transfers {
  /** The same value for all files of a location. @throws REFUSED this site does not reach the file */
  of(ref: FileRef): Transfer;
}

/** Every path on a file system that submitters and site share. */
export const SHARED_PATHS: Transfers = {
  of(ref) {
    if (isAbsolute(ref.path)) return sharedPath;
    throw new XpcsError("UNSUPPORTED", `no transfer reaches "${ref.path}": give an absolute path`);
  },
};

/** The transfers of a site with these locations; null: all by shared path. */
export function transfersOf(locations: readonly LocationSettings[] | null, context: TransferContext): Transfers {
  if (locations === null) return SHARED_PATHS;
  const opened = locations
    .map((settings) => ({ folder: settings.folder, transfer: BACKENDS.find(({ name }) => name === settings.by)!.open(settings, context) }))
    .sort((a, b) => b.folder.length - a.folder.length);
  const folders = locations.map(({ folder }) => folder).join(", ");
  return {
    of({ path }) {
      const clean = isAbsolute(path) && normalize(path) === path;
      const found = clean ? opened.find(({ folder }) => isInside(path, folder)) : undefined;
      if (found) return found.transfer;
      throw new XpcsError("REFUSED", `${path} is not in the locations that site ${context.site} reaches: ${folders || "none"}`);
    },
  };
}
