/** What each backend needs to be tested: how it is opened, and whatever serves it, for files of one folder of this machine. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { dataServer } from "../../src/actors/data-server.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import { checkReadable, checkWritable } from "../../src/files/roots.js";
import { openCache } from "../../src/sites/staging/cache.js";
import type { CentralAccess, LocationSettings, Transfer } from "../../src/sites/transfers/define.js";
import { BACKENDS } from "../../src/sites/transfers/registry.js";
import { type SshServer, sshObstacle, startSshServer } from "./ssh-server.js";

/** Plain data, for a process of its own. */
export interface Opening {
  readonly settings: LocationSettings;
  readonly central: CentralAccess;
  readonly cacheFolder: string;
}

export interface Rig {
  readonly opening: Opening;
  /** Requests that the far side has seen, as the rig's far side words them. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** @param there the folder of the submitter's files @param work the site's */
export type MakeRig = (folders: { there: string; work: string }) => Promise<Rig>;

const NO_CENTRAL: CentralAccess = { url: "ws://127.0.0.1:1", token: "none", trust: {}, insecure: false };

/** Central's data server for files in one folder, with rights that do not ask for leases. Imitates src/actors/data-rights.ts. */
const httpRig: MakeRig = async ({ there, work }) => {
  const roots = { read: [there], write: [there] };
  const serve = dataServer({
    door: {
      admit: async () => ({ principal: { token: "t", person: "p", role: "site", experiment: null, site: null }, expiresAtMs: null }),
    },
    rights: {
      mayRead: (_caller, _lease, paths) => checkReadable(paths, roots.read),
      mayWrite: (_caller, _lease, path) => checkWritable([path], roots),
      mayLook: (_caller, _job, path) => checkWritable([path], roots),
      maySettle: (_caller, _job, path) => checkWritable([path], roots),
      mayDiscard: (_caller, _lease, path) => checkWritable([path], roots),
      confirm: async () => {},
    },
    clock: realClock,
    logger: silentLogger,
    onRequest: () => {},
  });
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? ""}`);
    serve(request, response);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  return {
    opening: {
      settings: { folder: there, by: "http", connections: 4, giveUpS: 20 } as LocationSettings,
      central: { url: `ws://127.0.0.1:${port}`, token: "t", trust: {}, insecure: false },
      cacheFolder: join(work, "staged"),
    },
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
};

let ssh: Promise<SshServer> | null = null;

/** A real sshd, the same for all tests. */
const rsyncRig: MakeRig = async ({ there, work }) => {
  ssh ??= startSshServer();
  const { host, config } = await ssh;
  return {
    opening: {
      settings: { folder: there, by: "rsync", host, sshConfig: config, connections: 2, giveUpS: 20 } as LocationSettings,
      central: NO_CENTRAL,
      cacheFolder: join(work, "staged"),
    },
    requests: [],
    close: async () => {},
  };
};

/** Ends what rigs share. */
export async function closeRigs(): Promise<void> {
  await (await ssh)?.stop();
}

/** Why a backend cannot be tested here, or null. */
export function obstacleOf(name: string): string | null {
  return name === "rsync" ? sshObstacle() : null;
}

export const RIGS: Readonly<Record<string, MakeRig>> = {
  "shared-path": async ({ there, work }) => ({
    opening: { settings: { folder: there, by: "shared-path" }, central: NO_CENTRAL, cacheFolder: join(work, "staged") },
    requests: [],
    close: async () => {},
  }),
  http: httpRig,
  rsync: rsyncRig,
};

/** The backend in this process. */
export function openTransfer({ settings, central, cacheFolder }: Opening): Transfer {
  return BACKENDS.find(({ name }) => name === settings.by)!.open(settings, {
    site: "here",
    central: () => central,
    cache: openCache({ folder: cacheFolder, bytesMax: 1e9, clock: realClock, boot: "this" }),
    clock: realClock,
    rng: Math.random,
  });
}
