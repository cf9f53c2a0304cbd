/** `xpcs jobs`: lists jobs, newest first. */
import { type Command, Option } from "commander";
import { JOB_STATES, type JobState, type JobView } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { JobQuery } from "../core/protocols.js";
import type { XpcsClient } from "../index.js";
import { addCentralOptions, type CentralOptions, experimentOption, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { jobTable } from "./job-text.js";
import { collectPairs, integerOption } from "./option-values.js";
import type { CliIo } from "./output.js";

interface JobsOptions extends CentralOptions {
  readonly state?: readonly JobState[];
  readonly experiment?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly limit: number;
}

/** Pages until `limit` jobs are there or no more exist. */
async function listJobs(client: XpcsClient, query: JobQuery, limit: number): Promise<JobView[]> {
  const found: JobView[] = [];
  let after: string | undefined;
  do {
    const page = await client.jobs({
      ...query,
      limit: Math.min(limit - found.length, LIMITS.pageJobsMax),
      ...(after === undefined ? {} : { after }),
    });
    found.push(...page.jobs);
    after = page.next ?? undefined;
  } while (after !== undefined && found.length < limit);
  return found;
}

/** Adds the command to the program. */
export function registerJobs(program: Command, io: CliIo): void {
  const command = program.command("jobs").description("List jobs, newest first.");
  addCentralOptions(command)
    .addOption(new Option("--state <states...>", "only jobs in these states").choices(JOB_STATES))
    .option("--experiment <cycle/name>", "only jobs of this experiment", experimentOption)
    .option("--tag <key=value>", "only jobs with this tag (repeat for more)", collectPairs)
    .option("--limit <n>", "at most so many", integerOption(1, 1_000_000), 100)
    .action(async (options: JobsOptions) => {
      const { state: states, tag: tags, experiment } = options;
      const query: JobQuery = { ...(states && { states }), ...(tags && { tags }), ...(experiment && { experiment }) };
      const jobs = await withClient(options, (client) => listJobs(client, query, options.limit));
      io.result(jobs, () => jobTable(jobs));
    });
  withExample(command, "xpcs jobs --state running ready --tag sample=latex");
}
