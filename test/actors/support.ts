/** Starts a real central on a temporary folder, and connects to it as its peers do. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import type { Central } from "../../src/actors/central.js";
import { clientSession } from "../../src/actors/client-session.js";
import { downtimeAdmin } from "../../src/actors/downtime-admin.js";
import type { GateOptions } from "../../src/actors/gate.js";
import { type RunningCentral, type StartOptions, startCentral } from "../../src/actors/start-central.js";
import type { Principal, Role } from "../../src/core/access.js";
import { XpcsError } from "../../src/core/errors.js";
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

/** A central, with the tokens that it made at its first start on the folder. */
export interface TestCentral extends RunningCentral {
  readonly operatorToken: string;
  readonly siteToken: string;
}

const firstTokens = new Map<string, NonNullable<RunningCentral["firstTokens"]>>();

export async function start(dir: string, options: Partial<StartOptions> = {}): Promise<TestCentral> {
  const central = await startCentral({ dir, host: "127.0.0.1", port: 0, clock: realClock, logger: silentLogger, randomBytes, ...options });
  if (central.firstTokens !== null) firstTokens.set(dir, central.firstTokens);
  return { ...central, ...firstTokens.get(dir)! };
}

/** Starts a central on a folder of its own before each test, hands it to `take`, and ends both after the test. */
export function withCentral(take: (central: TestCentral) => void | Promise<void>, options: Partial<StartOptions> = {}): void {
  let folder: Awaited<ReturnType<typeof temporaryDir>>;
  let central: TestCentral;
  beforeEach(async () => {
    folder = await temporaryDir();
    central = await start(folder.dir, options);
    await take(central);
  });
  afterEach(async () => {
    await central.stop();
    await folder.remove();
  });
}

/** A door that knows no tokens and lets everybody in. Imitates src/actors/door.ts. */
export function openDoor(role: Role, central: Central): Pick<GateOptions, "door" | "clientApi"> {
  const principal: Principal = { token: "t", person: "somebody", role, experiment: null, site: null };
  const none = async (): Promise<never> => {
    throw new XpcsError("REFUSED", "there are no tokens here");
  };
  return {
    door: { admit: async () => ({ principal, expiresAtMs: null }), exchange: none, watch() {} },
    clientApi: (holder) => ({
      ...clientSession(central, holder),
      ...downtimeAdmin(central, holder),
      addToken: none,
      tokens: none,
      revokeToken: none,
      backup: none,
      archiveExperiment: none,
      removeExperiment: none,
    }),
  };
}

export async function openClient(central: TestCentral): Promise<Connection<ClientApi>> {
  const link = await openWebSocket(central.url, { clock: realClock });
  return openSession<ClientApi>(link, CLIENT_API_METHODS, {
    clock: realClock,
    token: central.operatorToken,
    version: VERSION,
    party: "client",
  });
}

export async function openSite(central: TestCentral): Promise<Connection<WorkSource>> {
  const link = await openWebSocket(central.url, { clock: realClock });
  return openSession<WorkSource>(link, WORK_SOURCE_METHODS, {
    clock: realClock,
    token: central.siteToken,
    version: VERSION,
    party: "site",
  });
}

export function noop(tags: Record<string, string> = {}, more: Partial<JobSpec> = {}): JobSpec {
  return { work: { app: "xpcs.noop", durationMs: 1 }, tags, attemptsMax: 3, ...more };
}
