/** What is brought from far away: each file whole, what can be had without what cannot. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { bringFiles } from "../../src/sites/batch-mirror.js";
import { batchFiles } from "../../src/sites/batch-script.js";
import type { Machine } from "../../src/sites/schedulers/define.js";

const THERE = "/far/job";
const far = batchFiles(THERE);
const away = new XpcsError("UNAVAILABLE", "away");

async function brought(files: Readonly<Record<string, string | Error>>, check: (here: string, failure: unknown) => void): Promise<void> {
  const here = mkdtempSync(join(tmpdir(), "xpcs-mirror-"));
  const get = async (path: string): Promise<string | null> => {
    const found = files[path] ?? null;
    if (found instanceof Error) throw found;
    return found;
  };
  const failure = await bringFiles({ get }, {} as Machine, THERE, here).then(
    () => null,
    (error: unknown) => error,
  );
  check(here, failure);
  rmSync(here, { recursive: true });
}

it("brings what there is, and makes nothing of what there is not", () =>
  brought({ [far.exitCode]: "3\n", [far.claimedId]: "77\n" }, (here, failure) => {
    expect(failure).toBeNull();
    expect(readFileSync(batchFiles(here).exitCode, "utf8")).toBe("3\n");
    expect(readFileSync(batchFiles(here).claimedId, "utf8")).toBe("77\n");
    expect(existsSync(batchFiles(here).output)).toBe(false);
  }));

it("does without what a job has printed when that is too much", () =>
  brought({ [far.exitCode]: "0\n", [far.output]: away }, (here, failure) => {
    expect(failure).toBeNull();
    expect(readFileSync(batchFiles(here).exitCode, "utf8")).toBe("0\n");
  }));

it("tells no end when it could not ask for all that explains it", () =>
  brought({ [far.exitCode]: "143\n", [far.signaled]: away }, (here, failure) => {
    expect(failure).toBe(away);
    expect(existsSync(batchFiles(here).exitCode)).toBe(false);
  }));
