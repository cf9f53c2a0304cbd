/** What each backend needs to be tested: how it is opened, and whatever serves it, for files of one folder of this machine. */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join, relative } from "node:path";
import S3rver from "@20minutes/s3rver";
import { dataServer } from "../../src/actors/data-server.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import { checkReadable, checkWritable } from "../../src/files/roots.js";
import { openCache } from "../../src/sites/staging/cache.js";
import { createS3Client } from "../../src/sites/staging/s3-client.js";
import type { CentralAccess, LocationSettings, Transfer } from "../../src/sites/transfers/define.js";
import { BACKENDS } from "../../src/sites/transfers/registry.js";
import { startFakeGlobus } from "./fake-globus.js";
import { type SshServer, sshObstacle, startSshServer } from "./ssh-server.js";

/** Plain data, for a process of its own. */
export interface Opening {
  readonly settings: LocationSettings;
  readonly central: CentralAccess;
  readonly cacheFolder: string;
}

/** The submitter's files, wherever the backend has them: read and written around it. */
export interface Far {
  write(path: string, bytes: string | Buffer): Promise<void>;
  /** Null: there is none. */
  read(path: string): Promise<Buffer | null>;
  remove(path: string): Promise<void>;
  /** Paths of all that is there, sorted. */
  list(): Promise<string[]>;
}

export interface Rig {
  readonly far: Far;
  readonly opening: Opening;
  /** Requests that the far side has seen, as the rig's far side words them. */
  readonly requests: string[];
  /** Breaks all connections that there are; absent: it cannot. */
  readonly cut?: () => void;
  close(): Promise<void>;
}

/** @param there the folder of the submitter's files @param work the site's */
export type MakeRig = (folders: { there: string; work: string }) => Promise<Rig>;

/** Files of a folder of this machine. */
function fileFar(folder: string): Far {
  return {
    async write(path, bytes) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
    },
    read: (path) => readFile(path).catch(() => null),
    remove: (path) => rm(path, { force: true }),
    async list() {
      const found = await readdir(folder, { recursive: true, withFileTypes: true });
      return found
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort();
    },
  };
}

const NO_CENTRAL: CentralAccess = { url: "ws://127.0.0.1:1", token: "none", trust: {}, insecure: false };

/** Central's data server for files in one folder, with rights that do not ask for leases. Imitates src/actors/data-rights.ts. */
const httpRig: MakeRig = async ({ there, work }) => {
  const roots = { read: [there], write: [there] };
  const serve = dataServer({
    door: {
      admit: async () => ({ principal: { token: "t", person: "p", role: "site", experiment: null, site: null }, expiresAtMs: null }),
    },
    rights: {
      mayProbe: () => {},
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
    far: fileFar(there),
    opening: {
      settings: { folder: there, by: "http", connections: 4, giveUpS: 20 } as LocationSettings,
      central: { url: `ws://127.0.0.1:${port}`, token: "t", trust: {}, insecure: false },
      cacheFolder: join(work, "staged"),
    },
    requests,
    cut: () => server.closeAllConnections(),
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
    far: fileFar(there),
    opening: {
      settings: { folder: there, by: "rsync", host, sshConfig: config, connections: 2, giveUpS: 20 } as LocationSettings,
      central: NO_CENTRAL,
      cacheFolder: join(work, "staged"),
    },
    requests: [],
    close: async () => {},
  };
};

/** A bucket of a real store that keeps its objects in a folder. */
const s3Rig: MakeRig = async ({ there, work }) => {
  const bucket = "data";
  const directory = join(work, "store");
  const store = new S3rver({ port: 0, address: "127.0.0.1", silent: true, directory, configureBuckets: [{ name: bucket }] });
  const { port } = await store.run();
  const credentials = join(work, "credentials");
  await writeFile(credentials, "[default]\naws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n", { mode: 0o600 });
  const place = { endpoint: `http://127.0.0.1:${port}`, bucket, region: "us-east-1", credentials, profile: "default", insecure: false };
  const client = createS3Client(place);
  const { signal } = new AbortController();
  const prefix = "2026-3/";
  const keyOf = (path: string) => `${prefix}${relative(there, path)}`;
  return {
    far: {
      write: async (path, bytes) => void (await client.ask({ method: "PUT", key: keyOf(path), body: Buffer.from(bytes), signal })),
      async read(path) {
        const pieces: Buffer[] = [];
        try {
          await client.read({ method: "GET", key: keyOf(path), signal }, async (piece) => void pieces.push(piece));
        } catch {
          return null;
        }
        return Buffer.concat(pieces);
      },
      remove: async (path) => void (await client.ask({ method: "DELETE", key: keyOf(path), signal })),
      async list() {
        const found = await readdir(join(directory, bucket), { recursive: true, withFileTypes: true });
        const files = found.filter((entry) => entry.name.endsWith("._S3rver_object"));
        const keys = files.map((entry) =>
          relative(join(directory, bucket), join(entry.parentPath, entry.name.slice(0, -"._S3rver_object".length))),
        );
        return keys.map((key) => join(there, relative(prefix, key))).sort();
      },
    },
    opening: {
      settings: { folder: there, by: "s3", ...place, prefix, connections: 4, giveUpS: 20 } as LocationSettings,
      central: NO_CENTRAL,
      cacheFolder: join(work, "staged"),
    },
    requests: [],
    close: () => store.close(),
  };
};

export const COLLECTIONS = { there: "6c54cade-bde5-45c1-bdea-f4bd71dba2cc", here: "31ce9ba0-176d-45a5-add3-f37d233ba47d" };

/** A fake of Globus, with a collection for the submitter's folder and one for the site's. */
const globusRig: MakeRig = async ({ there, work }) => {
  const fake = await startFakeGlobus({ [COLLECTIONS.there]: there, [COLLECTIONS.here]: join(work, "collection") });
  const credentials = join(work, "globus.json");
  await mkdir(join(work, "collection"));
  await writeFile(credentials, JSON.stringify({ clientId: "client", clientSecret: "secret" }), { mode: 0o600 });
  const here = { collection: COLLECTIONS.here, path: "/xpcs", folder: join(work, "collection/xpcs") };
  const urls = { transferUrl: fake.url, authUrl: fake.url };
  const more = { path: "/", here, credentials, encrypt: true, checksum: "sha256", giveUpS: 20, ...urls };
  return {
    far: fileFar(there),
    opening: {
      settings: { folder: there, by: "globus", collection: COLLECTIONS.there, ...more } as LocationSettings,
      central: NO_CENTRAL,
      cacheFolder: join(work, "staged"),
    },
    requests: fake.requests,
    close: () => fake.close(),
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
    far: fileFar(there),
    opening: { settings: { folder: there, by: "shared-path" }, central: NO_CENTRAL, cacheFolder: join(work, "staged") },
    requests: [],
    close: async () => {},
  }),
  http: httpRig,
  rsync: rsyncRig,
  s3: s3Rig,
  globus: globusRig,
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
