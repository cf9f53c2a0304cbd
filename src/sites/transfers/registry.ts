/** The transfer backends, by the names that a site's settings use. */
import type { Backend } from "./define.js";
import { globus } from "./globus.js";
import { http } from "./http.js";
import { rsyncBackend } from "./rsync.js";
import { s3 } from "./s3.js";
import { sharedPathBackend } from "./shared-path.js";

export const BACKENDS: readonly Backend[] = [sharedPathBackend, http, rsyncBackend, s3, globus];
