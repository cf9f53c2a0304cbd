/** The files of the browser's page: what src/web became, the vocabulary that it shares, and the libraries that it imports. Read once, when central starts. */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { PageFile, PageFiles } from "../actors/web-page.js";
import { fromSystem } from "../files/system-error.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

/** What page modules import, to files of packages. */
const IMPORTS: Readonly<Record<string, string>> = {
  preact: "preact/dist/preact.mjs",
  "preact/hooks": "preact/hooks/dist/hooks.mjs",
  "preact/jsx-runtime": "preact/jsx-runtime/dist/jsxRuntime.mjs",
  "@preact/signals": "@preact/signals/dist/signals.mjs",
  "@preact/signals-core": "@preact/signals-core/dist/signals-core.mjs",
  uplot: "uplot/dist/uPlot.esm.js",
  h5wasm: "h5wasm/dist/esm/hdf5_hl.js",
};
/** What those import by themselves, and styles. */
const BESIDE = ["h5wasm/dist/esm/hdf5_util.js", "h5wasm/dist/esm/file_handlers.js", "uplot/dist/uPlot.min.css"];

function readPageFile(path: string): PageFile {
  return { type: TYPES[extname(path)]!, body: readFileSync(path) };
}

/** @throws NOT_FOUND this program was not built whole */
export function readPageFiles(): PageFiles {
  const files = new Map<string, PageFile>();
  try {
    for (const folder of ["web", "core"]) {
      const top = join(ROOT, "dist", folder);
      for (const entry of readdirSync(top, { withFileTypes: true, recursive: true })) {
        if (!entry.isFile() || TYPES[extname(entry.name)] === undefined) continue;
        const path = join(entry.parentPath, entry.name);
        files.set(join(folder, relative(top, path)), readPageFile(path));
      }
    }
    for (const file of [...Object.values(IMPORTS), ...BESIDE]) files.set(`lib/${file}`, readPageFile(join(ROOT, "node_modules", file)));
  } catch (error) {
    throw fromSystem(error);
  }
  const imports = Object.fromEntries(Object.entries(IMPORTS).map(([name, file]) => [name, `lib/${file}`]));
  return { files, imports };
}
