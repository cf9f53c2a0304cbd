/**
 * The part of a site's self-test that runs where its jobs run, a program of its own: measures correlator and link and writes what it found.
 * `node self-test-node.js FILE [--site NAME --central URL --token-file FILE --pin PIN --ca FILE --insecure]`; without --central no link.
 */
import { parseArgs } from "node:util";
import { toXpcsError } from "../core/errors.js";
import type { SelfTest } from "../core/job.js";
import { realClock } from "../core/real-clock.js";
import { measureCorrelator } from "../sites/correlator-rate.js";
import { measureLink } from "../sites/link-rate.js";
import { createHttpClient } from "../wire/http-client.js";
import { trustOf } from "../wire/trust.js";
import { type CentralOptions, centralSettings } from "./client-settings.js";
import { writeWhole } from "./whole-file.js";

/** What it writes. */
export interface NodeReport {
  readonly numbers: Pick<SelfTest, "eventsPerCoreS" | "inBytesPerS" | "outBytesPerS">;
  /** Why a number is missing, by what was measured. */
  readonly faults: { readonly correlator?: string; readonly link?: string };
}

async function linkNumbers(options: CentralOptions, site: string): Promise<NodeReport["numbers"]> {
  const settings = centralSettings(options);
  const { central, token, insecure } = settings;
  const url = new URL(central.replace(/^ws/, "http"));
  const client = createHttpClient({ url, trust: trustOf(settings), insecure, proxy: "environment" });
  try {
    const headers = { authorization: `Bearer ${token}`, "x-xpcs-site": site };
    return await measureLink({ client, headers, clock: realClock, signal: new AbortController().signal });
  } finally {
    client.close();
  }
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    options: { site: text, central: text, "token-file": text, pin: text, ca: text, insecure: { type: "boolean" } },
    allowPositionals: true,
  });
  const { site = "self-test", central, "token-file": tokenFile, pin, ca, insecure } = values;
  let numbers: NodeReport["numbers"] = {};
  let faults: NodeReport["faults"] = {};
  try {
    numbers = { eventsPerCoreS: measureCorrelator(realClock) };
  } catch (error) {
    faults = { correlator: toXpcsError(error).message };
  }
  try {
    const known = { ...(tokenFile ? { tokenFile } : {}), ...(pin ? { pin } : {}), ...(ca ? { ca } : {}) };
    if (central !== undefined) {
      const options: CentralOptions = { central, ...known, ...(insecure === true ? { insecure: true } : {}) };
      numbers = { ...numbers, ...(await linkNumbers(options, site)) };
    }
  } catch (error) {
    faults = { ...faults, link: toXpcsError(error).message };
  }
  await writeWhole(positionals[0]!, [JSON.stringify({ numbers, faults } satisfies NodeReport)], async () => {});
}

await main();
