/** What a batch file says under `api`, of a scheduler that is the HTTP API of a facility (docs/schedulers/iri.md, sfapi.md). */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { safeUrl } from "../wire/safe-url.js";

const there = z.string().regex(/^\/[^\0\r\n]*[^\0\r\n/]$/, "must be an absolute path at the facility");
const name = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,199}$/, "is no name: letters, digits and _ . : @ -");
const url = safeUrl("a credential would cross the network in clear text");

/** Its parts; each API has some of them. */
export const API_SETTINGS = {
  /** Address of the API, with its version. */
  url,
  /** The machine that computes, as the API names it. */
  resource: name,
  /** The file system that its files are put into and read from, as the API names it. */
  storage: name,
  /** A file here, for its owner alone. */
  credential: z.string().refine((path) => isAbsolute(path) && !path.includes("\0"), "must be an absolute path"),
  /** Where access tokens are got. */
  tokenUrl: url,
  /** The person's name there. */
  user: name,
  /** Holds a folder per batch job; of the nodes. */
  folder: there,
  /** The command `xpcs` of the nodes. */
  program: there,
  /** A file of the nodes with the pilots' token, which a person has put there. */
  siteToken: there,
};

export interface ApiSettings {
  readonly url: string;
  readonly resource: string;
  readonly storage?: string | undefined;
  readonly credential: string;
  readonly tokenUrl?: string | undefined;
  readonly user?: string | undefined;
  readonly folder: string;
  readonly program: string;
  readonly siteToken?: string | undefined;
}
