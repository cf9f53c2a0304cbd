/**
 * The node-hours that a site's batch jobs have taken, and how many more pilots its budget allows. A pilot that runs holds what is left of its walltime, since it may take it: the
 * budget is never exceeded. What was taken lies in a file, one line for each batch job that has ended, so it outlives the site. Days and months are those of UTC.
 */
import { open, readFile } from "node:fs/promises";
import { z } from "zod";
import { XpcsError } from "../core/errors.js";

/** Node-hours; null: no bound. */
export interface NodeHourBudget {
  readonly day: number | null;
  readonly month: number | null;
  readonly all: number | null;
}

const hours = z.number().min(0).max(1e9).nullable().default(null);
export const NODE_HOURS = z.strictObject({ day: hours, month: hours, all: hours }).prefault({});

const USE = z.object({ tag: z.string(), nodes: z.number(), startedMs: z.number(), endedMs: z.number() });
/** Of a batch job that has ended; ms since 1970. */
export type NodeUse = z.output<typeof USE>;

const HOUR_MS = 3_600_000;
const WINDOWS = { day: "a day", month: "a month", all: "in all" } as const;
type Window = keyof typeof WINDOWS;

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

function windowAt(window: Window, nowMs: number): Span {
  const now = new Date(nowMs);
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  if (window === "all") return { fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };
  if (window === "month") return { fromMs: Date.UTC(year, month, 1), toMs: Date.UTC(year, month + 1, 1) };
  return { fromMs: Date.UTC(year, month, day), toMs: Date.UTC(year, month, day + 1) };
}

const within = (startMs: number, endMs: number, { fromMs, toMs }: Span): number =>
  Math.max(0, Math.min(endMs, toMs) - Math.max(startMs, fromMs)) / HOUR_MS;

/** Three digits tell enough. */
const text = (value: number): string => String(Number(value.toPrecision(3)));

export interface BudgetView {
  readonly ended: readonly NodeUse[];
  /** When those began that run, ms since 1970. */
  readonly runningSinceMs: readonly number[];
  /** Of each pilot. */
  readonly nodes: number;
  readonly walltimeS: number;
}

export interface BudgetAnswer {
  /** So many pilots may be queued, those that are included. */
  readonly queuedMax: number;
  /** One sentence: which bound says so. */
  readonly why: string;
}

/** How many pilots may be queued; null: there is no budget. Pure. */
export function withinBudget(
  budget: NodeHourBudget,
  { ended, runningSinceMs, nodes, walltimeS }: BudgetView,
  nowMs: number,
): BudgetAnswer | null {
  const answers = (Object.keys(WINDOWS) as Window[]).flatMap((name): BudgetAnswer[] => {
    const bound = budget[name];
    if (bound === null) return [];
    const window = windowAt(name, nowMs);
    const spent = ended.reduce((sum, use) => sum + use.nodes * within(use.startedMs, use.endedMs, window), 0);
    const heldIn = (span: Span): number =>
      runningSinceMs.reduce((sum, startMs) => sum + nodes * within(startMs, Math.max(nowMs, startMs + walltimeS * 1_000), span), 0);
    const held = heldIn(window);
    // One that is queued may begin in the next window, when those that run now have gone on into it.
    const heldNext = window.toMs === Number.POSITIVE_INFINITY ? 0 : heldIn(windowAt(name, window.toMs));
    const one = nodes * Math.min(walltimeS / 3_600, (window.toMs - window.fromMs) / HOUR_MS);
    const left = Math.max(0, bound - Math.max(spent + held, heldNext));
    // What rounding makes of hours that just fit.
    const queuedMax = Math.floor(left / one + 1e-9);
    const renewed =
      name === "all" ? "" : `; the next ${name} begins at ${new Date(window.toMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
    const sums = `${text(spent)} taken, ${text(held)} held by ${runningSinceMs.length} that run, one may take ${text(one)}`;
    return [
      { queuedMax, why: `the budget of ${text(bound)} node-hours ${WINDOWS[name]} allows ${queuedMax} in the queue (${sums})${renewed}` },
    ];
  });
  return answers.reduce<BudgetAnswer | null>(
    (least, answer) => (least === null || answer.queuedMax < least.queuedMax ? answer : least),
    null,
  );
}

export interface NodeHours {
  readonly ended: () => readonly NodeUse[];
  /** On the disk when it resolves. The same tag again counts once. @throws IO_FAILED */
  add(use: NodeUse): Promise<void>;
}

/**
 * What was taken so far, from its file.
 *
 * @throws IO_FAILED it cannot be read: without it nobody knows what is left
 */
export async function openNodeHours(path: string): Promise<NodeHours> {
  const uses = new Map<string, NodeUse>();
  let endsWithLine = true;
  try {
    const whole = await readFile(path, "utf8");
    endsWithLine = whole === "" || whole.endsWith("\n");
    for (const line of whole.split("\n")) {
      const use = lineOf(line);
      if (use !== null) uses.set(use.tag, use);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw new XpcsError("IO_FAILED", `the node-hours of this site cannot be read: ${(error as Error).message}`);
  }
  return {
    ended: () => [...uses.values()],
    async add(use) {
      if (uses.has(use.tag)) return;
      try {
        const file = await open(path, "a", 0o600);
        try {
          // After one that was cut short.
          await file.appendFile(`${endsWithLine ? "" : "\n"}${JSON.stringify(use)}\n`);
          await file.sync();
        } finally {
          await file.close();
        }
      } catch (error) {
        endsWithLine = false;
        throw new XpcsError("IO_FAILED", `the node-hours of ${use.tag} cannot be written to ${path}: ${(error as Error).message}`);
      }
      endsWithLine = true;
      uses.set(use.tag, use);
    },
  };
}

/** Null: it was cut short, or is none. */
function lineOf(line: string): NodeUse | null {
  try {
    return USE.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
