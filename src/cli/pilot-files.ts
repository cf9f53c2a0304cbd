/**
 * What a pilot reads: its token, whom it trusts, apps and settings. Where the nodes share the folder of the batch file, the token and the certificates lie there; where
 * they are behind the HTTP API of a facility, all of it is put there through the API, and again when it has changed.
 */
import { existsSync, readFileSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { XpcsError } from "../core/errors.js";
import type { BatchFile } from "../sites/batch-file.js";
import type { OpenBatch } from "../sites/open-batch.js";
import type { CentralSettings } from "./client-settings.js";
import { selfTestPath } from "./self-test-file.js";
import type { SiteOptions } from "./site.js";
import { keepSecret } from "./whole-file.js";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));

type Copied = "--apps" | "--settings" | "--measured";

interface PilotFile {
  readonly option: "--token-file" | "--ca" | Copied;
  /** Of the nodes. */
  readonly path: string;
  /** What must be in it; null: it is there. */
  readonly text: (central: CentralSettings) => string | null;
}

export interface PilotFiles {
  /** The program, as the nodes have it. */
  readonly program: readonly [string, ...string[]];
  /** Options of a pilot that name files and folders. */
  readonly words: readonly string[];
  /** Puts there what is not there as it is now. @throws UNAVAILABLE · REFUSED by the API · INVALID_ARGUMENT */
  keep(central: CentralSettings): Promise<void>;
}

/** The file with the numbers of a self-test: the one that is named, else that in the folder of the batch file, where there is one. */
function measuredFile(named: string | undefined, folder: string): string | undefined {
  if (named !== undefined) return resolve(named);
  return existsSync(selfTestPath(folder)) ? selfTestPath(folder) : undefined;
}

/** The files of a site's pilots. @throws INVALID_ARGUMENT `--work` is no path of the nodes */
export function createPilotFiles(
  { apps, settings, measured, work }: SiteOptions,
  name: string,
  { api, folder }: BatchFile,
  { scheduler, machine, there }: OpenBatch,
  hasCa: boolean,
): PilotFiles {
  const far = scheduler.api;
  if (far !== undefined && !isAbsolute(work))
    throw new XpcsError("INVALID_ARGUMENT", `--work ${work} must be an absolute path at the facility: ${scheduler.name} runs pilots there`);
  const copied = (option: Copied, path: string | undefined): PilotFile[] => {
    if (path === undefined) return [];
    if (far === undefined) return [{ option, path: resolve(path), text: () => null }];
    return [{ option, path: there(`${name}${option.replaceAll("-", ".")}.yaml`), text: () => readFileSync(path, "utf8") }];
  };
  const own = api?.siteToken;
  const files: readonly PilotFile[] = [
    { option: "--token-file", path: own ?? there(`${name}.token`), text: ({ token }) => (own === undefined ? `${token}\n` : null) },
    ...(hasCa ? [{ option: "--ca" as const, path: there(`${name}.ca`), text: ({ ca }: CentralSettings) => ca ?? null }] : []),
    ...copied("--apps", apps),
    ...copied("--settings", settings),
    ...copied("--measured", measuredFile(measured, folder)),
  ];
  /** By path: what this process has put there. */
  const put = new Map<string, string>();
  return {
    program: api === undefined ? [process.execPath, MAIN] : [api.program],
    words: [...files.flatMap(({ option, path }) => [option, path]), "--work", far === undefined ? resolve(work) : work],
    async keep(central) {
      for (const { path, text } of files) {
        const now = text(central);
        if (now === null) continue;
        if (far === undefined) await keepSecret(path, now);
        else if (put.get(path) !== now) {
          await far.put(path, now, machine);
          put.set(path, now);
        }
      }
    },
  };
}
