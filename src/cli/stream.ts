/** `xpcs stream`: correlates what a detector sends while it runs, here in a kernel host of its own or as a job of central; shows g2 live. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { AVERAGINGS, type CorrOptions, type CorrSummary, NORMALIZATIONS } from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { isStreamUrl, type LiveSnapshot, type StreamRequest } from "../core/live.js";
import { realClock } from "../core/real-clock.js";
import { startHost } from "../sites/kernel-host.js";
import { DEFAULT_SUPERVISION } from "../sites/supervision.js";
import { parseUntil } from "../stream/until.js";
import { findMetadata } from "../xpcs/corr-files.js";
import { withExample } from "./help.js";
import { everyOption, integerOption, positiveOption } from "./option-values.js";
import type { CliIo } from "./output.js";
import { describeStream, liveLine, liveTable } from "./stream-text.js";

interface StreamOptions extends Pick<CorrOptions, "dpl" | "averaging" | "threads" | "memoryGb" | "normalize"> {
  readonly qmap?: string;
  readonly metadata?: string;
  readonly frameTime?: number;
  readonly out?: string;
  readonly overwrite?: true;
  readonly every: number;
  readonly until?: string;
  readonly frames?: number;
  readonly patience: number;
}

/** The stream that was asked for. @throws INVALID_ARGUMENT */
function requestOf(source: string, raw: StreamOptions): StreamRequest {
  if (raw.qmap === undefined) throw new XpcsError("INVALID_ARGUMENT", "give the partition map: --qmap FILE");
  if (raw.out === undefined) throw new XpcsError("INVALID_ARGUMENT", "say where the result goes: --out FILE");
  if (raw.until !== undefined) parseUntil(raw.until);
  const place = isStreamUrl(source) ? source : resolve(source);
  const { frameTime: frameTimeS, dpl, averaging, threads, memoryGb, normalize } = raw;
  const looked = !isStreamUrl(source) && frameTimeS === undefined ? findMetadata(place) : null;
  const metadata = raw.metadata ?? looked ?? undefined;
  const given = { frameTimeS, dpl, averaging, threads, memoryGb, normalize };
  return {
    source: place,
    request: {
      files: { input: place, qmap: resolve(raw.qmap), ...(metadata === undefined ? {} : { metadata: resolve(metadata) }) },
      options: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as CorrOptions,
      out: resolve(raw.out),
      overwrite: raw.overwrite === true,
      provenance: {},
    },
    everyMs: Math.round(1_000 * raw.every),
    ...(raw.until === undefined ? {} : { until: raw.until }),
    ...(raw.frames === undefined ? {} : { framesMax: raw.frames }),
    patienceMs: Math.round(1_000 * raw.patience),
  };
}

/** Shows snapshots: a table that is drawn over in a terminal, lines elsewhere, JSON under --json. */
export function liveShower(io: CliIo): (live: LiveSnapshot) => void {
  let lines = 0;
  return (live) => {
    if (io.json) return io.result({ live }, () => "");
    if (!io.interactive) return io.note(liveLine(live));
    const table = liveTable(live);
    io.outRaw(`${lines > 0 ? `\x1b[${lines}A\x1b[J` : ""}${table}`);
    lines = table.split("\n").length;
  };
}

/** Runs the stream in a child process; Ctrl-C ends it with the result of what came. */
async function runHere(stream: StreamRequest, io: CliIo): Promise<void> {
  const host = startHost({ clock: realClock, rules: DEFAULT_SUPERVISION.hosts });
  const show = liveShower(io);
  const { signal } = io;
  const finish = (): void => host.finish();
  signal.addEventListener("abort", finish);
  try {
    await host.ready;
    if (signal.aborted) finish();
    const { summary } = await host.run({
      work: { app: "xpcs.stream", stream },
      onProgress: ({ live }) => {
        if (live !== undefined) show(live);
      },
      signal: new AbortController().signal,
    });
    const done = summary as CorrSummary;
    io.result({ result: done }, () => describeStream(done));
    if (done.stream?.ended === "lost") io.exitWith(1);
  } finally {
    signal.removeEventListener("abort", finish);
    await host.kill();
  }
}

/** Adds the command to the program. */
export function registerStream(program: Command, io: CliIo): void {
  const command = program
    .command("stream")
    .argument("<source>", "ws://HOST:PORT of a detector's event blocks (docs/stream-protocol.md)")
    .description(
      "Correlate a stream while it runs, in bounded memory: g2, its errors and a fit per q, live; at the end a whole result file. Ctrl-C ends it with the result of what came.",
    )
    .option("--qmap <file>", "partition map (NeXus, as pySimpleMask writes it)")
    .option("--out <file>", "result file, written at the end under a temporary name, then renamed")
    .option("--overwrite", "replace the result if it is there")
    .option(
      "--every <time>",
      "between two looks at g2, such as 500ms or 2s; looking takes at most a quarter of the time",
      everyOption(LIMITS.liveEveryMaxS),
      1,
    )
    .option("--until <goal>", 'end when this holds twice in a row, such as "error(q1..q10) < 2%" or "rate(q3) < 5%" (docs/streaming.md)')
    .option("--frames <n>", "end after so many frames", integerOption(1))
    .option("--patience <s>", "a source that is away for so long is lost", positiveOption, LIMITS.streamPatienceMs / 1_000)
    .option("--metadata <file>", "NeXus metadata (*_metadata.hdf): energy, frame time, start")
    .option("--frame-time <s>", "seconds between frames, in place of what the source says", positiveOption)
    .option("--dpl <n>", "delays per level (default: 4, or the q-map's)", integerOption(1, 65_535))
    .addOption(new Option("--averaging <how>", "of the static bins of a q bin (docs/averaging.md)").choices(AVERAGINGS))
    .addOption(new Option("--normalize <by>", "divide every frame by its mean, or not").choices(NORMALIZATIONS))
    .option("--threads <n>", "threads of the correlator (default: all cores)", integerOption(1, LIMITS.threadsMax))
    .option("--memory-gb <GB>", "memory that the stream may take (default: 80 % of what is free)", positiveOption)
    .action((source: string, raw: StreamOptions) => runHere(requestOf(source, raw), io));
  withExample(
    command,
    "xpcs stream ws://detector:7979 --qmap qmap.hdf --out live_results.hdf",
    'xpcs stream ws://detector:7979 --qmap qmap.hdf --until "error(q1..q4) < 2%" --out live_results.hdf',
  );
}
