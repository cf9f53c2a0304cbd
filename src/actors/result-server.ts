/**
 * Gives the published files of a job to whoever may see the job: the page shows them. What a site has reported is a path; only a file with the
 * digest that was recorded with it is sent, so no report can make central give away another file.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { basename } from "node:path";
import type { Principal } from "../core/access.js";
import type { Clock } from "../core/clock.js";
import { isCode, toXpcsError, XpcsError } from "../core/errors.js";
import type { OutputFile } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { ClientApi } from "../core/protocols.js";
import { openVersioned } from "../files/file-version.js";
import { fromSystem } from "../files/system-error.js";
import { openBuffers } from "./data-files.js";
import { DigestMemo } from "./digest-memo.js";
import type { Door } from "./door.js";
import { InFlight, principalOf, rangeOf, sendError } from "./http-raw.js";

export interface ResultServerOptions {
  readonly door: Pick<Door, "admit">;
  readonly clientApi: (principal: Principal) => Pick<ClientApi, "job">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** As of http-api.ts. */
  readonly onRequest: (route: string, status: number, durationMs: number) => void;
}

/** `/v1/jobs/ID/files/N`: the N-th output, from 0. */
const PLACE = /^\/v1\/jobs\/([\w-]{1,64})\/files\/(\d{1,4})$/;

async function openResult({ path, bytes, sha256 }: OutputFile, digests: DigestMemo) {
  const open = await openVersioned(path).catch((error: unknown) => {
    const known = fromSystem(error);
    throw isCode(known, "NOT_FOUND")
      ? new XpcsError("NOT_FOUND", `central has no file ${path}: it was moved, or is on the site's disks alone`)
      : known;
  });
  try {
    if (open.bytes === bytes && (await digests.of(path, open.version, open)) === sha256) return open;
    throw new XpcsError("REFUSED", `${path} is no longer what the job has published`);
  } catch (error) {
    await open.file.close();
    throw error;
  }
}

/** @returns answers a request for a result; false: it is for something else */
export function resultServer({ door, clientApi, clock, logger, onRequest }: ResultServerOptions) {
  const digests = new DigestMemo();
  const inFlight = new InFlight(LIMITS.dataInFlightMax, "results are on their way to the holder of this token");

  async function serve(request: IncomingMessage, response: ServerResponse, id: string, place: number): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") throw new XpcsError("INVALID_ARGUMENT", "only GET");
    const principal = await principalOf(request, door);
    await inFlight.hold(principal.token, async () => {
      const { outputs } = await clientApi(principal).job({ id });
      const output = outputs[place];
      if (output === undefined) throw new XpcsError("NOT_FOUND", `job ${id} has ${outputs.length} published files`);
      const { file, bytes } = await openResult(output, digests);
      try {
        const { from, to } = rangeOf(request.headers.range, bytes);
        const ranged = request.headers.range !== undefined;
        response.writeHead(ranged ? 206 : 200, {
          ...{
            "content-type": "application/x-hdf5",
            "accept-ranges": "bytes",
            etag: `"${output.sha256}"`,
            "content-length": to - from + 1,
          },
          "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(basename(output.path))}`,
          ...(ranged ? { "content-range": `bytes ${from}-${to}/${bytes}` } : {}),
        });
        if (request.method === "HEAD") return void response.end();
        const buffers = openBuffers(response);
        await buffers.send(file, from, to + 1);
        await buffers.end();
      } finally {
        await file.close();
      }
    });
  }

  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const match = PLACE.exec(request.url ?? "");
    if (match === null) return false;
    const startMs = clock.monotonicMs();
    request.resume();
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    void serve(request, response, match[1]!, Number(match[2]))
      .catch((error: unknown) => {
        const known = toXpcsError(error);
        // A peer that hangs up breaks the stream: nobody is there to hear of it.
        if (known.code === "INTERNAL" && !response.destroyed) logger.error("call-failed", { method: "result", stack: known.stack });
        const noToken = known.code === "PERMISSION_DENIED" && request.headers.authorization === undefined;
        sendError(response, known, noToken ? 401 : undefined);
      })
      .finally(() => onRequest("result-file", response.statusCode, clock.monotonicMs() - startMs));
    return true;
  };
}
