/** Several files in one body: whole however the bytes are cut, and nothing that was not asked for. */
import { describe, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { fileHead, fileRefusal, readFileFrames } from "../../src/wire/file-frames.js";

const FILES = [Buffer.from("first\nfile"), Buffer.alloc(0), Buffer.from('{"bytes":3}\nabc'), Buffer.alloc(1_000, 7)];
const body = (files: readonly Buffer[] = FILES) => Buffer.concat(files.flatMap((file) => [fileHead(file.length), file]));

async function read(bytes: Buffer, cut: number, sizes = FILES.map(({ length }) => length)): Promise<Buffer[]> {
  const files: Buffer[] = [];
  const pieces: Buffer[] = [];
  const frames = readFileFrames(sizes, async (at, piece, last) => {
    expect(at).toBe(files.length);
    pieces.push(Buffer.from(piece));
    if (last) files.push(Buffer.concat(pieces.splice(0)));
  });
  for (let at = 0; at < bytes.length; at += cut) await frames.push(bytes.subarray(at, at + cut));
  frames.end();
  return files;
}

describe("files in one body", () => {
  it.each([1, 2, 3, 7, 16, 100, 10_000])("are the same when it comes in pieces of %i bytes", async (cut) => {
    expect(await read(body(), cut)).toEqual(FILES);
  });

  it("tell which one cannot be sent, in the sender's words, after those before it", async () => {
    const refusal = fileRefusal(new XpcsError("IO_FAILED", "/data/b has changed"));
    const seen: number[] = [];
    const frames = readFileFrames([1, 1, 1], async (at) => void seen.push(at));
    await expect(frames.push(Buffer.concat([fileHead(1), Buffer.from("a"), refusal]))).rejects.toMatchObject({
      code: "IO_FAILED",
      message: "/data/b has changed",
    });
    expect(seen).toEqual([0]);
  });

  it.each([
    ["cut short anywhere", body().subarray(0, body().length - 1), undefined],
    ["of none", Buffer.alloc(0), undefined],
    ["of another length", body([Buffer.from("ab")]), [3]],
    ["of more than was asked for", body([Buffer.from("a"), Buffer.from("b")]), [1]],
    ["without a head", Buffer.alloc(100_000, 65), [1]],
    ["with a head of nonsense", Buffer.from("null\n"), [1]],
    ["with a length that is none", Buffer.from('{"bytes":"1"}\n'), [1]],
    ["with an error that is none", Buffer.from('{"error":{"code":"WHAT"}}\n'), [1]],
  ])("are refused %s", async (_, bytes, sizes) => {
    for (const cut of [1, 100_000]) await expect(read(bytes, cut, sizes)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});
