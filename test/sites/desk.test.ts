/** Bytes of a connection become files in a thread: whole and digested, or not at all. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { adopt, type Desk, withDesk } from "../../src/sites/staging/desk.js";
import { lookAt } from "../../src/sites/staging/identity.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-desk-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SLAB_BYTES = 1024 * 1024;
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (length: number, seed: number): Buffer =>
  Buffer.alloc(length, Buffer.from(Array.from({ length: 253 }, (_, at) => (at * 31 + seed * 7) % 253)));

/** In pieces that do not fit the slabs. */
async function give(desk: Desk, path: string, bytes: Buffer, pieceBytes = 65_521) {
  desk.begin(path);
  for (let at = 0; at < bytes.length; at += pieceBytes) await desk.take(bytes.subarray(at, at + pieceBytes));
  return desk.finish();
}

describe("a desk", () => {
  it("makes files of any length, read-only, with the digest of their bytes, while others make theirs", async () => {
    const lengths = [0, 1, SLAB_BYTES - 1, SLAB_BYTES, SLAB_BYTES + 1, 2 * SLAB_BYTES, 3 * SLAB_BYTES + 17, 0, 5];
    const one = (number: number) =>
      withDesk(async (desk) => {
        const ends: ReturnType<Desk["finish"]>[] = [];
        for (const [at, length] of lengths.entries()) {
          // Not waited for: the next one's bytes come meanwhile.
          ends.push(give(desk, join(folder, `${number}-${at}`), bytesOf(length, number)));
          await ends.at(-1);
        }
        return Promise.all(ends);
      });
    const all = await Promise.all([0, 1, 2, 3].map(one));
    for (const [number, files] of all.entries())
      for (const [at, { sha256: found, identity }] of files.entries()) {
        const path = join(folder, `${number}-${at}`);
        const bytes = bytesOf(lengths[at]!, number);
        expect(readFileSync(path).equals(bytes)).toBe(true);
        expect([found, identity]).toEqual([sha256(bytes), (await lookAt(path)).identity]);
        expect(statSync(path).mode & 0o777).toBe(0o400);
      }
  });

  it("takes the next file's bytes before the last one is there", async () => {
    await withDesk(async (desk) => {
      const contents = Array.from({ length: 40 }, (_, at) => bytesOf(10_000 + at, at));
      const ends = [];
      for (const [at, bytes] of contents.entries()) {
        desk.begin(join(folder, `f${at}`));
        await desk.take(bytes);
        ends.push(desk.finish());
      }
      expect((await Promise.all(ends)).map((each) => each.sha256)).toEqual(contents.map(sha256));
      await desk.settle();
    });
  });

  it("never says of a file that it is there when its first bytes could not be written, and goes on with others", async () => {
    await withDesk(async (desk) => {
      const large = bytesOf(3 * SLAB_BYTES, 1);
      const path = join(folder, "later", "file");
      const end = give(desk, path, large).catch((error: unknown) => error);
      expect(await end).toMatchObject({ code: "ENOENT" });
      await expect(desk.settle()).rejects.toMatchObject({ code: "ENOENT" });
      expect(() => desk.take(Buffer.from("more"))).toThrow(expect.objectContaining({ code: "ENOENT" }));
      await desk.leave();
      mkdirSync(join(folder, "later"));
      expect((await give(desk, path, large)).sha256).toBe(sha256(large));
    });
  });

  it("does not say so either when the folder comes to be between its bytes", async () => {
    await withDesk(async (desk) => {
      const path = join(folder, "later", "file");
      desk.begin(path);
      await desk.take(bytesOf(SLAB_BYTES, 1));
      await expect(
        (async () => {
          // The second slab hands the first one over, which fails.
          await desk.take(bytesOf(10, 1));
          await desk.settle();
        })(),
      ).rejects.toMatchObject({ code: "ENOENT" });
      mkdirSync(join(folder, "later"));
      await expect(desk.finish()).rejects.toMatchObject({ code: "ENOENT" });
      expect(existsSync(path)).toBe(false);
    });
  });

  it("that is left gives up its file, and makes it anew", async () => {
    await withDesk(async (desk) => {
      const path = join(folder, "file");
      desk.begin(path);
      await desk.take(bytesOf(2 * SLAB_BYTES, 9));
      await desk.leave();
      const bytes = bytesOf(100, 3);
      expect((await give(desk, path, bytes)).sha256).toBe(sha256(bytes));
      expect(readFileSync(path).equals(bytes)).toBe(true);
    });
  });

  it("makes a file anew that it has left, also where its owner may no longer write to it", () => {
    // Root may do anything.
    const script = `
      process.umask(0o022);
      if (process.getuid() === 0) process.setuid(65534);
      const { withDesk } = await import(${JSON.stringify(new URL("../../dist/sites/staging/desk.js", import.meta.url).href)});
      await withDesk(async (desk) => {
        for (const at of [0, 1]) {
          desk.begin(${JSON.stringify(join(folder, "file"))});
          await desk.take(Buffer.alloc(2_000_000, at));
          await desk.settle();
          if (at === 0) await desk.leave();
        }
        console.log((await desk.finish()).sha256);
      });`;
    chmodSync(folder, 0o777);
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", timeout: 20_000 });
    expect(out.trim()).toBe(sha256(Buffer.alloc(2_000_000, 1)));
  });

  it("adopts a file that lies there: moved, read-only, with its digest", async () => {
    const bytes = bytesOf(2 * SLAB_BYTES + 3, 8);
    writeFileSync(join(folder, "incoming"), bytes);
    const to = join(folder, "adopted");
    const { sha256: found, identity } = await adopt(join(folder, "incoming"), to);
    expect([found, identity, statSync(to).mode & 0o777]).toEqual([sha256(bytes), (await lookAt(to)).identity, 0o400]);
    expect(existsSync(join(folder, "incoming"))).toBe(false);
    await expect(adopt(join(folder, "incoming"), to)).rejects.toMatchObject({ code: "ENOENT" });
    expect(readFileSync(to).equals(bytes)).toBe(true);
  });

  it("fails when its thread ends, and has another for the next file", async () => {
    const post = Worker.prototype.postMessage;
    await withDesk(async (desk) => {
      Worker.prototype.postMessage = function (this: Worker) {
        Worker.prototype.postMessage = post;
        void this.terminate();
      };
      const path = join(folder, "file");
      const large = bytesOf(2 * SLAB_BYTES + 1, 5);
      await expect(give(desk, path, large)).rejects.toMatchObject({ code: "INTERNAL", message: expect.stringContaining("ended") });
      await desk.leave();
      expect((await give(desk, path, large)).sha256).toBe(sha256(large));
    }).finally(() => {
      Worker.prototype.postMessage = post;
    });
  });

  it("keeps no process that has nothing else to do, and is waited for by one whose file is not there yet", () => {
    const script = `
      const { withDesk } = await import(${JSON.stringify(new URL("../../dist/sites/staging/desk.js", import.meta.url).href)});
      withDesk(async (desk) => {
        desk.begin(${JSON.stringify(join(folder, "file"))});
        await desk.take(Buffer.alloc(3_000_000));
        console.log((await desk.finish()).sha256);
      });`;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", timeout: 20_000 });
    expect(out.trim()).toBe(sha256(Buffer.alloc(3_000_000)));
  });
});
