/** `xpcs explain ID`: why a job goes where it does, stage by stage, and what really happened. */
import type { Command } from "commander";
import type { Explanation, StagesMs } from "../core/explanation.js";
import { STAGES, type StageName } from "../core/promise.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { type CliIo, type Column, formatTable } from "./output.js";

const TITLES: Readonly<Record<StageName, string>> = {
  stageIn: "STAGE-IN s",
  allocation: "ALLOCATION s",
  ahead: "AHEAD s",
  run: "RUN s",
  stageOut: "STAGE-OUT s",
};

const seconds = (ms: number | null | undefined): string =>
  ms === null || ms === undefined ? "-" : (ms / 1_000).toFixed(ms < 10_000 ? 2 : 1);

/** A line of the table; what comes under NOTE is the last. */
function row(name: string, ms: number | null, sdMs: number | null, stagesMs: StagesMs | null, note: string): string[] {
  return [name, ...STAGES.map((stage) => seconds(stagesMs?.[stage] || null)), seconds(ms), sdMs === null ? "" : `± ${seconds(sdMs)}`, note];
}

function columns(first: string): readonly Column[] {
  const numbers = [...STAGES.map((stage) => TITLES[stage]), "ANSWER s", ""].map((title) => ({ title, align: "right" }) as const);
  return [{ title: first }, ...numbers, { title: "NOTE" }];
}

function runNote(by: string | null, runs: number): string {
  if (by === "runs") return `${runs} run${runs === 1 ? "" : "s"} there`;
  return by === "nothing" ? "no run anywhere" : `run by ${by === "self-test" ? "its self-test" : by}`;
}

function waitingTable({ sites, site: chosen }: Explanation): string {
  if (sites.length === 0) return "no site is connected to central";
  return formatTable(
    columns("SITE"),
    sites.map(({ site, unable, ms, sdMs, stagesMs, runBy, runs }) =>
      row(site, ms, sdMs, stagesMs, `${site === chosen ? "chosen; " : ""}${unable ?? runNote(runBy, runs)}`),
    ),
  );
}

function givenTable({ promised, happened }: Explanation): string {
  if (promised === null && happened === null) return "";
  const rows: string[][] = [];
  if (promised !== null) rows.push(row("promised", promised.ms, promised.sdMs, promised.stagesMs, ""));
  if (promised?.next) rows.push(row("next best", promised.next.ms, null, null, promised.next.site));
  if (happened !== null) {
    const note = happened.ratio === null ? "" : `${happened.ratio} x what was promised`;
    rows.push(row("really", happened.ms, null, happened.stagesMs, note));
  }
  return formatTable(columns(""), rows);
}

/** For people. */
export function explanationText(explained: Explanation): string {
  const { job, state, policy, site, why, sites, promised } = explained;
  const isWaiting = promised === null && (sites.length > 0 || state === "ready" || state === "awaiting-parents");
  const head = `${job}  ${state}${site === null ? "" : ` ${isWaiting ? "for" : "at"} ${site}`}  (policy ${policy})`;
  return [head, why, isWaiting ? waitingTable(explained) : givenTable(explained)].filter((part) => part !== "").join("\n");
}

/** Adds the command to the program. */
export function registerExplain(program: Command, io: CliIo): void {
  const command = program
    .command("explain")
    .argument("<id>", "job id, as submit printed it")
    .description("Show what is expected of each site for a job, which is chosen and why; later what was promised, and what really was.");
  addCentralOptions(command).action(async (id: string, options: CentralOptions) => {
    const explained = await withClient(options, (client) => client.explain(id));
    io.result(explained, () => explanationText(explained));
  });
  withExample(command, "xpcs explain JOB_ID");
}
