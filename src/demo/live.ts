/**
 * The demo's streams: a simulated detector as a process of its own, correlated by a job at one of the sites while it plays, told as
 * it comes. What is done with the result is not here.
 */
import { join } from "node:path";
import { z } from "zod";
import { XpcsError } from "../core/errors.js";
import type { JobView } from "../core/job.js";
import type { LiveFit, LiveSnapshot } from "../core/live.js";
import { connect, type XpcsClient } from "../index.js";
import type { Measured } from "./analyses.js";
import { DETECTORS, type Played, playedSample } from "./detectors.js";
import { endProcess, startProcess } from "./process.js";
import type { Service } from "./service.js";

const PRESET = "rigaku-500k";
const EVERY_MS = 1_000;
const PATIENCE_MS = 20_000;
const DetectorReady = z.object({ url: z.string() });

export interface LivePlay {
  /** Names the analysis, its job's tag and its files. */
  readonly name: string;
  readonly photonsPerFrame: number;
  readonly seed: number;
  /** When it is enough: so many frames, or a goal such as "rate(q1..q4) < 5%". */
  readonly enough: { readonly frames: number } | { readonly until: string };
  /** Of the result. */
  readonly folder: string;
  /** Of the q-map. */
  readonly sampleFolder: string;
  /** Of the detector's log. */
  readonly logFolder: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Told of the job as soon as it is submitted. */
  readonly submitted: (job: string) => void;
}

/**
 * Plays a detector and lets it be measured; resolves when its job has ended, whatever came of it.
 * @returns the job, and what it measured
 * @throws UNAVAILABLE the detector or central is not there · CANCELED
 */
export async function playLive({ central }: Service, play: LivePlay): Promise<{ job: JobView; measured: Measured }> {
  const { name, photonsPerFrame, seed, enough, folder, signal } = play;
  const preset = DETECTORS[PRESET]!;
  const played: Played = { frameTimeS: 1 / preset.framesPerS, photonsPerFrame, tauS: 0.02, contrast: 0.3, seed };
  const qmap = join(play.sampleFolder, `${name}_qmap.hdf`);
  const { contrast, tauS } = played;
  const of = [
    ...["--preset", PRESET, "--photons", String(photonsPerFrame), "--tau", String(tauS)],
    ...["--contrast", String(contrast), "--seed", String(seed)],
  ];
  // Waits for who is behind: the same photons are measured on every machine.
  const how = ["--when-behind", "wait", "--listen", "0", "--write-qmap", qmap];
  const frames = "frames" in enough ? ["--frames", String(enough.frames)] : [];
  const detector = startProcess({
    label: `detector-${name}`,
    args: ["simulate-detector", ...of, ...how, ...frames],
    env: {},
    folder: play.logFolder,
    signal,
  });
  let client: XpcsClient | undefined;
  try {
    client = await connect(central.url, { token: central.operatorToken });
    const { url } = DetectorReady.parse(await detector.ready);
    const out = join(folder, `${name}_results.hdf`);
    const options = { threads: 1 };
    const work = {
      app: "xpcs.stream" as const,
      source: url,
      qmap: { path: qmap },
      out: { path: out },
      overwrite: true,
      ...{ options, everyMs: EVERY_MS, patienceMs: PATIENCE_MS },
      ...("until" in enough ? { until: enough.until } : {}),
    };
    const { jobs } = await client.submit({ jobs: [{ work, tags: { demo: name }, attemptsMax: 1 }] });
    const id = jobs[0]!;
    play.submitted(id);
    const sample = playedSample(PRESET, preset, played);
    const rates = sample.rings.map(({ decayRatePerS }) => decayRatePerS);
    await client.live(id, { onLive: teller(play, rates), signal });
    const [job] = await client.wait([id], { signal });
    if (job === undefined) throw new XpcsError("INTERNAL", `central does not know the job ${id} any more`);
    return { job, measured: { name, sample, options, out } };
  } finally {
    client?.close();
    await endProcess(detector.child);
  }
}

/** One line per snapshot: the decay rate of each ring as far as it is known, and at last the true ones. */
function teller({ name, say }: LivePlay, trueRates: readonly number[]): (live: LiveSnapshot) => void {
  let said = -1;
  const padded = (text: string): string => text.padStart(16);
  return (live) => {
    if (live.cursor === said || live.frames === 0) return;
    if (said < 0) say(`${name}: decay rates in 1/s; true ${trueRates.map((rate) => padded(rate.toFixed(1))).join("")}`);
    said = live.cursor;
    const seconds = (live.frames * (live.frameTimeS ?? 1)).toFixed(1);
    say(`${name}:          measured ${seconds.padStart(5)} s ${live.bins.map(({ fit }) => padded(rateText(fit))).join("")}`);
  };
}

/** The rate of a fitted decay time, with its error. */
function rateText(fit: LiveFit | null): string {
  if (fit === null || fit.tauError === null) return "?";
  return `${(1 / fit.tau).toFixed(1)} ± ${(fit.tauError / fit.tau ** 2).toFixed(1)}`;
}
