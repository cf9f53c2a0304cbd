/** Lists of served folders over HTTP: what is there, a page at a time, for whom it is; and nothing of what lies elsewhere, whatever is asked. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { timeOf } from "../../src/actors/folder-server.js";
import { tokenHash } from "../../src/actors/token-file.js";
import { makeToken } from "../../src/actors/tokens.js";
import type { FolderPage } from "../../src/core/folders.js";
import { seeded } from "../ledger/world.js";
import { openClient, start, type TestCentral, temporaryDir } from "./support.js";

let central: TestCentral;
let bare: TestCentral;
let top: string;
let clean: (() => Promise<void>)[];
const at = (...names: string[]): string => join(top, ...names);
const FILES = 450;

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), "xpcs-folders-"));
  for (const folder of [
    "data/2026-3/smith/.cache",
    "data/2026-3/smith/deep/er",
    "data/2026-3/smithers",
    "data/2026-3/jones",
    "qmaps",
    "secret",
  ])
    mkdirSync(at(folder), { recursive: true });
  for (let file = 0; file < FILES; file += 1)
    writeFileSync(at("data/2026-3/smith", `run_${String(file).padStart(4, "0")}.bin`), "x".repeat(file));
  for (const file of ["data/2026-3/smith/.hidden.bin", "data/2026-3/smith/.cache/secret.bin", "data/2026-3/jones/secret.bin"])
    writeFileSync(at(file), "x");
  for (const file of ["data/2026-3/smithers/secret.bin", "secret/secret.bin", "qmaps/q.hdf", "data/2026-3/smith/deep/er/a.imm"])
    writeFileSync(at(file), "x");
  symlinkSync(at("secret"), at("data/2026-3/smith/link-out"));
  symlinkSync(at("secret/secret.bin"), at("data/2026-3/smith/file-out.bin"));
  symlinkSync(at("qmaps"), at("data/2026-3/smith/link-in"));
  symlinkSync(at("data/2026-3/smith/loop"), at("data/2026-3/smith/loop"));
  const folders = { read: [at("data/{cycle}/{name}"), at("qmaps"), at("nowhere")], write: [at("data/{cycle}/{name}")] };
  const dirs = [await temporaryDir(), await temporaryDir()];
  central = await start(dirs[0]!.dir, { data: folders });
  bare = await start(dirs[1]!.dir);
  clean = [() => central.stop(), () => bare.stop(), ...dirs.map(({ remove }) => remove)];
});
afterAll(async () => {
  for (const one of clean ?? []) await one();
  rmSync(top, { recursive: true, force: true });
});

async function ask(query: Record<string, string> | string, { token = central.operatorToken, of = central } = {}) {
  const text = typeof query === "string" ? query : new URLSearchParams(query).toString();
  const answer = await fetch(`${of.url.replace("ws", "http")}/v1/folders?${text}`, {
    headers: token === "" ? {} : { authorization: `Bearer ${token}` },
  });
  const body = await answer.text();
  return { status: answer.status, body, page: JSON.parse(body) as FolderPage & { error?: { code: string; message: string } } };
}
const smith = { experiment: "2026-3/smith" };
const names = ({ entries }: FolderPage): string[] => entries.map(({ name }) => name);

it("the folders of the settings that are there, for the experiment", async () => {
  const { page } = await ask(smith);
  expect(page).toMatchObject({ folder: null, parent: null, next: null });
  expect(page.entries.map(({ path, kind }) => [path, kind])).toEqual([
    [at("data/2026-3/smith"), "folder"],
    [at("qmaps"), "folder"],
  ]);
  expect(names((await ask({ experiment: "2026-3/nobody" })).page)).toEqual([at("qmaps")]);
});

it("all files of a large folder come a page at a time, in order, with size and time; hidden ones and links that lead out do not", async () => {
  const seen: string[] = [];
  let after: string | null = "";
  const sizes: number[] = [];
  while (after !== null) {
    const { page }: { page: FolderPage } = await ask({
      ...smith,
      folder: at("data/2026-3/smith"),
      limit: "100",
      ...(after === "" ? {} : { after }),
    });
    expect(page.entries.length).toBeLessThanOrEqual(100);
    seen.push(...names(page));
    sizes.push(page.entries.length);
    after = page.next;
    for (const { name, bytes, modifiedAt } of page.entries)
      if (name.startsWith("run_")) expect([bytes, Date.parse(modifiedAt) > 1e12]).toEqual([Number(name.slice(4, 8)), true]);
  }
  expect(seen).toEqual(["deep", "link-in", ...Array.from({ length: FILES }, (_, file) => `run_${String(file).padStart(4, "0")}.bin`)]);
  expect(sizes.length).toBe(5);
  const some = await ask({ ...smith, folder: at("data/2026-3/smith"), like: "_001" });
  expect(names(some.page)).toEqual(Array.from({ length: 10 }, (_, file) => `run_001${file}.bin`));
});

it("folders below, up to the top, and links that stay inside", async () => {
  const { page } = await ask({ ...smith, folder: at("data/2026-3/smith/deep/er") });
  expect([names(page), page.parent]).toEqual([["a.imm"], at("data/2026-3/smith/deep")]);
  expect((await ask({ ...smith, folder: at("data/2026-3/smith") })).page.parent).toBeNull();
  expect(names((await ask({ ...smith, folder: at("data/2026-3/smith/link-in") })).page)).toEqual(["q.hdf"]);
  expect((await ask({ ...smith, folder: at("data/2026-3/smith/none") })).status).toBe(404);
});

it("what leads to something hidden is as hidden, and a time beyond all calendars breaks no list", async () => {
  const folder = at("data/2026-3/smith/deep/er");
  symlinkSync(at("data/2026-3/smith/.cache"), join(folder, "open"));
  symlinkSync(at("data/2026-3/smith/.hidden.bin"), join(folder, "plain.bin"));
  try {
    expect(names((await ask({ ...smith, folder })).page)).toEqual(["a.imm"]);
    expect((await ask({ ...smith, folder: join(folder, "open") })).status).toBe(409);
  } finally {
    for (const name of ["open", "plain.bin"]) rmSync(join(folder, name));
  }
  expect([timeOf({ mtimeMs: 9e18 }), timeOf({ mtimeMs: 0 })]).toEqual(["1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z"]);
});

it("whoever cannot submit there sees nothing", async () => {
  const boss = await openClient(central);
  const tokenOf = async (role: "visitor" | "operator", experiment: string) => {
    const token = makeToken(role, randomBytes);
    await boss.remote.addToken({ hash: tokenHash(token), role, person: "p", experiment, validS: null });
    return token;
  };
  const [visitor, jones] = [await tokenOf("visitor", "2026-3/smith"), await tokenOf("operator", "2026-3/jones")];
  boss.close();
  for (const token of [visitor, central.siteToken, `${jones}x`]) expect((await ask(smith, { token })).status).toBe(403);
  expect((await ask(smith, { token: "" })).status).toBe(401);
  expect((await ask(smith, { token: jones })).status).toBe(403);
  const own = await ask({}, { token: jones });
  expect(names(own.page)).toEqual([at("data/2026-3/jones"), at("qmaps")]);
  expect((await ask({ folder: at("data/2026-3/smith") }, { token: jones })).status).toBe(409);
  const none = await ask({}, { token: bare.operatorToken, of: bare });
  expect([none.status, none.page.error?.code]).toEqual([409, "REFUSED"]);
});

it("what lies outside is refused in the same words, whether it is there or not", async () => {
  const words = async (folder: string) => {
    const { status, page } = await ask({ ...smith, folder });
    return [status, page.error?.message.replaceAll(folder, "IT")];
  };
  for (const [there, missing] of [
    [at("secret"), at("nothing")],
    [at("data/2026-3/jones"), at("data/2026-3/none")],
    [at("data/2026-3/smithers"), at("data/2026-3/smithereens")],
    ["/etc", "/etc-not"],
  ] as const) {
    expect(await words(there)).toEqual(await words(missing));
    expect((await words(there))[0]).toBe(409);
  }
  expect((await words(at("data/2026-3/smith/.cache")))[0]).toBe(409);
  expect((await words(at("data/2026-3/smith/link-out")))[0]).toBe(409);
});

it("many made-up questions learn no name from elsewhere, and none is a defect", async () => {
  const random = seeded(11);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const parts = [
    "..",
    ".",
    "",
    "%2e%2e",
    "..%2f",
    "\0",
    "~",
    "*",
    "smith",
    "jones",
    "smithers",
    "link-out",
    "link-in",
    "loop",
    ".cache",
    "deep",
    "er",
    "é",
    "a".repeat(300),
  ];
  const starts = [
    top,
    at("data"),
    at("data/2026-3"),
    at("data/2026-3/smith"),
    at("qmaps"),
    at("secret"),
    "",
    "/proc/self/root",
    "/proc/self/cwd",
    "//",
    "data",
  ];
  const experiments = ["2026-3/smith", "2026-3/../smith", "../..", "2026-3/jones/..", "..", "a/b", ""];
  const statuses = new Set<number>();
  for (let round = 0; round < 1_200; round += 1) {
    const folder = [pick(starts), ...Array.from({ length: Math.floor(random() * 5) }, () => pick(parts))].join("/");
    const query = {
      experiment: random() < 0.7 ? "2026-3/smith" : pick(experiments),
      ...(random() < 0.95 ? { folder } : {}),
      ...(random() < 0.2 ? { after: pick(parts) } : {}),
      ...(random() < 0.2 ? { like: pick([...parts, "secret"]) } : {}),
      ...(random() < 0.1 ? { limit: pick(["0", "-1", "1e9", "x", "7"]) } : {}),
      ...(random() < 0.03 ? { other: "1" } : {}),
    };
    const { status, body, page } = await ask(query);
    statuses.add(status);
    expect([200, 400, 404, 409, 500]).toContain(status);
    // IO_FAILED, as of a name that is too long for the file system; never INTERNAL.
    if (status === 500) expect(page.error?.code).toBe("IO_FAILED");
    if (status !== 200) continue;
    expect(body).not.toContain("secret.bin");
    expect(body).not.toMatch(/"name":"\./);
    const allowed = [at("data", query.experiment), at("qmaps")];
    for (const { path } of page.entries) expect(allowed.some((root) => path === root || path.startsWith(`${root}/`))).toBe(true);
  }
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 404, 409]));
}, 60_000);
