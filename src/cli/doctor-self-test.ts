/**
 * `xpcs doctor --self-test`: measures what central would otherwise learn from the first jobs of a site, and keeps it in a file that `xpcs site` tells
 * central (docs/self-test.md). With a batch file the measuring is done in a batch job, where pilots work; otherwise on this machine.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { toXpcsError, XpcsError } from "../core/errors.js";
import type { SelfTest } from "../core/job.js";
import { makeFolder } from "../ledger/make-folder.js";
import type { BatchFile } from "../sites/batch-file.js";
import { type CentralOptions, type CentralSettings, centralSettings } from "./client-settings.js";
import { batchHere, runInQueue } from "./doctor-batch.js";
import type { Check } from "./doctor-checks.js";
import { selfTestPath, writeSelfTest } from "./self-test-file.js";
import type { NodeReport } from "./self-test-node.js";
import { writeWhole } from "./whole-file.js";

const NODE_PROGRAM = fileURLToPath(new URL("./self-test-node.js", import.meta.url));

/** What the program has written; another program's words are not believed. */
const number = z.number().positive().optional();
const REPORT = z.object({
  numbers: z.object({ eventsPerCoreS: number, inBytesPerS: number, outBytesPerS: number }),
  faults: z.object({ correlator: z.string().optional(), link: z.string().optional() }),
});

export interface SelfTestOptions extends CentralOptions {
  /** Of the site, as its token may be for this one alone. */
  readonly name: string;
  /** Where batch jobs are to measure; null: here. */
  readonly file: BatchFile | null;
  /** Where the numbers are kept: the folder of the batch file, or of `--work`. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

interface Central {
  readonly settings: CentralSettings;
  readonly words: readonly string[];
}

/** Central for the program in the job, with what it may not find on its command line in files; null: there is none to measure the link to. */
async function centralFor(options: SelfTestOptions): Promise<Central | null> {
  const { folder, name, central, token, tokenFile } = options;
  let settings: CentralSettings;
  try {
    settings = centralSettings(options, name);
  } catch (error) {
    if (central !== undefined || token !== undefined || tokenFile !== undefined) throw error;
    return null;
  }
  const files = { token: join(folder, "self-test.token"), ca: join(folder, "self-test.ca") };
  await writeWhole(files.token, [`${settings.token}\n`], async () => {});
  if (settings.ca !== undefined) await writeWhole(files.ca, [settings.ca], async () => {});
  return {
    settings,
    words: [
      ...["--site", name, "--central", settings.central, "--token-file", files.token],
      ...(settings.pin === undefined ? [] : ["--pin", settings.pin]),
      ...(settings.ca === undefined ? [] : ["--ca", files.ca]),
      ...(settings.insecure ? ["--insecure"] : []),
    ],
  };
}

async function reportOf(path: string): Promise<NodeReport> {
  let text: unknown;
  try {
    text = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new XpcsError("IO_FAILED", `what was measured is not to be read in ${path}: ${(error as Error).message}`);
  }
  const parsed = REPORT.safeParse(text);
  if (!parsed.success) throw new XpcsError("CORRUPT_DATA", `${path} does not hold what was measured`);
  return parsed.data as NodeReport;
}

/** Runs the program on this machine. */
async function measureHere(argv: readonly [string, ...string[]], signal: AbortSignal): Promise<void> {
  const [program, ...words] = argv;
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"], signal });
  let said = "";
  child.stderr.on("data", (text) => {
    said = `${said}${text}`.slice(-500);
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new XpcsError("IO_FAILED", `the measuring program failed: ${said.trim() || `exit code ${code}`}`);
}

const megabytes = (bytesPerS: number): string => `${(bytesPerS / 1e6).toPrecision(3)} MB/s`;

/** What was found, as checks. Pure. */
export function selfTestChecks({ numbers, faults }: NodeReport, hasCentral: boolean): Check[] {
  const { eventsPerCoreS, inBytesPerS, outBytesPerS } = numbers;
  const correlator =
    eventsPerCoreS === undefined
      ? { status: "fail" as const, found: faults.correlator ?? "not measured", advice: "xpcs doctor there says what is missing" }
      : { status: "ok" as const, found: `${(eventsPerCoreS / 1e6).toPrecision(3)} million events/s a core`, advice: null };
  const link =
    inBytesPerS === undefined || outBytesPerS === undefined
      ? hasCentral
        ? { status: "fail" as const, found: faults.link ?? "not measured", advice: "check address, token and proxy as seen from there" }
        : {
            status: "warn" as const,
            found: "not measured: where central is was not said",
            advice: "give --central and --token of the site",
          }
      : { status: "ok" as const, found: `${megabytes(inBytesPerS)} from central, ${megabytes(outBytesPerS)} back`, advice: null };
  return [
    { name: "self-test correlator", ...correlator },
    { name: "self-test link", ...link },
  ];
}

async function measure(
  options: SelfTestOptions,
  words: readonly string[],
): Promise<{ checks: Check[]; report: NodeReport | null; queueWaitS?: number }> {
  const { file, folder, signal, tell } = options;
  if (file === null) {
    const out = join(folder, ".self-test-measured");
    try {
      await measureHere([process.execPath, NODE_PROGRAM, out, ...words], signal);
      return { checks: [], report: await reportOf(out) };
    } finally {
      await rm(out, { force: true });
    }
  }
  if (file.api !== undefined)
    throw new XpcsError("UNSUPPORTED", "its batch jobs are far away: a self-test needs a folder that the nodes share; run it there");
  const { check, ran, jobs } = await runInQueue(file, batchHere(file), {
    name: "self-test job",
    argvIn: (place) => [process.execPath, NODE_PROGRAM, join(place, "measured"), ...words],
    ...{ signal, tell },
  });
  if (ran === null) return { checks: [check], report: null };
  const report = await reportOf(join(ran.ref.folder, "measured"));
  await jobs.forget(ran.ref);
  return { checks: [check], report, queueWaitS: ran.waitedS };
}

/**
 * Measures, and keeps the numbers in the folder.
 *
 * @throws INVALID_ARGUMENT central was named in part · IO_FAILED
 */
export async function selfTest(options: SelfTestOptions): Promise<Check[]> {
  const { folder } = options;
  await makeFolder(folder, options.file === null ? "the work folder (--work)" : "the folder of the batch file");
  const central = await centralFor(options);
  try {
    const { checks, report, queueWaitS } = await measure(options, central?.words ?? []);
    if (report === null) return checks;
    const numbers: SelfTest = {
      at: new Date().toISOString(),
      ...report.numbers,
      ...(queueWaitS === undefined ? {} : { queueWaitS }),
    };
    const path = selfTestPath(resolve(folder));
    await writeSelfTest(path, numbers);
    const kept: Check = { name: "self-test", status: "ok", found: `kept in ${path}; xpcs site tells central when it joins`, advice: null };
    return [...checks, ...selfTestChecks(report, central !== null), kept];
  } catch (error) {
    const { code, message } = toXpcsError(error);
    if (code === "INVALID_ARGUMENT") throw error;
    return [{ name: "self-test", status: "fail", found: message, advice: "try again" }];
  } finally {
    for (const name of ["self-test.token", "self-test.ca"]) await rm(join(folder, name), { force: true });
  }
}
