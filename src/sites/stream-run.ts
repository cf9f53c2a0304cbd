/**
 * One stream from its first block to its result, within a kernel host: takes frames from the source, tells what is known every so often, ends when
 * the source does, when enough is known, or when it is told to, and writes the result. A source that is lost leaves the result of what came.
 */
import type { CorrProgress, CorrSummary, Format } from "../core/analysis.js";
import type { Clock, Timer } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { FramePacking } from "../core/frame-packing.js";
import type { LiveSnapshot, StreamEnd, StreamRequest } from "../core/live.js";
import { digestFile } from "../files/digest.js";
import { checkReadable } from "../files/roots.js";
import type { StreamHeader } from "../stream/blocks.js";
import { Goal, PASSES, parseUntil } from "../stream/until.js";
import type { FilePiece, LiveSeries } from "../xpcs/live-series.js";
import { createLiveSeries } from "../xpcs/native.js";
import { curvesOf, liveBins } from "./live-snapshot.js";
import { type StreamSink, takeSource } from "./stream-sources.js";

/** Asking takes no more than a quarter of the time. */
const ASKING_SHARE = 3;
/** Gaps that the provenance lists one by one. */
const GAPS_LISTED = 1_000;

export interface StreamRun {
  readonly stream: StreamRequest;
  readonly clock: Clock;
  readonly onProgress: (progress: CorrProgress) => void;
  /** The folders whose files may be read; absent: all. */
  readonly roots?: readonly string[];
  /** Aborting it ends the work without a result. */
  readonly signal: AbortSignal;
  /** Aborting it ends the stream, and the result is written. */
  readonly finish: AbortSignal;
}

interface Ending {
  readonly ended: StreamEnd;
  readonly note: string | null;
}

/** What is known of a stream that runs. */
class Running implements StreamSink {
  readonly #run: StreamRun;
  readonly #goal: Goal | null;
  #series: LiveSeries | null = null;
  #q: Float64Array = new Float64Array();
  #header: StreamHeader | null = null;
  #frameTimeS: number | null = null;
  #cursor = 0;
  #nextMs = 0;
  #last = { ms: 0, frames: 0, events: 0 };
  #events = 0;
  #latest: LiveSnapshot | null = null;
  #timer: Timer | null = null;
  #over = false;
  /** Why it is enough; null: it is not. */
  #why: Ending | null = null;
  readonly #enough = new AbortController();

  constructor(run: StreamRun) {
    this.#run = run;
    this.#goal = run.stream.until === undefined ? null : new Goal(parseUntil(run.stream.until));
  }

  get enough(): AbortSignal {
    return this.#enough.signal;
  }

  get whyEnough(): Ending | null {
    return this.#why;
  }

  get series(): LiveSeries | null {
    return this.#series;
  }

  get header(): StreamHeader | null {
    return this.#header;
  }

  begin(header: StreamHeader): void {
    const { clock, stream } = this.#run;
    const { request } = stream;
    const { frameTimeS = header.frameTimeS || undefined } = request.options;
    const options = { ...request.options, ...(frameTimeS === undefined ? {} : { frameTimeS }) };
    const startTime = request.startTime ?? new Date(clock.nowMs()).toISOString();
    this.#series = createLiveSeries({ ...request, options, startTime }, header.height, header.width);
    this.#q = this.#series.waveVectors();
    this.#goal?.check(this.#q.length);
    this.#header = header;
    this.#frameTimeS = frameTimeS ?? null;
    const nowMs = clock.monotonicMs();
    this.#last = { ms: nowMs, frames: 0, events: 0 };
    this.#nextMs = nowMs + stream.everyMs;
  }

  events(words: Uint8Array, first: number, frames: number): void {
    if (this.#why !== null) return;
    const { framesMax } = this.#run.stream;
    const wanted = framesMax === undefined ? frames : Math.min(frames, framesMax - first);
    if (wanted <= 0) {
      this.#stop("frames");
      return;
    }
    const taken = wanted === frames ? words : wordsBefore(words, wanted);
    this.#series!.pushWords(taken, first, wanted);
    this.#events += taken.length / 8;
    if (framesMax !== undefined && first + wanted >= framesMax) this.#stop("frames");
    this.tell();
  }

  image(frame: number, bytes: Uint8Array, packing: FramePacking): void {
    if (this.#why !== null) return;
    const { framesMax } = this.#run.stream;
    if (framesMax !== undefined && frame >= framesMax) {
      this.#stop("frames");
      return;
    }
    this.#events += this.#series!.pushFrame(bytes, packing);
    if (frame + 1 === framesMax) this.#stop("frames");
    this.tell();
  }

  /** Words of a Rigaku file. */
  words(words: Uint8Array): void {
    if (this.#why !== null) return;
    const { framesMax = Number.MAX_SAFE_INTEGER } = this.#run.stream;
    const taken = this.#series!.pushRigaku(words, framesMax);
    this.#events += taken;
    if (8 * taken < words.length) this.#stop("frames");
    this.tell();
  }

  get frames(): number {
    return this.#series?.state().frames ?? 0;
  }

  openFile(file: { readonly path: string; readonly format: Format }): void {
    this.#series!.openFile(file);
  }

  takeFile(ended: boolean): FilePiece {
    if (this.#why !== null) return { frames: 0, events: 0, waits: "", closed: false };
    const { framesMax = Number.MAX_SAFE_INTEGER } = this.#run.stream;
    const piece = this.#series!.takeFile(framesMax, ended);
    this.#events += piece.events;
    if (this.#series!.state().frames >= framesMax) this.#stop("frames");
    if (piece.frames > 0) this.tell();
    return piece;
  }

  gap(frames: number): void {
    if (this.#why !== null) return;
    const { framesMax = Number.MAX_SAFE_INTEGER } = this.#run.stream;
    const room = Math.max(0, framesMax - this.frames);
    this.#series!.gap(Math.min(frames, room));
    if (frames >= room) this.#stop("frames");
  }

  end(frames: number): void {
    if (this.#why !== null) return;
    const { framesMax = Number.MAX_SAFE_INTEGER } = this.#run.stream;
    this.#series!.setFrames(Math.min(frames, framesMax));
    if (frames >= framesMax) this.#stop("frames");
  }

  #stop(ended: StreamEnd): void {
    this.#why = { ended, note: null };
    this.#enough.abort();
  }

  /** Tells what is known, where it is time to. */
  tell(): void {
    const { clock, stream } = this.#run;
    const nowMs = clock.monotonicMs();
    if (this.#series === null || this.#over) return;
    if (nowMs < this.#nextMs) {
      // What came last is told even if nothing comes after it.
      this.#timer ??= clock.after(this.#nextMs - nowMs, () => {
        this.#timer = null;
        this.tell();
      });
      return;
    }
    this.#snapshot(nowMs, null);
    const tookMs = clock.monotonicMs() - nowMs;
    this.#nextMs = nowMs + tookMs + Math.max(stream.everyMs - tookMs, ASKING_SHARE * tookMs);
    if (this.#latest?.goal && this.#latest.goal.passes >= PASSES && this.#why === null) this.#stop("until");
  }

  /** Nothing more is told. */
  close(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  /** The last one. */
  tellEnd(ending: Ending): void {
    this.#snapshot(this.#run.clock.monotonicMs(), ending);
  }

  #snapshot(nowMs: number, ending: Ending | null): void {
    const { stream, onProgress } = this.#run;
    const series = this.#series!;
    const { frames, missing, gaps, dpl } = series.state();
    if (frames === missing) return;
    const result = series.result();
    const bins = liveBins(result, this.#q, dpl, this.#frameTimeS);
    const seconds = Math.max(1e-3, (nowMs - this.#last.ms) / 1_000);
    this.#cursor += 1;
    this.#latest = {
      cursor: this.#cursor,
      ended: ending?.ended ?? null,
      note: ending?.note ?? null,
      source: stream.source,
      frames,
      missing,
      gaps,
      events: this.#events,
      framesPerS: (frames - this.#last.frames) / seconds,
      eventsPerS: (this.#events - this.#last.events) / seconds,
      frameTimeS: this.#frameTimeS,
      repeatsAfter: this.#header!.repeatsAfter || null,
      goal: this.#goal === null ? null : this.#goal.judge(bins, frames - missing, this.#frameTimeS),
      ...curvesOf(result, bins),
    };
    this.#last = { ms: nowMs, frames, events: this.#events };
    const fraction = stream.framesMax === undefined ? 0 : Math.min(1, frames / stream.framesMax);
    onProgress({ stage: ending === null ? "reading" : "writing", fraction, live: this.#latest });
  }
}

/** Events of the first `frames` frames of a block; they are in the order of their frames. */
function wordsBefore(words: Uint8Array, frames: number): Uint8Array {
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
  let [from, to] = [0, Math.floor(words.length / 8)];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (view.getUint32(8 * middle + 4, true) >>> 12 < frames) from = middle + 1;
    else to = middle;
  }
  return words.subarray(0, 8 * from);
}

/** What the result says of the stream. */
function linesOf(stream: StreamRequest, header: StreamHeader, series: LiveSeries, { ended, note }: Ending): Record<string, string> {
  const { gaps, missing } = series.state();
  const listed = series.gaps(GAPS_LISTED).map(([from, to]) => `${from + 1}-${to}`);
  return {
    stream_source: stream.source,
    stream_id: header.id,
    stream_detector: header.name,
    stream_ended: ended,
    ...(note === null ? {} : { stream_note: note }),
    stream_missing_frames: String(missing),
    stream_gaps: listed.join(",") + (gaps > GAPS_LISTED ? `,... ${gaps - GAPS_LISTED} more` : ""),
    ...(header.repeatsAfter > 0 ? { stream_repeats_after: String(header.repeatsAfter) } : {}),
  };
}

function warningsOf(header: StreamHeader, series: LiveSeries, { ended, note }: Ending): string[] {
  const { frames, gaps, missing } = series.state();
  return [
    ...(ended === "lost" ? [`PARTIAL: the stream was lost after ${frames} frames (${note}); this is the result of what came`] : []),
    ...(missing > 0 ? [`${missing} of ${frames} frames are missing, in ${gaps} gaps that no pair crosses`] : []),
    ...(header.repeatsAfter > 0
      ? [`the source is simulated and repeats its photons every ${header.repeatsAfter} frames: errors do not shrink beyond one repeat`]
      : []),
  ];
}

/**
 * Runs a stream.
 * @throws CANCELED · NOT_FOUND the source never sent a frame · CORRUPT_DATA what it sent first is no stream · what createLiveSeries throws
 */
export async function runStream(run: StreamRun): Promise<CorrSummary> {
  const { stream, clock, roots, signal, finish } = run;
  const running = new Running(run);
  const startedAt = new Date(clock.nowMs()).toISOString();
  const over = AbortSignal.any([signal, finish]);
  const { source, patienceMs, files = {} } = stream;
  const check = (path: string): Promise<void> => (roots === undefined ? Promise.resolve() : checkReadable([path], roots));
  const taken = takeSource(source, { sink: running, clock, patienceMs, signal: over, files, check });
  const { ended, note } = await taken.finally(() => running.close());
  if (signal.aborted) throw new XpcsError("CANCELED", "the work was stopped");
  const { series, header } = running;
  if (series === null || header === null || series.state().frames === series.state().missing)
    // Not UNAVAILABLE, which the site takes for the end of this process.
    throw new XpcsError("NOT_FOUND", `no frame came from ${source}${note === null ? "" : `: ${note}`}`);
  const ending = running.whyEnough ?? { ended: finish.aborted ? "stopped" : ended, note };
  running.tellEnd(ending);
  const { qmap } = stream.request.files;
  const digest = qmap === undefined ? {} : { qmap_sha256: (await digestFile(qmap, signal)).sha256 };
  const lines = { parameters: JSON.stringify(stream.request.options), started_at: startedAt, ...digest };
  const summary = series.write({ ...lines, ...linesOf(stream, header, series, ending) }, warningsOf(header, series, ending));
  const { missing, gaps } = series.state();
  return { ...summary, stream: { ...ending, missing, gaps } };
}
