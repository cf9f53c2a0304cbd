/** `xpcs simulate-detector`: plays a detector with known dynamics, for trying streams out, for tests and for the bench. */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { DETECTORS, playedSample } from "../demo/detectors.js";
import { type PlayedFrames, servePlay, writePlay } from "../demo/play.js";
import { writeQmap } from "../demo/sample-files.js";
import { COUNTER_BITS_MIN } from "../stream/blocks.js";
import { withExample } from "./help.js";
import { integerOption, positiveOption } from "./option-values.js";
import type { CliIo } from "./output.js";

interface RawOptions {
  readonly preset: string;
  readonly rate?: number;
  readonly photons?: number;
  readonly tau: number;
  readonly contrast: number;
  readonly frames?: number;
  readonly seed: number;
  readonly replay: number;
  readonly fast?: true;
  readonly listen?: number;
  readonly host: string;
  readonly whenBehind?: "wait" | "drop";
  readonly now?: true;
  readonly spoolMb: number;
  readonly counterBits?: number;
  readonly out?: string;
  readonly framesPerFile: number;
  readonly writeQmap?: string;
}

function describe({ frames, events, droppedFrames, seconds }: PlayedFrames, rate: number | null): string {
  const perS = seconds > 0 ? frames / seconds : 0;
  const late =
    rate !== null && perS < 0.95 * rate ? `; asked were ${rate}: this machine makes photons no faster (--replay repeats them)` : "";
  const dropped = droppedFrames > 0 ? `; ${droppedFrames} frames were dropped for receivers that were behind` : "";
  return `played ${frames} frames, ${events} events in ${seconds.toFixed(2)} s: ${Math.round(perS)} frames/s, ${(events / Math.max(seconds, 1e-9) / 1e6).toFixed(2)} M events/s${late}${dropped}`;
}

async function simulate(raw: RawOptions, io: CliIo): Promise<void> {
  const preset = DETECTORS[raw.preset]!;
  const rate = raw.rate ?? preset.framesPerS;
  if (raw.counterBits !== undefined && raw.counterBits !== 0 && raw.counterBits < COUNTER_BITS_MIN)
    throw new XpcsError("INVALID_ARGUMENT", `--counter-bits is 0, or ${COUNTER_BITS_MIN} to 52: receivers refuse counters of fewer bits`);
  if ((raw.listen === undefined) === (raw.out === undefined)) {
    if (raw.listen !== undefined) throw new XpcsError("INVALID_ARGUMENT", "give either --listen PORT or --out FILE");
    if (raw.writeQmap === undefined) throw new XpcsError("INVALID_ARGUMENT", "say where the photons go: --listen PORT, or --out FILE");
  }
  const sample = playedSample(raw.preset, preset, {
    frameTimeS: 1 / rate,
    photonsPerFrame: raw.photons ?? preset.photonsPerFrame,
    tauS: raw.tau,
    contrast: raw.contrast,
    seed: raw.seed,
  });
  if (raw.writeQmap !== undefined) {
    await writeQmap(resolve(raw.writeQmap), sample);
    io.note(`the q-map of this detector is ${raw.writeQmap}`);
  }
  if (raw.listen === undefined && raw.out === undefined) return;
  const play = {
    sample,
    counterBits: raw.counterBits ?? preset.counterBits,
    framesPerS: raw.fast === true ? null : rate,
    frames: raw.frames ?? Infinity,
    replay: raw.replay,
    clock: realClock,
    signal: io.signal,
  };
  const truth = sample.rings.map(({ q, decayRatePerS, contrast }, at) => ({ bin: at + 1, q, tau: 1 / decayRatePerS, contrast }));
  let played: PlayedFrames;
  if (raw.out !== undefined) {
    if (raw.preset !== "rigaku-500k")
      throw new XpcsError("UNSUPPORTED", "files are written of rigaku-500k only, as one Rigaku .bin; the others are served with --listen");
    if (play.frames === Infinity && io.interactive) io.note("without --frames this goes on until Ctrl-C");
    played = await writePlay({ ...play, out: resolve(raw.out), framesPerFile: raw.framesPerFile });
  } else {
    played = await servePlay({
      ...play,
      host: raw.host,
      port: raw.listen!,
      spoolBytes: raw.spoolMb * 1_000_000,
      whenBehind: raw.whenBehind ?? (raw.fast === true ? "wait" : "drop"),
      id: randomBytes(16).toString("hex"),
      waitForReceiver: raw.now !== true,
      onReady: (url) =>
        io.json
          ? io.result({ url, truth }, () => "")
          : io.out(`${raw.preset} at ${url}; ${raw.now === true ? "it plays" : "it begins with the first receiver"}`),
    });
  }
  io.result({ ...played, truth }, () => describe(played, play.framesPerS));
}

/** Adds the command to the program. */
export function registerSimulateDetector(program: Command, io: CliIo): void {
  const presets = Object.entries(DETECTORS).map(([name, { about }]) => `${name} (${about})`);
  const command = program
    .command("simulate-detector")
    .description(
      `Play a detector in front of a colloid: speckle that decays as exp(-t/tau), tau falling as 1/q^2, and Poisson photons. Presets: ${presets.join("; ")}.`,
    );
  command
    .addOption(new Option("--preset <name>", "which detector").choices(Object.keys(DETECTORS)).default("rigaku-500k"))
    .option("--rate <frames/s>", "frames per second (default: the detector's)", positiveOption)
    .option("--photons <n>", "photons per frame, on average (default: the preset's)", positiveOption)
    .option("--tau <s>", "decay time of the field in the innermost ring", positiveOption, 0.02)
    .option("--contrast <c>", "g2(0) - 1, up to 1", positiveOption, 0.3)
    .option("--frames <n>", "end after so many (default: never)", integerOption(1))
    .option("--seed <n>", "the same seed plays the same photons", integerOption(0), 1)
    .option("--replay <frames>", "make so many frames first and repeat them: the stream says so", integerOption(1), 0)
    .option("--fast", "as fast as receivers take them, in place of the rate")
    .option("--listen <port>", "serve event blocks over a websocket there (docs/stream-protocol.md); 0: any", integerOption(0, 65_535))
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .addOption(
      new Option("--when-behind <how>", "what happens with receivers that are behind (default: drop; with --fast: wait)").choices([
        "wait",
        "drop",
      ]),
    )
    .option("--now", "begin at once, not with the first receiver")
    .option("--spool-mb <MB>", "blocks kept for receivers that are behind, or come again", integerOption(1, 65_536), 256)
    .option(
      "--counter-bits <n>",
      "bits of the frame counter, which goes round; 0: it does not (default: the detector's)",
      integerOption(0, 52),
    )
    .option("--out <file>", "write a Rigaku .bin that grows, or with --frames-per-file a folder that files arrive in")
    .option("--frames-per-file <n>", "frames of one file of the folder", integerOption(1), 0)
    .option("--write-qmap <file>", "also write the q-map of this detector")
    .action((raw: RawOptions) => simulate(raw, io));
  withExample(
    command,
    "xpcs simulate-detector --preset rigaku-500k --photons 8 --tau 0.05 --listen 7979 --write-qmap qmap.hdf",
    "xpcs stream ws://127.0.0.1:7979 --qmap qmap.hdf",
  );
}
