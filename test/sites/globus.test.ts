/** Globus beyond the suite of all transfers: submissions whose answer is lost, tokens, pauses, faults, checksums, what is canceled, what an earlier process left. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { realClock } from "../../src/core/real-clock.js";
import { SITE_SETTINGS } from "../../src/sites/site-settings.js";
import { openCache } from "../../src/sites/staging/cache.js";
import type { LocationSettings, StageOut, Transfer } from "../../src/sites/transfers/define.js";
import { globus } from "../../src/sites/transfers/globus.js";
import { type FakeGlobus, startFakeGlobus } from "./fake-globus.js";
import { recordArrival } from "./recorded-arrival.js";
import { COLLECTIONS } from "./transfer-rigs.js";

let folder: string;
let fake: FakeGlobus;
let transfer: Transfer;
let stop: AbortController;
const told: (string | null)[] = [];
const at = (...names: string[]): string => join(folder, ...names);
const sha256 = (bytes: string): string => createHash("sha256").update(bytes).digest("hex");
const lease = { job: "j1", epoch: 1 };

function open(more: object = {}): Transfer {
  const here = { collection: COLLECTIONS.here, path: "/xpcs", folder: at("here/xpcs") };
  const urls = { transferUrl: fake.url, authUrl: fake.url };
  const settings = {
    folder: "/data",
    by: "globus",
    collection: COLLECTIONS.there,
    path: "/smith",
    here,
    credentials: at("credentials"),
    ...urls,
  };
  return globus.open({ ...settings, encrypt: true, checksum: "sha256", giveUpS: 20, ...more } as LocationSettings, {
    site: "here",
    central: () => ({ url: "", token: "", trust: {}, insecure: false }),
    cache: openCache({ folder: at("staged"), bytesMax: 1e9, clock: realClock, boot: "this" }),
    clock: realClock,
    rng: Math.random,
  });
}
const tell = { report: (reason: string | null) => void told.push(reason) };
const stage = (...names: string[]) =>
  transfer.stageIn({ lease, refs: names.map((name) => ({ path: `/data/${name}` })), dir: at("attempt"), ...tell, signal: stop.signal });
function stageOut(text: string, more: Partial<StageOut> = {}) {
  writeFileSync(at("result"), text);
  const local = { path: at("result"), bytes: text.length, sha256: sha256(text) };
  const destination = { ref: { path: "/data/r.hdf" }, job: "j1", overwrite: false };
  return transfer.stageOut({
    ...{ destination, epoch: 1, local, seen: null, access: {}, confirm: async () => {}, ...tell, signal: stop.signal },
    ...more,
  });
}
const asked = (what: string): number => fake.requests.filter((request) => request === what).length;
const once = (what: string) => {
  let done = false;
  return (method: string, path: string): boolean => {
    const now = !done && `${method} ${path}`.startsWith(what);
    done ||= now;
    return now;
  };
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-globus-"));
  for (const name of ["there/smith", "here", "attempt"]) mkdirSync(at(name), { recursive: true });
  fake = await startFakeGlobus({ [COLLECTIONS.there]: at("there"), [COLLECTIONS.here]: at("here") });
  writeFileSync(at("credentials"), JSON.stringify({ clientId: "client", clientSecret: "secret" }), { mode: 0o600 });
  writeFileSync(at("there/smith/a.bin"), "bytes of a");
  stop = new AbortController();
  told.length = 0;
  transfer = open();
});
afterEach(async () => {
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("a task", () => {
  it("is made once for all files of an attempt, and leaves nothing in the site's folder", async () => {
    writeFileSync(at("there/smith/b.bin"), "bytes of b");
    const places = await stage("a.bin", "b.bin");
    expect(places.map((place) => readFileSync(place, "utf8"))).toEqual(["bytes of a", "bytes of b"]);
    expect(fake.tasks.map(({ type, files }) => [type, files])).toEqual([["TRANSFER", 2]]);
    expect(
      readdirSync(at("here/xpcs"), { recursive: true }).filter((name) => /\d/.test(String(name).split("/").at(-1)!.slice(0, 1))),
    ).toEqual([]);
  });

  it("tells what it has moved while it moves", async () => {
    writeFileSync(at("there/smith/large.bin"), Buffer.alloc(12 * 1024 * 1024));
    fake.knobs.piece = () => new Promise((later) => setTimeout(later, 60));
    const { files, arriving } = recordArrival();
    const refs = ["a.bin", "large.bin"].map((name) => ({ path: `/data/${name}` }));
    await transfer.stageIn({ lease, refs, dir: at("attempt"), ...tell, signal: stop.signal, arriving });
    const [small, large] = [...files].sort((a, b) => a.bytes - b.bytes);
    expect(large!.moves.length).toBeGreaterThan(0);
    expect(large!.moves[0]).toBeLessThan(large!.bytes);
    for (const { bytes, moves, whole } of [small!, large!]) expect(moves.reduce((sum, move) => sum + move, whole!.lacked)).toBe(bytes);
  });

  it.each(["GET /v0.10/submission_id", "POST /v0.10/transfer", "GET /v0.10/task"])(
    "is made once when the answer to %s is lost",
    async (what) => {
      fake.knobs.lose = once(what);
      await stage("a.bin");
      expect(fake.tasks).toHaveLength(1);
      if (what.startsWith("POST")) expect([asked("POST /v0.10/transfer"), asked("GET /v0.10/submission_id")]).toEqual([2, 1]);
      expect(told).toContainEqual(expect.stringContaining("the transfer waits and tries again"));
    },
  );

  it("that a collection's people pause is told of, and goes on", async () => {
    fake.knobs.piece = (task) => {
      if (task.bytes === 0 && !task.paused) task.paused = true;
      fake.knobs.piece = null;
    };
    const staging = stage("a.bin");
    await vi.waitFor(() => expect(told.at(-1)).toContain("is paused"), { timeout: 5_000, interval: 10 });
    fake.tasks[0]!.paused = false;
    await staging;
    expect(told.at(-1)).toBeNull();
  });

  it("whose credentials have ended is told of", async () => {
    fake.knobs.piece = (task) => {
      task.status = "INACTIVE";
      fake.knobs.piece = null;
    };
    const staging = stage("a.bin");
    await vi.waitFor(() => expect(told.at(-1)).toContain("credentials have ended"), { timeout: 5_000, interval: 10 });
    fake.tasks[0]!.status = "ACTIVE";
    await staging;
  });

  it("that meets faults tells the last one", async () => {
    fake.knobs.piece = async (task) => {
      task.faults = 1;
      task.nice = "CONNECT_FAILED";
      task.events.unshift({
        DATA_TYPE: "event",
        code: "CONNECT_FAILED",
        is_error: true,
        description: "could not connect",
        details: "refused\n",
        time: "",
      });
      await vi.waitFor(() => expect(told.at(-1)).toMatch(/CONNECT_FAILED: could not connect \(refused\)/), {
        timeout: 5_000,
        interval: 10,
      });
      fake.knobs.piece = null;
    };
    await stage("a.bin");
    expect(told.at(-1)).toBeNull();
  });

  it("that Globus gives up fails with its reason", async () => {
    fake.knobs.piece = () => {
      throw Object.assign(new Error("Path not allowed"), { code: "PERMISSION_DENIED" });
    };
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "PERMISSION_DENIED", message: expect.stringContaining("Path not allowed") });
  });

  it("that does not move for too long is canceled", async () => {
    fake.knobs.piece = (task) => {
      task.paused = true;
    };
    transfer = open({ giveUpS: 1 });
    await expect(stage("a.bin")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/no byte moved for .* is paused/),
    });
    expect(fake.tasks[0]).toMatchObject({ status: "FAILED", fatal: { code: "CANCELED" } });
  });

  it("is canceled when its attempt is stopped", async () => {
    fake.knobs.piece = (task) => {
      task.paused = true;
      stop.abort();
    };
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "CANCELED" });
    await vi.waitFor(() => expect(fake.tasks[0]).toMatchObject({ fatal: { code: "CANCELED" } }));
  });

  it("of an earlier process is canceled, and its files are removed", async () => {
    const ours = `xpcs-here-${sha256("/data").slice(0, 8)}`;
    for (const [name, label] of [
      ["left", `${ours} j0 1 in`],
      ["another", "somebody's"],
    ] as const) {
      mkdirSync(at("here/xpcs", ours, "j0.1", name), { recursive: true });
      const task = {
        ...{ id: name, type: "TRANSFER", label, status: "ACTIVE", nice: "OK", paused: false, faults: 0, bytes: 0, files: 0 },
      } as const;
      (fake.tasks as unknown[]).push({ ...task, fatal: null, events: [], moved: [] });
    }
    await stage("a.bin");
    expect(fake.tasks.map(({ id, status }) => [id, status]).slice(0, 2)).toEqual([
      ["left", "FAILED"],
      ["another", "ACTIVE"],
    ]);
    expect(existsSync(at("here/xpcs", ours, "j0.1"))).toBe(false);
  });

  it("goes on where another attempt was stopped while it looked for what an earlier process left", async () => {
    const other = new AbortController();
    fake.knobs.answer = (_method, path) => (path.includes("task_list") ? { status: 503, body: {} } : null);
    const refs = [{ path: "/data/a.bin" }];
    const first = transfer.stageIn({ lease: { job: "j0", epoch: 1 }, refs, dir: at("attempt"), report: () => {}, signal: other.signal });
    const second = stage("a.bin");
    await vi.waitFor(() => expect(asked("GET /v0.10/task_list")).toBeGreaterThan(0), { timeout: 5_000, interval: 10 });
    other.abort();
    fake.knobs.answer = null;
    await expect(first).rejects.toMatchObject({ code: "CANCELED" });
    expect(await second).toHaveLength(1);
  });
});

describe("bytes", () => {
  it("that are damaged on the way are moved again by Globus", async () => {
    let damaged = false;
    fake.knobs.piece = (_task, piece) => {
      if (damaged || piece.length === 0) return;
      damaged = true;
      piece[0]! ^= 1;
    };
    const [place] = await stage("a.bin");
    expect([damaged, readFileSync(place!, "utf8"), fake.tasks[0]!.faults]).toEqual([true, "bytes of a", 1]);
  });

  it("are compared with the checksum that Globus tells", async () => {
    fake.knobs.answer = (_method, path) =>
      path.endsWith("/successful_transfers")
        ? {
            status: 200,
            body: {
              DATA: fake.tasks[0]!.moved.map((moved) => ({ ...moved, checksum: sha256("others") })),
              next_marker: null,
            },
          }
        : null;
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "CHECKSUM_MISMATCH", message: expect.stringContaining("/data/a.bin") });
  });

  it("of a file that is still written are refused", async () => {
    fake.knobs.piece = () => utimesSync(at("there/smith/a.bin"), new Date(), new Date(Date.now() + 5_000));
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "IO_FAILED", message: expect.stringContaining("has changed") });
  });

  it("of a result that are not those of its digest are published nowhere", async () => {
    writeFileSync(at("result"), "x");
    const wrong = stageOut("the result", { local: { path: at("result"), bytes: 10, sha256: sha256("another") } });
    await expect(wrong).rejects.toMatchObject({ code: "CHECKSUM_MISMATCH" });
    expect(readdirSync(at("there/smith"))).toEqual(["a.bin"]);
  });
});

describe("a result", () => {
  it("whose rename was not answered is known again", async () => {
    fake.knobs.lose = once(`POST /v0.10/operation/endpoint/${COLLECTIONS.there}/rename`);
    expect(await stageOut("the result")).toEqual({ path: "/data/r.hdf", bytes: 10, sha256: sha256("the result") });
    expect(readFileSync(at("there/smith/r.hdf"), "utf8")).toBe("the result");
  });

  it("that nobody has given its name is not taken for published, whatever has its name", async () => {
    fake.knobs.answer = (_method, path) =>
      path.endsWith("/rename") ? { status: 502, body: { code: "EndpointError", message: "broken" } } : null;
    await expect(stageOut("the result")).rejects.toMatchObject({ code: "IO_FAILED", message: expect.stringContaining("broken") });
    fake.knobs.answer = null;
    writeFileSync(at("there/smith/r.hdf"), "of 10 byte");
    await expect(transfer.inspect({ ref: { path: "/data/r.hdf" }, job: "j1", overwrite: false })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
  });
});

describe("credentials", () => {
  it("give another token when one has expired", async () => {
    await stage("a.bin");
    fake.expireTokens();
    writeFileSync(at("there/smith/c.bin"), "bytes of c");
    await stage("c.bin");
    expect(asked("POST /v2/oauth2/token")).toBe(2);
  });

  it("may be a refresh token, and one that has ended is said to need a person", async () => {
    writeFileSync(at("credentials"), JSON.stringify({ clientId: "client", refreshToken: "refresh" }));
    await stage("a.bin");
    writeFileSync(at("credentials"), JSON.stringify({ clientId: "client", refreshToken: "old" }));
    fake.expireTokens();
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "PERMISSION_DENIED", message: expect.stringContaining("log in again") });
  });

  it.each([
    ["{}", /give clientId and clientSecret/],
    ['{"clientId": "c", "clientSecret": "s", "more": 1}', /give clientId/],
    // A message of JSON.parse would show what it did not understand.
    ["s3cret", /^(?!.*s3cret).*credentials .* cannot be used/],
  ])("%s are refused", async (text, why) => {
    writeFileSync(at("credentials"), text);
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(why) });
  });

  it("that others may read are not used", async () => {
    chmodSync(at("credentials"), 0o640);
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("chmod 600") });
  });

  it("without a consent are told which", async () => {
    const body = { code: "ConsentRequired", message: "Missing required data_access consent", required_scopes: ["urn:of:the:collection"] };
    fake.knobs.answer = (_method, path) => (path.includes("/operation/") ? { status: 403, body } : null);
    await expect(stage("a.bin")).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringContaining("urn:of:the:collection"),
    });
  });
});

describe("the service", () => {
  it.each([
    [503, "ServiceUnavailable"],
    [429, "TooManyRequests"],
    [502, "ExternalError.DirListingFailed.ConnectFailed"],
    [502, "EndpointError.GCDisconnected"],
    [409, "OperationPaused"],
  ])("that answers %i %s is asked again", async (status, code) => {
    let times = 0;
    fake.knobs.answer = (_method, path) => {
      if (!path.endsWith("/stat") || times > 0) return null;
      times += 1;
      return { status, body: { code, message: "later" } };
    };
    await stage("a.bin");
    expect(told).toContainEqual(expect.stringContaining(code));
  });

  it("that does not know a collection is not", async () => {
    transfer = open({ collection: "00000000-0000-0000-0000-000000000000" });
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "IO_FAILED", message: expect.stringContaining("EndpointNotFound") });
  });

  it("off loopback is not spoken to in clear text", async () => {
    transfer = open({ transferUrl: "http://transfer.example" });
    await expect(stage("a.bin")).rejects.toMatchObject({ code: "REFUSED" });
  });
});

it.each([
  [{ collection: "mine" }, /locations\.0\.collection/],
  [{ here: { collection: COLLECTIONS.here, path: "x", folder: "/x" } }, /locations\.0\.here\.path/],
  [{ mbPerS: 5 }, /mbPerS/],
])("settings with %j are refused with their place", (setting, place) => {
  const here = { collection: COLLECTIONS.here, path: "/x", folder: "/x" };
  const location = { folder: "/data", by: "globus", collection: COLLECTIONS.there, credentials: "/c", here, ...setting };
  expect(() => parseSettings(SITE_SETTINGS, JSON.stringify({ locations: [location] }), "f")).toThrow(place);
});
