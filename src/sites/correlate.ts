/** One correlation with its record: what the result file says about its inputs and its run, beside what the native core knows. */
import type { CorrProgress, CorrRequest, CorrSummary } from "../core/analysis.js";
import type { Clock } from "../core/clock.js";
import { correlateFile, resolveInput } from "../xpcs/native.js";
import { digestFile } from "./digest.js";

export interface RecordedCorrelation {
  readonly request: CorrRequest;
  /** Also record the raw file's sha256: reads it once more. The maps' is always recorded. */
  readonly digest: boolean;
  readonly clock: Clock;
  readonly onProgress: (progress: CorrProgress) => void;
  readonly signal: AbortSignal;
}

/**
 * Correlates one file; its provenance is the request's, the parameters, the start, and the digests of the inputs.
 * @throws what resolveInput and correlateFile throw · IO_FAILED
 */
export async function correlateRecorded({ request, digest, clock, onProgress, signal }: RecordedCorrelation): Promise<CorrSummary> {
  const input = resolveInput(request);
  const { qmap, job } = request.files;
  const provenance: Record<string, string> = {
    ...request.provenance,
    parameters: JSON.stringify(request.options),
    started_at: new Date(clock.nowMs()).toISOString(),
  };
  for (const [name, path] of Object.entries({ input: digest ? input : undefined, qmap, job })) {
    if (path !== undefined) provenance[`${name}_sha256`] = (await digestFile(path, signal)).sha256;
  }
  return correlateFile({ ...request, provenance }, onProgress, signal);
}
