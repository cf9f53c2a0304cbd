/** The failure drill of docs/operations.md, word by word: its blocks in one bash that stops at the first command that fails. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { freePort } from "./chaos/free-port.js";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const STANDS_STILL_MS = 350_000;

it("the failure drill goes as it is written", { timeout: 400_000 }, async () => {
  const page = readFileSync(join(ROOT, "docs/operations.md"), "utf8");
  const drill = page.slice(page.indexOf("## A failure drill"));
  const [setUp, ...blocks] = [...drill.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!);
  // `npm run test:long` has set up already.
  expect(setUp).toBe('npm run setup\nexport PATH="$PWD/node_modules/.bin:$PATH"\n');
  const script = ["set -e", "export PATH=$PWD/node_modules/.bin:$PATH", ...blocks, "echo the end"].join("\n");
  const { XPCS_CENTRAL: _central, XPCS_TOKEN: _token, ...clean } = process.env;
  // Its own process group, so that nothing of a drill that failed is left.
  const child = spawn("bash", ["-v", "-c", script], {
    cwd: ROOT,
    detached: true,
    env: { ...clean, DRILL_PORT: String(await freePort()) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => {
      said += text.toString();
    });
  }
  try {
    const code = await Promise.race([
      new Promise((resolve) => child.once("exit", resolve)),
      new Promise((resolve) => setTimeout(() => resolve("it stands still"), STANDS_STILL_MS)),
    ]);
    expect(code, said).toBe(0);
    for (const proof of [
      "lost at a",
      "NATIVE_CRASHED",
      "backed up and verified",
      "imported",
      "is revoked",
      "the ledger is whole",
      "the end",
    ])
      expect(said).toContain(proof);
    // One name for each result of the part in which a site was cut off, and nothing beside it.
    expect(said).toMatch(/cut-1\.txt\ncut-2\.txt\ncut-3\.txt\n/);
    expect(said).not.toMatch(/\.partial|\.published/);
  } finally {
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch {
      // Nothing is left.
    }
  }
});
