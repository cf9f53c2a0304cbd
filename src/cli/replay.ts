/** `xpcs replay LEDGER`: a recorded shift, or a made-up one, through the router again, with other policies, sites or speeds, on virtual time. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { eventOf } from "../ledger/event-text.js";
import type { LedgerEvent } from "../ledger/events.js";
import { exportedEvents } from "../ledger/exchange.js";
import { openLevelStore } from "../ledger/level-store.js";
import { answerCurve, finishedCurve, type Point } from "../replay/curves.js";
import { figuresOf, type RunFigures } from "../replay/figures.js";
import { type Recorded, readShift } from "../replay/recorded.js";
import { type Shift, scaled } from "../replay/shift.js";
import { SITE_CHANGES, withChanges } from "../replay/site-changes.js";
import { parseSynthetic, syntheticShift } from "../replay/synthetic.js";
import { runShift } from "../replay/world.js";
import { POLICIES } from "../router/registry.js";
import { linesFigureSvg } from "../xpcs/plot-series.js";
import { withExample } from "./help.js";
import { collectTexts, positiveOption } from "./option-values.js";
import { type CliIo, formatTable } from "./output.js";
import { readSettingsFile } from "./settings-file.js";
import { checkThere } from "./text-file.js";
import { checkFree, linesOf, writeWhole } from "./whole-file.js";

interface ReplayOptions {
  readonly policy?: readonly string[];
  readonly sites?: string;
  readonly scale: number;
  readonly synthetic?: string;
  readonly plot?: string;
  readonly overwrite?: true;
}

interface Run {
  readonly figures: RunFigures;
  readonly answers: readonly Point[];
  readonly finished: readonly Point[];
}

async function* storedEvents(dir: string): AsyncGenerator<LedgerEvent> {
  const store = await openLevelStore(dir);
  try {
    const moment = store.snapshot();
    for await (const { json } of moment.entries(["past", "event"])) yield eventOf(json);
    await moment.close();
  } finally {
    await store.close();
  }
}

/** The events of an exported ledger, or of the ledger in the data folder of a central that is stopped. */
function eventsOf(path: string): AsyncIterable<LedgerEvent> {
  checkThere(path, "the ledger");
  const dirs = [path, join(path, "ledger")].filter((dir) => existsSync(join(dir, "CURRENT")));
  return dirs[0] === undefined ? exportedEvents(linesOf(path)) : storedEvents(dirs[0]);
}

function policiesOf({ policy }: ReplayOptions): string[] {
  const names = Object.keys(POLICIES);
  const asked = [...new Set(policy ?? names.filter((name) => name !== "pinned"))];
  for (const name of asked)
    if (POLICIES[name] === undefined) throw new XpcsError("INVALID_ARGUMENT", `there is no policy "${name}": ${names.join(", ")}`);
  return asked;
}

async function givenShift(ledger: string | undefined, { synthetic }: ReplayOptions): Promise<Omit<Recorded, "jobs">> {
  if ((ledger === undefined) === (synthetic === undefined))
    throw new XpcsError("INVALID_ARGUMENT", "replay needs a ledger, or --synthetic, and not both");
  if (synthetic !== undefined) return { shift: syntheticShift(parseSynthetic(synthetic)), canceled: 0, drawn: 0 };
  const path = resolve(ledger!);
  return readShift(eventsOf(path), ledger!);
}

const seconds = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(1)} s` : "-");
const percent = (value: number | null): string => (value === null ? "-" : `${(100 * value).toFixed(1)} %`);
const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

function runsText(runs: readonly RunFigures[]): string {
  const right = (title: string) => ({ title, align: "right" as const });
  const columns = ["jobs/min", "median", "p95", "used", "in", "out", "late", "lost", "failed", "left"].map(right);
  const rows = runs.map((run) => [
    run.policy,
    run.jobsPerMin.toFixed(1),
    seconds(run.answerMedianS),
    seconds(run.answerP95S),
    percent(run.utilisation),
    gigabytes(run.bytesIn),
    gigabytes(run.bytesOut),
    `${run.deadlineMisses}/${run.withDeadline}`,
    `${run.lostAttempts}`,
    `${run.failed}`,
    `${run.left}`,
  ]);
  const sites = (runs[0]?.sites ?? []).map(({ site, slots }, at) => [
    site,
    `${slots}`,
    ...runs.flatMap(({ sites: figures }) => [`${figures[at]!.jobs}`, percent(figures[at]!.utilisation)]),
  ]);
  const heads = runs.flatMap(({ policy }) => [right(`jobs ${policy}`), right("used")]);
  return `${formatTable([{ title: "policy" }, ...columns], rows)}\n\n${formatTable([{ title: "site" }, right("slots"), ...heads], sites)}`;
}

async function figureOf(shift: Shift, runs: readonly Run[]): Promise<string> {
  const lines = (of: (run: Run) => readonly Point[]) => runs.map((run) => ({ name: run.figures.policy, points: of(run) }));
  return linesFigureSvg({
    title: "One shift, several policies",
    subtitle: shift.name,
    panels: [
      {
        ...{ title: "Time to answer", xTitle: "from submission to answer (s)", yTitle: "share of jobs", xScale: "log" },
        lines: lines(({ answers }) => answers),
      },
      {
        ...{ title: "Jobs answered", xTitle: "since the first submission (h)", yTitle: "jobs", xScale: "linear" },
        lines: lines(({ finished }) => finished),
      },
    ],
  });
}

async function replay(ledger: string | undefined, options: ReplayOptions, io: CliIo): Promise<void> {
  const policies = policiesOf(options);
  if (options.plot !== undefined) checkFree(options.plot, options.overwrite === true);
  const changes = options.sites === undefined ? null : readSettingsFile(SITE_CHANGES, options.sites);
  const given = await givenShift(ledger, options);
  const faster = scaled(given.shift, options.scale);
  const shift = changes === null ? faster : withChanges(faster, changes);
  if (given.canceled > 0) io.note(`${given.canceled} canceled jobs are left out`);
  if (given.drawn > 0) io.note(`${given.drawn} jobs never ended well: their run times are drawn from those of others`);
  const runs: Run[] = [];
  for (const name of policies) {
    io.note(`${shift.name}: ${name}`);
    const { tally } = runShift(shift, { policy: POLICIES[name]! });
    runs.push({ figures: figuresOf(name, tally, shift.sites), answers: answerCurve(tally), finished: finishedCurve(tally) });
  }
  if (options.plot !== undefined) await writeWhole(resolve(options.plot), [await figureOf(shift, runs)], async () => {});
  const figures = runs.map((run) => run.figures);
  const { canceled, drawn } = given;
  io.result({ shift: shift.name, canceled, drawn, plot: options.plot ?? null, runs: figures }, () => runsText(figures));
}

/** Adds the command to the program. */
export function registerReplay(program: Command, io: CliIo): void {
  const command = program
    .command("replay")
    .argument("[ledger]", "an exported ledger, or the data folder of a central that is stopped")
    .description("What if: run a recorded or a made-up shift through the router again, on virtual time, with other policies or sites.")
    .option("--policy <name>", "a policy to run it with; may be given several times", collectTexts)
    .option("--sites <file>", "changes of the sites")
    .option("--scale <x>", "jobs come so many times as fast", positiveOption, 1)
    .option("--synthetic <what>", "a made-up shift instead of a ledger, such as jobs=10000,sites=5,seed=1,load=0.8")
    .option("--plot <file>", "write a figure as SVG")
    .option("--overwrite", "replace the file of the figure");
  command.action((ledger: string | undefined, options: ReplayOptions) => replay(ledger, options, io));
  withExample(
    command,
    "xpcs replay ledger-2026-11-26.jsonl --policy soonest --policy round-robin --plot shift.svg",
    "xpcs replay --synthetic jobs=10000,sites=5,seed=1 --scale 1.5",
  );
}
