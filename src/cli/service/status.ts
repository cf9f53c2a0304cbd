/** `xpcs site status`: whether a site runs, for whom, what it does, and what went wrong of late. */
import { realClock } from "../../core/real-clock.js";
import { takesNothing } from "../../sites/site-orders.js";
import { type CliIo, formatTable } from "../output.js";
import { humanLine } from "../pino-logger.js";
import { holderLife, holderOf } from "./holder.js";
import { linesAtEnd } from "./log-lines.js";
import { lifeNow } from "./process-id.js";
import { siteFiles } from "./site-folder.js";
import { type SiteNow, type SiteStatus, statusOf } from "./site-status.js";

const ERRORS_TOLD = 3;
const LINES_LOOKED = 2_000;

export interface SiteReport {
  readonly site: string;
  readonly state: "starting" | "working" | "stopping" | "stopped" | "failed" | "died";
  /** Why it does not run, or null. */
  readonly reason: string | null;
  readonly pid: number | null;
  readonly host: string | null;
  readonly user: string | null;
  readonly since: string | null;
  readonly central: { readonly url: string; readonly reached: boolean; readonly since: string } | null;
  readonly slots: number | null;
  readonly orders: SiteNow["orders"] | null;
  readonly jobs: SiteNow["jobs"];
  readonly pilots: SiteNow["pilots"];
  /** The last warnings and errors of its log, as JSON lines have them. */
  readonly errors: readonly Readonly<Record<string, unknown>>[];
  readonly log: string;
}

function lastErrors(log: string): Record<string, unknown>[] {
  const lines = linesAtEnd(log, LINES_LOOKED).flatMap((line) => {
    try {
      return [JSON.parse(line) as Record<string, unknown>];
    } catch {
      return [];
    }
  });
  return lines.filter(({ level }) => level === "warn" || level === "error").slice(-ERRORS_TOLD);
}

/** Why nothing runs there. */
function endOf(status: SiteStatus | null, run: string | null): Pick<SiteReport, "state" | "reason"> {
  const ended = status?.state === "ended" && (run === null || status.run === run);
  if (!ended && run === null) return { state: "stopped", reason: status === null ? "it has never run" : null };
  if (!ended) return { state: "died", reason: "its process is gone and has not said why: it was killed, or the machine was started anew" };
  return status.failure === null ? { state: "stopped", reason: null } : { state: "failed", reason: status.failure };
}

/** How a site is. */
export async function reportOf(site: string, folder: string): Promise<SiteReport> {
  const files = siteFiles(folder);
  const holder = holderOf(files);
  const life = holder === null ? "gone" : await holderLife(files, holder, realClock);
  const status = statusOf(files);
  const common = { site, errors: lastErrors(files.log), log: files.log };
  if (holder === null || life === "gone") {
    const nothing = {
      pid: null,
      host: holder?.process.host ?? null,
      user: null,
      since: null,
      central: null,
      slots: null,
      orders: status?.orders ?? null,
      jobs: [],
      pilots: null,
    };
    return { ...common, ...endOf(status, holder?.run ?? null), ...nothing };
  }
  const { process, user, since } = holder;
  const who = { pid: process.pid, host: process.host, user, since };
  if (status?.run !== holder.run || status.state === "ended")
    return { ...common, ...who, state: "starting", reason: null, central: null, slots: null, orders: null, jobs: [], pilots: null };
  const { central, centralSince, slots, orders, jobs, pilots, state } = status;
  return { ...common, ...who, state, reason: null, central: { ...central, since: centralSince }, slots, orders, jobs, pilots };
}

const minute = (iso: string): string => `${iso.slice(0, 16).replace("T", " ")} UTC`;

function jobLines(jobs: SiteReport["jobs"]): string[] {
  return jobs.map(({ job, epoch, app, state, progress, reason }) =>
    [`  ${job}.${epoch}`, app, state, progress === null ? "" : `${Math.floor(progress * 100)} %`, reason ?? ""]
      .filter((word) => word !== "")
      .join("  "),
  );
}

function pilotLines(pilots: SiteReport["pilots"]): string[] {
  if (pilots === null) return [];
  return [
    `pilots   ${pilots.list.length}${pilots.why === null ? "" : `; ${pilots.why}`}`,
    ...pilots.list.map(({ site, batch, phase, sentence }) => `  ${site}  batch job ${batch}  ${phase}: ${sentence}`),
  ];
}

function reportText(report: SiteReport): string {
  const { site, state, reason, pid, host, user, since, central, slots, orders, jobs, pilots, errors, log } = report;
  const ordered = orders === null ? null : takesNothing(orders);
  return [
    `site ${site}: ${state}${reason === null ? "" : `: ${reason}`}`,
    ...(pid === null || since === null ? [] : [`process  ${pid} on ${host}, by ${user}, since ${minute(since)}`]),
    ...(central === null ? [] : [`central  ${central.url}, ${central.reached ? "reached" : "NOT reached"} since ${minute(central.since)}`]),
    ...(ordered === null ? [] : [`orders   ${ordered}`]),
    ...(slots === null || pilots !== null ? [] : [`slots    ${slots}, ${jobs.length} job${jobs.length === 1 ? "" : "s"} here`]),
    ...jobLines(jobs),
    ...pilotLines(pilots),
    ...(errors.length === 0 ? [] : ["errors   the last ones of its log"]),
    ...errors.map((line) => `  ${String(line.time).slice(0, 10)} ${humanLine(JSON.stringify(line)).trimEnd()}`),
    `log      ${log}`,
  ].join("\n");
}

const IS_UP = new Set<SiteReport["state"]>(["starting", "working", "stopping"]);

/** Prints the report. Exit code 1: it does not run; 3: it does not reach central. */
export async function showStatus(site: string, folder: string, io: CliIo): Promise<void> {
  const report = await reportOf(site, folder);
  io.result(report, () => reportText(report));
  if (!IS_UP.has(report.state)) io.exitWith(1);
  else if (report.central?.reached !== true) io.exitWith(3);
}

/** All that were started here, in one table; sites of other machines as they say themselves. */
export function showAll(sites: readonly { name: string; folder: string }[], io: CliIo): void {
  const rows = sites.map(({ name, folder }) => {
    const files = siteFiles(folder);
    const holder = holderOf(files);
    const status = statusOf(files);
    const life = holder === null ? "gone" : lifeNow(holder.process);
    const state = holder === null || life === "gone" ? endOf(status, holder?.run ?? null).state : (status?.state ?? "starting");
    return { site: name, state, host: holder?.process.host ?? null, pid: holder?.process.pid ?? null, folder };
  });
  const columns = [{ title: "SITE" }, { title: "STATE" }, { title: "HOST" }, { title: "PID" }];
  io.result(rows, () =>
    rows.length === 0
      ? "no site was started here: xpcs site start"
      : formatTable(
          columns,
          rows.map(({ site, state, host, pid }) => [site, state, host ?? "-", String(pid ?? "-")]),
        ),
  );
}
