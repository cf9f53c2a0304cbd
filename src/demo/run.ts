/**
 * The demo from start to end: makes the samples, starts central and two sites, submits the analyses, lets a detector be measured
 * while it plays, shows what happens, fits, judges, plots, and stops everything it started. What it prints goes through `say`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { isFinal, type JobState, type JobView } from "../core/job.js";
import { realClock } from "../core/real-clock.js";
import { connect } from "../index.js";
import { makeFolder } from "../ledger/make-folder.js";
import { immBytes, rigakuBytes } from "../xpcs/detector-files.js";
import { simulateEvents } from "../xpcs/simulate.js";
import { type Analysis, demoAnalyses, jobOf, type SampleOnDisk } from "./analyses.js";
import { fitResult, type RingFit } from "./curves.js";
import { demoFigure } from "./figure.js";
import { playLive } from "./live.js";
import { type DemoSample, denseSample, photonSource, sparseSample } from "./sample.js";
import { writeMetadata, writeQmap } from "./sample-files.js";
import { type CentralAddress, type Service, startService } from "./service.js";
import { pairsTable, physicsFailures, rateTable } from "./verdict.js";

/** Fixed, so that every run shows the same photons. */
const SEED = 20_211_208;
const SITE_NAMES = ["alpha", "beta"] as const;
/** 4 s of the simulated detector, bright enough for all rates to be known by then. */
const STREAM = { name: "stream", photonsPerFrame: 30, seed: SEED + 2, enough: { frames: 200_000 } } as const;
/** What plays on for those who look at the page: dim, so that a curve is seen to come to the truth within minutes. */
const AFTER_FAILURE_MS = 5_000;
const ON_SHOW = { photonsPerFrame: 8, enough: { until: "rate(q1..q4) < 4%" } } as const;

export interface DemoOptions {
  /** Folder for the samples, the results and the plot. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Central and the sites go on after the verdict, until the signal. */
  readonly keep: boolean;
  /** Told of the outcome while they are still there. */
  readonly judged: (outcome: DemoOutcome) => void;
}

export interface DemoOutcome {
  readonly jobs: readonly JobView[];
  readonly fits: readonly RingFit[];
  /** Why the demo failed, one sentence each; empty when all is well. */
  readonly failures: readonly string[];
  readonly results: readonly string[];
  readonly plot: string;
  readonly seconds: number;
}

/**
 * Runs the demo. Results stay in `options.folder`; everything else is gone afterwards, unless something failed.
 * @throws INVALID_ARGUMENT the folder cannot be used · UNAVAILABLE central or a site did not start · CANCELED · IO_FAILED
 */
export async function runDemo(options: DemoOptions): Promise<DemoOutcome> {
  const startMs = performance.now();
  const elapsed = (): string => `${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s`;
  const say = (text: string): void => options.say(`${elapsed()}  ${text}`);
  // Apart from the results: the viewer lists every HDF5 file of a folder, also those that are no results.
  const sampleFolder = join(options.folder, "sample");
  await makeFolder(sampleFolder, "the folder of the demo (--out)");
  const sparse = await makeSample(sparseSample(SEED), sampleFolder, say);
  const dense = await makeSample(denseSample(SEED + 1), sampleFolder, say);
  const analyses = demoAnalyses(sparse, dense, options.folder);
  return withService(options, say, async (service, logFolder) => {
    const judged = await analyseAndJudge(service, { sparse, analyses, sampleFolder, logFolder }, options, say);
    const outcome = { ...judged, seconds: (performance.now() - startMs) / 1000 };
    options.judged(outcome);
    if (options.keep) {
      options.say(`\n${pageText(service.central)}\nCtrl-C ends it.`);
      await playOn(service, logFolder, options);
    }
    return outcome;
  });
}

/** The page, with a log-in in the part of the address that no server sees. */
function pageText(central: CentralAddress): string {
  return `The page, logged in: ${pageAddress(central, "overview")}`;
}

function pageAddress({ url, operatorToken }: CentralAddress, view: string): string {
  return `${url.replace(/^ws/, "http")}/#/${view}?token=${operatorToken}`;
}

/** Measurements one after another, each with photons of its own, until the signal; what they leave in `scratch` goes with the demo. */
async function playOn(service: Service, scratch: string, { signal, say }: DemoOptions): Promise<void> {
  for (let n = 1; !signal.aborted; n++) {
    const submitted = (job: string): void => say(`A detector plays: see its g2 settle at ${pageAddress(service.central, `jobs/${job}`)}`);
    const folders = { folder: scratch, sampleFolder: scratch, logFolder: scratch };
    const play = { ...ON_SHOW, ...folders, name: `on-show-${n}`, seed: SEED + 2 + n, signal, say: () => {}, submitted };
    try {
      const { job } = await playLive(service, play);
      if (job.state !== "finished") await sleep(realClock, AFTER_FAILURE_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}

interface Prepared {
  readonly sampleFolder: string;
  readonly logFolder: string;
  readonly sparse: SampleOnDisk;
  readonly analyses: readonly Analysis[];
}

async function analyseAndJudge(
  service: Service,
  { sparse, analyses: fromFiles, sampleFolder, logFolder }: Prepared,
  options: DemoOptions,
  say: (text: string) => void,
): Promise<Omit<DemoOutcome, "seconds">> {
  const { folder, signal } = options;
  const done = await runJobs(service, fromFiles, options, say);
  const submitted = (): void => say("submitted a stream: a detector plays, and is measured while it does");
  const live = await playLive(service, { ...STREAM, folder, sampleFolder, logFolder, signal, say, submitted });
  const jobs = [...done, live.job];
  const measured = [...fromFiles, live.measured];
  const { name } = fromFiles[0]!;
  const failures = jobs.flatMap((job, at) => (job.state === "finished" ? [] : [`${measured[at]!.name} ${job.state}: ${job.reason ?? ""}`]));
  const fits: RingFit[] = [];
  for (const [at, one] of measured.entries()) if (jobs[at]!.state === "finished") fits.push(...(await fitResult(one)));
  failures.push(...physicsFailures(fits));
  const shown = fits.filter((fit) => fit.analysis === name);
  const plot = join(options.folder, `${name}_g2.svg`);
  if (shown.length > 0) {
    const { frames, detector } = sparse.sample;
    const subtitle = `${name}: ${frames} simulated frames of ${detector.height} × ${detector.width}, ${sparse.sample.frameTimeS * 1e6} µs each`;
    writeFileSync(plot, await demoFigure(shown, "g₂ of the demo's Brownian colloid", subtitle));
  }
  options.say(`\nDecay rates, fitted against true:\n${rateTable(fits)}`);
  options.say("  excluded = lags without photon pairs + last lags, where too few products make the stated error too small");
  options.say(`\nPhoton pairs per ring and lag, ${name}:\n${pairsTable(shown)}`);
  return { jobs, fits, failures, results: measured.map((analysis) => analysis.out), plot };
}

/** Draws the photons of a sample and writes the detector file, the q-map and the metadata. */
async function makeSample(sample: DemoSample, folder: string, say: (text: string) => void): Promise<SampleOnDisk> {
  const { height, width } = sample.detector;
  const dense = sample.name === "dense";
  const events = simulateEvents(photonSource(sample));
  const bytes = dense ? immBytes(events, { height, width, dense, frameTimeS: sample.frameTimeS }) : rigakuBytes(events);
  const files: SampleOnDisk = {
    sample,
    input: join(folder, `${sample.name}.${dense ? "imm" : "bin"}`),
    qmap: join(folder, `${sample.name}_qmap.hdf`),
    metadata: join(folder, `${sample.name}_metadata.hdf`),
  };
  writeFileSync(files.input, bytes);
  await writeQmap(files.qmap, sample);
  await writeMetadata(files.metadata, sample, new Date().toISOString());
  const photons = events.count.reduce((a, b) => a + b, 0);
  say(
    `made ${files.input}: ${sample.frames} frames of ${height} x ${width}, ${(photons / 1e6).toFixed(2)} million photons, ` +
      `${dense ? "IMM, dense" : "Rigaku, sparse"}, ${(bytes.length / 1e6).toFixed(0)} MB`,
  );
  return files;
}

/** A central and two sites of their own, as long as `work` takes. Their logs are kept when it fails. */
async function withService(
  options: DemoOptions,
  say: (text: string) => void,
  work: (service: Service, logFolder: string) => Promise<DemoOutcome>,
): Promise<DemoOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-demo-"));
  let service: Service | undefined;
  let keepLogs = true;
  try {
    service = await startService({ folder, siteNames: SITE_NAMES, signal: options.signal });
    say(`central at ${service.central.url} and sites ${SITE_NAMES.join(", ")} are up (processes ${service.pids.join(", ")})`);
    if (options.keep) say(pageText(service.central));
    const outcome = await work(service, folder);
    keepLogs = outcome.jobs.some((job) => job.state !== "finished");
    return outcome;
  } finally {
    await service?.stop();
    if (service) say("stopped the sites and central");
    if (keepLogs && !options.signal.aborted) options.say(`The logs of central and of the sites are in ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the analyses; answers with the final jobs, in order. */
async function runJobs(
  { central }: Service,
  analyses: readonly Analysis[],
  { signal }: DemoOptions,
  say: (text: string) => void,
): Promise<JobView[]> {
  const client = await connect(central.url, { token: central.operatorToken });
  try {
    const { jobs: ids } = await client.submit({ jobs: analyses.map(jobOf) });
    say(`submitted ${ids.length} jobs`);
    const nameOf = new Map(ids.map((id, at) => [id, analyses[at]!.name]));
    return await client.wait(ids, { onChange: progressPrinter(nameOf, say), signal });
  } finally {
    client.close();
  }
}

/** One line per change of state, and per quarter of a running job. */
function progressPrinter(nameOf: ReadonlyMap<string, string>, say: (text: string) => void): (job: JobView) => void {
  const width = Math.max(...[...nameOf.values()].map((name) => name.length));
  const seen = new Map<string, string>();
  return (job) => {
    const quarter = job.progress === null ? 0 : Math.floor(job.progress * 4) * 25;
    const state = `${job.state} ${isFinal(job.state) ? "" : quarter}`;
    const quiet: readonly JobState[] = ["ready", "staged-in", "staged-out"];
    if (seen.get(job.id) === state || quiet.includes(job.state)) return;
    seen.set(job.id, state);
    const where = job.site === null ? "" : `at ${job.site}`;
    const what = job.state === "running" ? (quarter > 0 ? `${quarter} %` : (job.why ?? "")) : (job.reason ?? "");
    say(`${(nameOf.get(job.id) ?? job.id).padEnd(width)}  ${job.state.padEnd(8)}  ${where}${what === "" ? "" : `  (${what})`}`);
  };
}

/** The error that ends a demo whose conditions failed. */
export function demoFailure(failures: readonly string[]): XpcsError {
  return new XpcsError("INTERNAL", `the demo failed: ${failures.join("; ")}`);
}
