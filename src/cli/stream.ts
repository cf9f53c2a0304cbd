/** `xpcs stream`: correlates what a detector sends while it runs, here in a kernel host of its own or as a job of central; shows g2 live. */
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { AVERAGINGS, type CorrOptions, type CorrSummary, NORMALIZATIONS } from "../core/analysis.js";
import { isCode, XpcsError } from "../core/errors.js";
import type { JobId, StreamJob } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { filesWithoutUse, type LiveSnapshot, type StreamFiles, type StreamRequest } from "../core/live.js";
import { realClock } from "../core/real-clock.js";
import { isDialed, SOURCE_FORMS } from "../core/stream-source.js";
import type { XpcsClient } from "../index.js";
import { startHost } from "../sites/kernel-host.js";
import { checkCompanion } from "../sites/settled-files.js";
import { DEFAULT_SUPERVISION } from "../sites/supervision.js";
import { parseUntil } from "../stream/until.js";
import { findMetadata } from "../xpcs/corr-files.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { addJobOptions, type JobOptions, specOf } from "./job-options.js";
import { everyOption, integerOption, positiveOption, secondsOption } from "./option-values.js";
import type { CliIo } from "./output.js";
import { describeStream, liveLine, liveTable } from "./stream-text.js";
import { exitByOutcome } from "./watch.js";

interface StreamOptions extends CentralOptions, JobOptions, Pick<CorrOptions, "dpl" | "averaging" | "threads" | "memoryGb" | "normalize"> {
  readonly submit?: true;
  readonly detach?: true;
  readonly follow?: string;
  readonly qmap?: string;
  readonly metadata?: string;
  readonly frameTime?: number;
  readonly out?: string;
  readonly overwrite?: true;
  readonly every: number;
  readonly until?: string;
  readonly frames?: number;
  readonly patience: number;
  readonly companion?: string;
  readonly settle?: number;
  readonly missing?: number;
}

/** How its files are complete. @throws INVALID_ARGUMENT it has none */
function filesOf({ companion, settle, missing }: StreamOptions, dialed: boolean): Pick<StreamRequest, "files"> {
  const ms = (seconds: number | undefined) => (seconds === undefined ? undefined : Math.round(1_000 * seconds));
  const given = Object.entries({ companion, settleMs: ms(settle), missingMs: ms(missing) }).filter(([, value]) => value !== undefined);
  const files: StreamFiles = Object.fromEntries(given);
  const [option] = dialed ? filesWithoutUse("dialed", files) : [];
  if (option !== undefined) throw new XpcsError("INVALID_ARGUMENT", `--${option.replace("Ms", "")} is for files, and the source is dialed`);
  return given.length === 0 ? {} : { files };
}

/** The stream that was asked for. @throws INVALID_ARGUMENT */
function requestOf(source: string, raw: StreamOptions): StreamRequest {
  if (raw.qmap === undefined) throw new XpcsError("INVALID_ARGUMENT", "give the partition map: --qmap FILE");
  if (raw.out === undefined) throw new XpcsError("INVALID_ARGUMENT", "say where the result goes: --out FILE");
  if (raw.until !== undefined) parseUntil(raw.until);
  if (raw.companion !== undefined) checkCompanion(raw.companion);
  const dialed = isDialed(source);
  const place = dialed ? source : resolve(source) + (source.endsWith("/") ? "/" : "");
  const { frameTime: frameTimeS, dpl, averaging, threads, memoryGb, normalize } = raw;
  const looked = !dialed && frameTimeS === undefined ? findMetadata(place) : null;
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
    ...filesOf(raw, dialed),
  };
}

/** Shows snapshots: a table that is drawn over in a terminal, lines elsewhere, JSON under --json. */
function liveShower(io: CliIo): (live: LiveSnapshot) => void {
  let [lines, shown] = [0, -1];
  return (live) => {
    // Progress is told more often than there is a new snapshot; that of another attempt begins anew.
    if (live.cursor === shown) return;
    shown = live.cursor;
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
    // The native core's name for a result that it writes; one that was killed on the way leaves it.
    await rm(`${stream.request.out}.partial-${host.pid}`, { force: true });
  }
}

/** Shows what is known of a stream that runs as a job, until that has ended; Ctrl-C ends the showing alone. */
async function follow(client: XpcsClient, id: JobId, io: CliIo): Promise<void> {
  const show = liveShower(io);
  try {
    await client.live(id, { onLive: show, signal: io.signal });
  } catch (error) {
    if (!isCode(error, "CANCELED") || io.interrupted === null) throw error;
    return io.note(`stopped looking; the job goes on: xpcs stream --follow ${id} looks again, xpcs cancel ${id} stops it`);
  }
  const job = await client.job(id);
  const made = job.outputs.map(({ path }) => path).join(" ");
  io.result({ job }, () => `job ${id} ${job.state}${job.reason === null ? "" : `: ${job.reason}`}${made === "" ? "" : `; ${made}`}`);
  exitByOutcome(io, [job]);
}

/** The stream as a job. */
async function submit(stream: StreamRequest, raw: StreamOptions, io: CliIo): Promise<void> {
  const { files, options, out, overwrite } = stream.request;
  const { everyMs, until, framesMax, patienceMs, source, files: complete } = stream;
  const work: StreamJob = {
    app: "xpcs.stream",
    source,
    qmap: { path: files.qmap! },
    ...(files.metadata === undefined ? {} : { metadata: { path: files.metadata } }),
    out: { path: out },
    ...{ overwrite, options, everyMs, patienceMs },
    ...(until === undefined ? {} : { until }),
    ...(framesMax === undefined ? {} : { framesMax }),
    ...(complete === undefined ? {} : { files: complete }),
  };
  await withClient(raw, async (client) => {
    const { jobs } = await client.submit({ jobs: [{ ...specOf(raw), work }] });
    io.result({ jobs }, () => jobs[0]!);
    if (raw.detach !== true) await follow(client, jobs[0]!, io);
  });
}

async function stream(source: string | undefined, raw: StreamOptions, io: CliIo): Promise<void> {
  if (raw.follow !== undefined) return withClient(raw, (client) => follow(client, raw.follow!, io));
  if (source === undefined) throw new XpcsError("INVALID_ARGUMENT", `name the source: ${SOURCE_FORMS}; or a job with --follow`);
  const request = requestOf(source, raw);
  return raw.submit === true || raw.central !== undefined ? submit(request, raw, io) : runHere(request, io);
}

/** Adds the command to the program. */
export function registerStream(program: Command, io: CliIo): void {
  const command = program
    .command("stream")
    .argument(
      "[source]",
      "ws://HOST:PORT of a detector's event blocks (docs/stream-protocol.md), dectris://HOST[:PORT] of a DECTRIS detector (docs/streaming.md), a file that grows (.bin, .imm, .h5), or a folder of files that arrive (DIR/)",
    )
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
    .option("--companion <name>", "a file is complete when this one is beside it, * standing for its name, such as '*.done'")
    .option("--settle <s>", "a file of a folder is complete when unchanged for so long (default: 1, or 0 with --companion)", secondsOption)
    .option("--missing <s>", "a file of a folder that has not come for so long, and later ones have, is a gap (default: 5)", secondsOption)
    .option("--metadata <file>", "NeXus metadata (*_metadata.hdf): energy, frame time, start")
    .option("--frame-time <s>", "seconds between frames, in place of what the source says", positiveOption)
    .option("--dpl <n>", "delays per level (default: 4, or the q-map's)", integerOption(1, 65_535))
    .addOption(new Option("--averaging <how>", "of the static bins of a q bin (docs/averaging.md)").choices(AVERAGINGS))
    .addOption(new Option("--normalize <by>", "divide every frame by its mean, or not").choices(NORMALIZATIONS))
    .option("--threads <n>", "threads of the correlator (default: all cores)", integerOption(1, LIMITS.threadsMax))
    .option("--memory-gb <GB>", "memory that the stream may take (default: 80 % of what is free)", positiveOption)
    .option("--submit", "as a job of central, at a site; also meant by --central")
    .option("--detach", "print the job's id and leave; without it the job is followed")
    .option("--follow <job>", "look at a stream that runs as a job");
  addJobOptions(addCentralOptions(command)).action((source: string | undefined, raw: StreamOptions) => stream(source, raw, io));
  withExample(
    command,
    "xpcs stream ws://detector:7979 --qmap qmap.hdf --out live_results.hdf",
    'xpcs stream ws://detector:7979 --qmap qmap.hdf --until "error(q1..q4) < 2%" --out live_results.hdf',
    "xpcs stream dectris://dcu --qmap qmap.hdf --out live_results.hdf",
    "xpcs stream ws://detector:7979 --qmap /data/qmap.hdf --out /data/live_results.hdf --submit",
    "xpcs stream --follow JOB_ID",
  );
}
