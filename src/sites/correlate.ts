/** One correlation with its record: what the result file says about its inputs and its run, beside what the native core knows. */
import type { CorrProgress, CorrRequest, CorrSummary, FurtherMap } from "../core/analysis.js";
import type { Clock } from "../core/clock.js";
import { digestFile } from "../files/digest.js";
import { correlateMaps, resolveInput } from "../xpcs/native.js";

export interface RecordedCorrelation {
  readonly request: CorrRequest;
  /** More q-maps for the same pass, and where their results go. */
  readonly further?: readonly Omit<FurtherMap, "provenance">[];
  /** Also record the raw file's sha256: reads it once more. The maps' is always recorded. */
  readonly digest: boolean;
  readonly clock: Clock;
  readonly onProgress: (progress: CorrProgress) => void;
  readonly signal: AbortSignal;
}

/**
 * Correlates one file; its provenance is the request's, the parameters, the start, and the digests of the inputs.
 * @throws what resolveInput and correlateMaps throw · IO_FAILED
 */
export async function correlateRecorded(work: RecordedCorrelation): Promise<CorrSummary> {
  return (await correlateRecordedMaps(work))[0]!;
}

/** The same for each q-map, in one pass: the request's first, then the further ones. */
export async function correlateRecordedMaps(work: RecordedCorrelation): Promise<CorrSummary[]> {
  const { request, digest, clock, onProgress, signal } = work;
  const further = (work.further ?? []).map((map) => ({ ...map, provenance: {} }));
  // What is wrong with the request is told before a large file is read for its digest.
  const input = digest ? resolveInput(request, further) : undefined;
  const { qmap, job } = request.files;
  const sha256 = async (name: string, path: string | undefined): Promise<Record<string, string>> =>
    path === undefined ? {} : { [`${name}_sha256`]: (await digestFile(path, signal)).sha256 };
  const common: Record<string, string> = {
    ...request.provenance,
    parameters: JSON.stringify(request.options),
    started_at: new Date(clock.nowMs()).toISOString(),
    ...(await sha256("input", input)),
    ...(await sha256("job", job)),
  };
  const recorded: FurtherMap[] = [];
  for (const map of further) recorded.push({ ...map, provenance: { ...common, ...(await sha256("qmap", map.qmap)) } });
  return correlateMaps({ ...request, provenance: { ...common, ...(await sha256("qmap", qmap)) } }, recorded, onProgress, signal);
}
