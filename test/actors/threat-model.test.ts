/** docs/threat-model.md against the program: the rights of each role, and the bounds that it names. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { withinRights } from "../../src/actors/access-rights.js";
import type { Principal } from "../../src/core/access.js";
import { LIMITS } from "../../src/core/limits.js";
import { CLIENT_API_METHODS, type ClientApi } from "../../src/core/protocols.js";
import { start, temporaryDir } from "./support.js";

const page = await readFile(new URL("../../docs/threat-model.md", import.meta.url), "utf8");
const somebody = { token: "t", person: "p", site: null };
const HOLDERS: readonly Principal[] = [
  { ...somebody, role: "operator", experiment: null },
  { ...somebody, role: "operator", experiment: "2026-3/smith" },
  { ...somebody, role: "visitor", experiment: null },
  { ...somebody, role: "site", experiment: null },
];
const methods = Object.keys(CLIENT_API_METHODS) as (keyof ClientApi)[];
const open = Object.fromEntries(methods.map((method) => [method, async () => "done"])) as unknown as ClientApi;

describe("docs/threat-model.md", () => {
  it("says what each role may call, of every method", async () => {
    const rows = [...page.matchAll(/^\| \w+: (.*?) \| (.*) \|$/gm)].map(([, names, cells]) => ({
      names: [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name as keyof ClientApi),
      says: cells!.split(" | "),
    }));
    expect(rows.flatMap(({ names }) => names).sort()).toEqual([...methods].sort());
    for (const { names, says } of rows) {
      for (const name of names) {
        const does = HOLDERS.map((holder) =>
          (withinRights(open, holder)[name] as (request: unknown) => Promise<unknown>)({}).then(
            () => "yes",
            () => "no",
          ),
        );
        expect({ name, says }).toEqual({ name, says: await Promise.all(does) });
      }
    }
  });

  it("has the data folder for its owner alone", async () => {
    const { dir, remove } = await temporaryDir();
    const data = join(dir, "data");
    const central = await start(data, { tls: "made" });
    await central.stop();
    const modeOf = async (...names: string[]) => ((await stat(join(data, ...names))).mode & 0o777).toString(8);
    expect([await modeOf(), await modeOf("tokens.json"), await modeOf("tls")]).toEqual(["700", "600", "700"]);
    await remove();
  });

  it("has the bounds as they are", () => {
    const bounds = [...page.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(([, name, value]) => [name!, Number(value)] as const);
    expect(bounds.length).toBeGreaterThan(10);
    expect(bounds).toEqual(bounds.map(([name]) => [name, LIMITS[name as keyof typeof LIMITS]]));
  });
});
