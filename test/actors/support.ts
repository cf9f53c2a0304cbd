/** Starts a real central on a temporary folder, and connects to it as its peers do. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningCentral, type StartOptions, startCentral } from "../../src/actors/start-central.js";
import type { JobSpec } from "../../src/core/job.js";
import { silentLogger } from "../../src/core/log.js";
import { CLIENT_API_METHODS, type ClientApi, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";

export async function temporaryDir(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "xpcs-central-"));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

export function start(dir: string, options: Partial<StartOptions> = {}): Promise<RunningCentral> {
  return startCentral({ dir, host: "127.0.0.1", port: 0, clock: realClock, logger: silentLogger, randomBytes, ...options });
}

export async function openClient(central: RunningCentral): Promise<Connection<ClientApi>> {
  const link = await openWebSocket(central.url, { clock: realClock });
  return openSession<ClientApi>(link, CLIENT_API_METHODS, {
    clock: realClock,
    token: central.operatorToken,
    version: VERSION,
    role: "operator",
  });
}

export async function openSite(central: RunningCentral): Promise<Connection<WorkSource>> {
  const link = await openWebSocket(central.url, { clock: realClock });
  return openSession<WorkSource>(link, WORK_SOURCE_METHODS, { clock: realClock, token: central.siteToken, version: VERSION, role: "site" });
}

export function noop(tags: Record<string, string> = {}, more: Partial<JobSpec> = {}): JobSpec {
  return { work: { app: "xpcs.noop", durationMs: 1 }, tags, attemptsMax: 3, ...more };
}
