/** The run behind `npm run experiment -- live`, whose options the script has read and whose schedulers it has started; how to read it: docs/experiment.md. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { machineLine, thisMachine } from "../../machine.js";
import { replaceMeasured } from "../../table.js";
import { liveText } from "./live-text.js";
import { flowsSvg } from "./plot.js";
import { proxyApps, pythonWithNumpy } from "./proxy-app.js";
import { type LiveOptions, runLive } from "./run.js";

/** From build/bench/bench/experiment/live, where this runs. */
const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, "../../../../..");
const AGENT = resolve(HERE, "../../../examples/aps-agent.js");
const RESULTS = join(ROOT, "bench/results/live.jsonl");
const PAGE = join(ROOT, "docs/experiment.md");
/** There is no Python with numpy. */
const LACKING = 3;

interface Settings extends Pick<LiveOptions, "jobs" | "seed" | "outageMs" | "policy" | "folder"> {
  readonly json: string | null;
  readonly plot: string | null;
  readonly record: boolean;
  /** Environment of the commands of each scheduler; null: three sites without. */
  readonly schedulers: Readonly<Record<string, Readonly<Record<string, string>>>> | null;
}

async function main({ json, plot, record, schedulers, ...wish }: Settings): Promise<number> {
  const python = pythonWithNumpy();
  if (python === null) {
    console.error(
      "experiment: no Python here has numpy, which the proxy application needs: apt-get install python3-numpy, or name one by XPCS_PYTHON",
    );
    return LACKING;
  }
  // Sites look for the commands of their scheduler in the environment.
  Object.assign(process.env, ...Object.values(schedulers ?? {}));
  const at = new Date().toISOString().slice(0, 16);
  const machine = thisMachine(ROOT);
  const startedMs = Date.now();
  const say = (text: string): void => console.error(`${((Date.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${text}`);
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => ending.abort());
  const report = await runLive({
    ...{ ...wish, root: ROOT, schedulers: schedulers !== null, agent: [process.execPath, AGENT], apps: proxyApps(ROOT, python) },
    ...{ say, signal: ending.signal },
  });
  const kept = { at, machine, loadAtEnd: thisMachine(ROOT).load, priority: getPriority(), report };
  const nice = kept.priority === 0 ? "" : `, all of it at nice ${kept.priority}`;
  const text = `${machineLine(machine, at)}, ${kept.loadAtEnd} at the end${nice}\n\n${liveText(report)}`;
  console.log(text);
  if (json !== null) writeFileSync(json, `${JSON.stringify(kept)}\n`);
  if (plot !== null) writeFileSync(plot, await flowsSvg(report.flows, report.victim));
  if (record && report.broken.length === 0) {
    appendFileSync(RESULTS, `${JSON.stringify(kept)}\n`);
    if (existsSync(PAGE)) writeFileSync(PAGE, replaceMeasured(readFileSync(PAGE, "utf8"), `\n${text}\n`, "live"));
  }
  return report.broken.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(JSON.parse(process.env.XPCS_LIVE ?? "") as Settings);
} catch (error) {
  console.error(`experiment: ${(error as Error).stack ?? String(error)}`);
  process.exitCode = 1;
}
