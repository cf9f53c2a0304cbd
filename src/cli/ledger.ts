/** `xpcs ledger verify|export|import`: the ledger of a central that is stopped, on central's own machine. */
import { createReadStream, existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Argument, type Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { exportLines, importLines } from "../ledger/exchange.js";
import { openLevelStore } from "../ledger/level-store.js";
import { makeFolder } from "../ledger/make-folder.js";
import type { EventStore } from "../ledger/store.js";
import { type LedgerFacts, verifyLedger } from "../ledger/verify.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";

const ACTIONS = ["verify", "export", "import"] as const;
type Action = (typeof ACTIONS)[number];

interface LedgerOptions {
  readonly data: string;
  readonly file?: string;
  readonly overwrite?: true;
}

async function onStore<T>(dir: string, work: (store: EventStore) => Promise<T>): Promise<T> {
  const store = await openLevelStore(dir);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

function ledgerOf(data: string): string {
  const dir = join(resolve(data), "ledger");
  // Opening would make one.
  if (!existsSync(join(dir, "CURRENT"))) throw new XpcsError("NOT_FOUND", `there is no ledger in ${resolve(data)} (--data)`);
  return dir;
}

/** Whole under its name, or not there. */
async function writeExport(store: EventStore, path: string): Promise<void> {
  const partial = `${path}.partial`;
  const file = await open(partial, "w", 0o600).catch((error: Error) => {
    throw new XpcsError("IO_FAILED", `${path} cannot be written: ${error.message}`);
  });
  try {
    let text = "";
    for await (const line of exportLines(store)) {
      text += `${line}\n`;
      if (text.length < 65_536) continue;
      await file.writeFile(text);
      text = "";
    }
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

async function exportTo(path: string, { data, overwrite }: LedgerOptions): Promise<LedgerFacts> {
  if (overwrite !== true && existsSync(path)) throw new XpcsError("ALREADY_EXISTS", `${path} exists: give --overwrite to replace it`);
  return onStore(ledgerOf(data), async (store) => {
    const facts = await verifyLedger(store);
    await writeExport(store, path);
    return facts;
  });
}

async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(path, "utf8") as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}

async function importFrom(path: string, { data }: LedgerOptions): Promise<LedgerFacts> {
  const dir = join(resolve(data), "ledger");
  if (existsSync(dir)) throw new XpcsError("ALREADY_EXISTS", `${resolve(data)} has a ledger: import into a new folder`);
  if (!existsSync(path)) throw new XpcsError("NOT_FOUND", `the exported ledger ${path} does not exist`);
  await makeFolder(resolve(data), "the data folder (--data)");
  // Under another name until it is whole: central must not go on from half of it.
  const partial = `${dir}.importing`;
  await rm(partial, { recursive: true, force: true });
  try {
    const facts = await onStore(partial, async (store) => {
      await importLines(linesOf(path), store);
      return verifyLedger(store);
    });
    await rename(partial, dir);
    return facts;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function run(action: Action, options: LedgerOptions): Promise<LedgerFacts> {
  const { file, data, overwrite } = options;
  if (overwrite === true && action !== "export")
    throw new XpcsError("INVALID_ARGUMENT", `${action} replaces nothing: --overwrite is for export`);
  if (action === "verify") {
    if (file !== undefined) throw new XpcsError("INVALID_ARGUMENT", "verify reads the ledger in --data, and no file: leave out --file");
    return onStore(ledgerOf(data), verifyLedger);
  }
  if (file === undefined) throw new XpcsError("INVALID_ARGUMENT", `${action} needs --file FILE`);
  return action === "export" ? exportTo(resolve(file), options) : importFrom(resolve(file), options);
}

const DONE: Readonly<Record<Action, string>> = { verify: "the ledger is whole", export: "exported", import: "imported" };

/** Adds the command to the program. */
export function registerLedger(program: Command, io: CliIo): void {
  const command = program
    .command("ledger")
    .addArgument(new Argument("<action>", "what to do").choices(ACTIONS))
    .description("Check the ledger of a stopped central, write it as text, or make one from such text.")
    .requiredOption("--data <folder>", "the data folder of central")
    .option("--file <file>", "the exported ledger")
    .option("--overwrite", "replace the file that export writes")
    .action(async (action: Action, options: LedgerOptions) => {
      const facts = await run(action, options);
      io.result(facts, () => `${DONE[action]}: ${facts.events} events, ${facts.jobs} jobs, ${facts.sites} sites`);
    });
  withExample(
    command,
    "xpcs ledger verify --data /var/lib/xpcs",
    "xpcs ledger export --data /var/lib/xpcs --file ledger.jsonl",
    "xpcs ledger import --data /var/lib/xpcs-new --file ledger.jsonl",
  );
}
