/** `xpcs ledger verify|export|import|backup`: the ledger of a stopped central, on its own machine; and a copy of that of a running one. */
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Argument, type Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { exportLines, importLines } from "../ledger/exchange.js";
import { Ledger, loadState } from "../ledger/ledger.js";
import { openLevelStore } from "../ledger/level-store.js";
import { makeFolder } from "../ledger/make-folder.js";
import type { EventStore } from "../ledger/store.js";
import { type LedgerFacts, verifyLedger, verifyLines } from "../ledger/verify.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";
import { checkThere } from "./text-file.js";
import { checkFree, inPieces, linesOf, writeWhole } from "./whole-file.js";

const ACTIONS = ["verify", "export", "import", "backup"] as const;
type Action = (typeof ACTIONS)[number];

interface LedgerOptions extends CentralOptions {
  readonly data?: string;
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

function dataOf({ data }: LedgerOptions, action: Action): string {
  if (data === undefined) throw new XpcsError("INVALID_ARGUMENT", `${action} needs --data FOLDER, the data folder of central`);
  return resolve(data);
}

function fileOf({ file }: LedgerOptions, action: Action): string {
  if (file === undefined) throw new XpcsError("INVALID_ARGUMENT", `${action} needs --file FILE`);
  return resolve(file);
}

function ledgerOf(data: string): string {
  const dir = join(data, "ledger");
  // Opening would make one.
  if (!existsSync(join(dir, "CURRENT"))) throw new XpcsError("NOT_FOUND", `there is no ledger in ${data} (--data)`);
  return dir;
}

function verify(options: LedgerOptions): Promise<LedgerFacts> {
  const { data, file } = options;
  if (file !== undefined && data !== undefined)
    throw new XpcsError("INVALID_ARGUMENT", "verify reads the ledger in --data or a copy of one: leave out --data or --file");
  return file === undefined ? onStore(ledgerOf(dataOf(options, "verify")), verifyLedger) : verifyFile(resolve(file));
}

const EXPORTED = "the exported ledger";

async function verifyFile(path: string): Promise<LedgerFacts> {
  checkThere(path, EXPORTED);
  return verifyLines(linesOf(path));
}

function exportTo(path: string, data: string): Promise<LedgerFacts> {
  return onStore(ledgerOf(data), async (store) => {
    const facts = await verifyLedger(store);
    const moment = store.snapshot();
    try {
      await writeWhole(path, inPieces(exportLines(moment)), verifyFile);
    } finally {
      await moment.close();
    }
    return facts;
  });
}

function backUp(path: string, options: LedgerOptions): Promise<LedgerFacts> {
  return withClient(options, (client) => writeWhole(path, client.backup(), verifyFile));
}

async function importFrom(path: string, data: string): Promise<LedgerFacts> {
  const dir = join(data, "ledger");
  if (existsSync(dir)) throw new XpcsError("ALREADY_EXISTS", `${data} has a ledger: import into a new folder`);
  checkThere(path, EXPORTED);
  await makeFolder(data, "the data folder (--data)");
  // Under another name until it is whole: central must not go on from half of it.
  const partial = `${dir}.importing`;
  await rm(partial, { recursive: true, force: true });
  try {
    const facts = await onStore(partial, async (store) => {
      await importLines(linesOf(path), store);
      // With a checkpoint: central begins with that, and need not write one of everything at its first start.
      await new Ledger(store, await loadState(store)).commit(true);
      return verifyLedger(store);
    });
    await rename(partial, dir);
    return facts;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

function run(action: Action, options: LedgerOptions): Promise<LedgerFacts> {
  const overwrite = options.overwrite === true;
  const writes = action === "export" || action === "backup";
  if (overwrite && !writes) throw new XpcsError("INVALID_ARGUMENT", `${action} replaces nothing: --overwrite is for export and backup`);
  if (action === "verify") return verify(options);
  const path = fileOf(options, action);
  if (writes) checkFree(path, overwrite);
  if (action === "backup") {
    if (options.data !== undefined)
      throw new XpcsError(
        "INVALID_ARGUMENT",
        "backup asks the running central (--central): leave out --data, or export from a stopped one",
      );
    return backUp(path, options);
  }
  const data = dataOf(options, action);
  return action === "export" ? exportTo(path, data) : importFrom(path, data);
}

const DONE: Readonly<Record<Action, string>> = {
  verify: "the ledger is whole",
  export: "exported",
  import: "imported",
  backup: "backed up and verified",
};

/** Adds the command to the program. */
export function registerLedger(program: Command, io: CliIo): void {
  const command = program
    .command("ledger")
    .addArgument(new Argument("<action>", "what to do").choices(ACTIONS))
    .description("Back up the ledger of a running central; check or export that of a stopped one, or make one from such a file.")
    .option("--data <folder>", "verify, export, import: the data folder of central, which is stopped")
    .option("--file <file>", "the exported ledger")
    .option("--overwrite", "replace the file that export or backup writes");
  addCentralOptions(command).action(async (action: Action, options: LedgerOptions) => {
    const facts = await run(action, options);
    io.result(facts, () => `${DONE[action]}: ${facts.events} events, ${facts.jobs} jobs, ${facts.sites} sites`);
  });
  withExample(
    command,
    "xpcs ledger backup --file ledger-2026-11-26.jsonl",
    "xpcs ledger verify --file ledger-2026-11-26.jsonl",
    "xpcs ledger import --data /var/lib/xpcs-new --file ledger-2026-11-26.jsonl",
    "xpcs ledger verify --data /var/lib/xpcs",
  );
}
