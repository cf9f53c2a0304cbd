/** Starts the fake of an API (fakes/iri.mjs, fakes/sfapi.mjs) in a process of its own, and says how it is asked. */
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ApiSettings } from "../../../src/sites/api-settings.js";
import type { Scheduler } from "../../../src/sites/schedulers/define.js";
import { createPlace, PLAIN, type Place } from "./stage.js";

export interface FakeApi {
  readonly api: Omit<ApiSettings, "folder">;
  /** What the fake keeps, where a test may change what it does. */
  readonly state: string;
  end(): Promise<void>;
}

/** How a fake is to be, and of what version its address is said to be. */
export interface FakeOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly version?: "v1" | "v2";
}

export const FAKE_TOKEN = "a-bearer-token-that-nobody-may-see";

const COMMON = { program: "/opt/xpcs/bin/xpcs" };

/** The settings of each, given where its server is and where the files of this test are. */
const SETTINGS: Readonly<Record<string, (origin: string, folder: string, state: string) => FakeApi["api"]>> = {
  iri(origin, folder, state) {
    const credential = join(folder, "token");
    for (const path of [credential, join(state, "token")]) writeFileSync(path, `${FAKE_TOKEN}\n`, { mode: 0o600 });
    return {
      ...COMMON,
      url: `${origin}/api/v2`,
      resource: "55c1c993-0000-0000-0000-000000000001",
      storage: "1c3ad9d4-0000-0000-0000-000000000002",
      credential,
    };
  },
  sfapi(origin, folder, state) {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(join(state, "client.pub.pem"), publicKey.export({ type: "spki", format: "pem" }));
    const credential = join(folder, "client.json");
    const secret = privateKey.export({ format: "jwk" });
    writeFileSync(credential, JSON.stringify({ client_id: "fakeclient123", secret }), { mode: 0o600 });
    return { ...COMMON, url: `${origin}/api/v1.2`, resource: "perlmutter", tokenUrl: `${origin}/c2id/token`, user: "beamline", credential };
  },
};

export async function startFakeApi(name: string, own: Readonly<Record<string, string>> = {}): Promise<FakeApi> {
  const folder = mkdtempSync(join(tmpdir(), `xpcs-fake-${name}-`));
  const state = join(folder, "state");
  mkdirSync(state);
  const server = spawn(process.execPath, [fileURLToPath(new URL(`./fakes/${name}.mjs`, import.meta.url))], {
    env: { ...process.env, FAKE_BATCH_STATE: state, ...own },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [port] = (await once(server.stdout, "data")) as [Buffer];
  const api = SETTINGS[name]!(`http://127.0.0.1:${String(port).trim()}`, folder, state);
  return {
    api,
    state,
    end: async () => {
      const ended = once(server, "exit");
      server.stdin.end();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Has a test's body do what it does with a fake and a place of its own. */
export async function onFakeApi(
  scheduler: Scheduler,
  { env, version = "v2" }: FakeOptions,
  body: (place: Place, fake: FakeApi) => Promise<void>,
): Promise<void> {
  const fake = await startFakeApi(scheduler.name, env);
  const api = { ...fake.api, url: fake.api.url.replace(/v2$/, version) };
  const place = createPlace(scheduler, { ...PLAIN, environment: process.env, api, end: async () => {} });
  try {
    await body(place, fake);
  } finally {
    place.remove();
    await fake.end();
  }
}
