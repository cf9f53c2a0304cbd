/** examples/bluesky_submit.py: documents of runs go in, jobs come out, once each. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { connect } from "../../src/index.js";
import { start, type TestCentral, temporaryDir, withCentral } from "../actors/support.js";
import { CLIENT, PYTHON, SKIP, startPython } from "./python-process.js";

const RUNS = fileURLToPath(new URL("bluesky_runs.py", import.meta.url));
const EXAMPLE = fileURLToPath(new URL("../../examples/bluesky_submit.py", import.meta.url));

let central: TestCentral;
withCentral((made) => {
  central = made;
});
const args = ({ url, operatorToken }: TestCentral = central) => [JSON.stringify({ url, token: operatorToken })];

/** Runs the example over the lines of a recording. */
async function replay(lines: string, words: readonly string[]): Promise<{ code: number | null; out: string }> {
  const env = {
    ...process.env,
    PYTHONPATH: `${CLIENT}/src`,
    PYTHONDONTWRITEBYTECODE: "1",
    XPCS_CENTRAL: central.url,
    XPCS_TOKEN: central.operatorToken,
  };
  const child = spawn(PYTHON ?? "", [EXAMPLE, ...words], { env });
  let out = "";
  child.stdout.on("data", (text) => {
    out += text;
  });
  child.stdin.end(lines);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out };
}

describe.skipIf(SKIP !== null)("a callback for Bluesky's documents", () => {
  it("submits what ended well, once, with what the run says", async () => {
    const run = startPython(RUNS, ["runs", ...args()]);
    expect(await run.next()).toBe(true);
    expect(await run.next()).toBe(true);
    const tags = { scan: "53", plan: "count" };
    const more = { run: true, experiment: "2026-3/smith" };
    expect(await run.next()).toEqual({ inputs: ["/data/a 1.h5", "/data/qmap.hdf"], tags: { ...tags, sample: "silica1" }, ...more });
    expect(await run.next()).toEqual({ inputs: ["/data/2026/b.h5", "/data/other.hdf"], tags: { ...tags, sample: "gel" }, ...more });
    expect(await run.next()).toEqual({ inputs: ["/data/2026/c.h5", "/data/other.hdf"], tags: { ...tags, sample: "gel" }, ...more });
    expect(await run.next()).toEqual({ inputs: ["/data/d.imm", "/data/qmap.hdf"], tags, ...more });
    expect(await run.next()).toBe(4);
    expect(await run.next()).toEqual([true, ["INVALID_ARGUMENT"]]);
    await run.end();
  });

  it("does not hold up the run engine while central is away", { timeout: 60_000 }, async () => {
    const { dir, remove } = await temporaryDir();
    let other = await start(dir);
    try {
      const run = startPython(RUNS, ["away", ...args(other)]);
      await run.next();
      const { port } = new URL(other.url);
      await other.stop();
      run.go();
      expect(await run.next()).toEqual({ "at once": true, drained: false });
      other = await start(dir, { port: Number(port) });
      expect(await run.next()).toBe(true);
      await run.end();
      const client = await connect(other.url, { token: other.operatorToken });
      expect((await client.jobs()).jobs.map(({ inputs }) => inputs[0])).toEqual(["/data/g.h5"]);
      client.close();
    } finally {
      await other.stop();
      await remove();
    }
  });

  it("replays a recording, and again without a second job", async () => {
    const recording = startPython(RUNS, ["recorded", ...args()]);
    const lines: string[] = [];
    for (let line = 0; line < 6; line += 1) lines.push(JSON.stringify(await recording.next()));
    const text = `${lines.join("\n")}\n`;
    const first = await replay(text, ["/data/qmap.hdf", "/results"]);
    expect(first).toMatchObject({ code: 0, out: expect.stringMatching(/^\S{36} \S+\n$/) });
    expect(await replay(text, ["/data/qmap.hdf", "/results"])).toEqual(first);
    expect((await replay("", ["/data/qmap.hdf"])).code).toBe(1);
  });
});
