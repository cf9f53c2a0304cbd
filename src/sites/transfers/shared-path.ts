/**
 * The same file system at the submitter and at the site: inputs are used in place, the result is linked into place (publication.ts of src/files).
 */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { z } from "zod";
import { XpcsError } from "../../core/errors.js";
import { discardPublication, inspectDestination, publishFile, settlePublication } from "../../files/publication.js";
import { systemCode } from "../../files/system-error.js";
import type { Backend, StageIn, Transfer } from "./define.js";

export const sharedPath: Transfer = {
  local: true,

  async stageIn({ refs, arriving }: StageIn): Promise<string[]> {
    for (const { path } of refs) {
      try {
        await access(path, constants.R_OK);
        if (arriving !== undefined) arriving.file((await stat(path)).size).whole(false);
      } catch (error) {
        if (systemCode(error) === "ENOENT") throw new XpcsError("NOT_FOUND", `${path} does not exist at this site`);
        throw new XpcsError("IO_FAILED", `${path} cannot be read at this site: ${(error as Error).message}`);
      }
    }
    return refs.map((ref) => ref.path);
  },

  inspect: inspectDestination,
  stageOut: publishFile,
  settle: settlePublication,
  discard: ({ destination, epoch }) => discardPublication(destination, epoch),
};

export const sharedPathBackend: Backend = {
  name: "shared-path",
  about: "Files on a file system that the submitter and the site both see; nothing is copied unless the work folder is elsewhere.",
  settings: z.strictObject({}),
  open: () => sharedPath,
};
