/** `xpcs jobs`: lists jobs, newest first. */
import { type Command, Option } from "commander";
import { JOB_STATES, type JobState } from "../core/job.js";
import { allPages } from "../core/job-pages.js";
import type { JobQuery } from "../core/protocols.js";
import { addCentralOptions, type CentralOptions, experimentOption, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { jobTable } from "./job-text.js";
import { collectPairs, integerOption, timeOption } from "./option-values.js";
import type { CliIo } from "./output.js";

interface JobsOptions extends CentralOptions {
  readonly state?: readonly JobState[];
  readonly experiment?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly app?: string;
  readonly site?: string;
  readonly owner?: string;
  readonly parent?: string;
  readonly since?: string;
  readonly until?: string;
  readonly archived?: true;
  readonly limit: number;
}

/** What was given, as central calls it. */
function queryOf({ state, tag, experiment, app, site, owner, parent, since, until, archived }: JobsOptions): JobQuery {
  const query = { states: state, tags: tag, experiment, app, site, owner, parent, submittedAfter: since, submittedBefore: until, archived };
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
}

const pastOption = timeOption(-1);

/** Adds the command to the program. */
export function registerJobs(program: Command, io: CliIo): void {
  const command = program.command("jobs").description("List jobs, newest first.");
  addCentralOptions(command)
    .addOption(new Option("--state <states...>", "only jobs in these states").choices(JOB_STATES))
    .option("--experiment <cycle/name>", "only jobs of this experiment", experimentOption)
    .option("--tag <key=value>", "only jobs with this tag (repeat for more)", collectPairs)
    .option("--app <name>", "only jobs of this app")
    .option("--site <name>", "only jobs whose latest attempt was there")
    .option("--owner <name>", "only jobs that this person submitted")
    .option("--parent <id>", "only jobs that have this parent")
    .option("--since <time>", "submitted at or after: 2026-11-25T18:00:00Z, or as long ago as 15m, 2h, 1d", pastOption)
    .option("--until <time>", "submitted before", pastOption)
    .option("--archived", "jobs of the archive, in place of the others")
    .option("--limit <n>", "at most so many", integerOption(1, 1_000_000), 100)
    .action(async (options: JobsOptions) => {
      const jobs = await withClient(options, (client) => allPages(client.jobs, queryOf(options), options.limit));
      io.result(jobs, () => jobTable(jobs));
    });
  withExample(command, "xpcs jobs --state running ready --tag sample=latex");
}
