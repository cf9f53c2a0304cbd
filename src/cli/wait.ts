/** `xpcs wait ID...`: for scripts: nothing until all jobs have ended, then how. */
import type { Command } from "commander";
import { sleep } from "../core/clock.js";
import { isCode, XpcsError } from "../core/errors.js";
import { isFinal, type JobId, type JobView } from "../core/job.js";
import { realClock } from "../core/real-clock.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { jobTable } from "./job-text.js";
import { durationOption } from "./option-values.js";
import type { CliIo } from "./output.js";
import { exitByOutcome } from "./watch.js";

interface WaitOptions extends CentralOptions {
  /** Seconds; Infinity: never. */
  readonly timeout?: number;
}

/** "A, B and 5 more". */
function someOf(ids: readonly JobId[]): string {
  return ids.length <= 3 ? ids.join(", ") : `${ids.slice(0, 3).join(", ")} and ${ids.length - 3} more`;
}

/** Timers of the machine hold 24 days at most. */
async function sleepLong(seconds: number, signal: AbortSignal): Promise<void> {
  for (let leftS = seconds; leftS > 0 && !signal.aborted; leftS -= 86_400) await sleep(realClock, 1_000 * Math.min(leftS, 86_400), signal);
}

async function wait(ids: readonly JobId[], { timeout = Infinity, ...where }: WaitOptions, io: CliIo): Promise<void> {
  const seen = new Map<JobId, JobView>();
  const done = new AbortController();
  const late = new AbortController();
  if (timeout !== Infinity) void sleepLong(timeout, done.signal).then(() => late.abort());
  const print = (jobs: readonly JobView[]): void => io.result(jobs, () => jobTable(jobs));
  try {
    const options = { signal: AbortSignal.any([io.signal, late.signal]), onChange: (job: JobView) => void seen.set(job.id, job) };
    const jobs = await withClient(where, (client) => client.wait(ids, options));
    print(jobs);
    exitByOutcome(io, jobs);
  } catch (error) {
    if (!isCode(error, "CANCELED") || !late.signal.aborted || io.interrupted !== null) throw error;
    print(ids.flatMap((id) => seen.get(id) ?? []));
    const open = ids.filter((id) => !isFinal(seen.get(id)?.state ?? "ready"));
    throw new XpcsError("DEADLINE_EXCEEDED", `after ${timeout} s ${open.length} of ${ids.length} jobs have not ended: ${someOf(open)}`);
  } finally {
    done.abort();
  }
}

/** Adds the command to the program. */
export function registerWait(program: Command, io: CliIo): void {
  const command = program
    .command("wait")
    .argument("<id...>", "jobs, as submit printed them")
    .description("Wait until all jobs have ended, then list them. Exit code 1 when one failed or was canceled, 3 after --timeout.");
  addCentralOptions(command)
    .option("--timeout <time>", "give up after this time: 90s, 45min, 12h or never (default: never)", durationOption)
    .action((ids: string[], options: WaitOptions) => wait(ids, options, io));
  withExample(command, "xpcs wait JOB_ID JOB_ID --timeout 45min && ./next-step.sh");
}
