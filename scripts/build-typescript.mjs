/**
 * Compiles `src` to `dist`, and the browser's page (src/web) with its style beside it. `npm run build:ts`, and a step of setup.mjs.
 * Exit codes: 0 built, else the compiler's.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
for (const project of ["tsconfig.json", "src/web/tsconfig.json"]) {
  const done = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", project], { cwd: ROOT, stdio: "inherit" });
  if (done.status !== 0) process.exit(done.status ?? 1);
}
mkdirSync(join(ROOT, "dist/web"), { recursive: true });
copyFileSync(join(ROOT, "src/web/style.css"), join(ROOT, "dist/web/style.css"));
chmodSync(join(ROOT, "dist/cli/main.js"), 0o755);
