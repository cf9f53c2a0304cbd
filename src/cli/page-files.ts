/** The files of the browser's page: the modules that src/web became, what they import of ours, and the libraries. Read once, when central starts. */
import { readFileSync } from "node:fs";
import { extname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import type { PageFile, PageFiles } from "../actors/web-page.js";
import { fromSystem } from "../files/system-error.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

/** Where the page's modules begin. */
const ENTRIES = ["web/main.js"];
const STYLES = ["web/style.css"];
/** What page modules import by a name, to files of packages. */
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
/** As tsc writes the import of a file of ours: `from "./a.js"`, `import("./a.js")`, `new URL("./a.js", import.meta.url)`. */
const RELATIVE = /(?:\bfrom |\bimport\(|\bnew URL\()"(\.[^"]+\.js)"/g;

function readPageFile(path: string): PageFile {
  return { type: TYPES[extname(path)]!, body: readFileSync(path) };
}

/** @throws NOT_FOUND this program was not built whole */
export function readPageFiles(): PageFiles {
  const files = new Map<string, PageFile>();
  try {
    const modules = new Set(ENTRIES);
    for (const path of modules) {
      const file = readPageFile(join(ROOT, "dist", path));
      files.set(path, file);
      for (const [, name] of file.body.toString().matchAll(RELATIVE)) modules.add(posix.join(posix.dirname(path), name!));
    }
    for (const path of STYLES) files.set(path, readPageFile(join(ROOT, "dist", path)));
    for (const file of [...Object.values(IMPORTS), ...BESIDE]) files.set(`lib/${file}`, readPageFile(join(ROOT, "node_modules", file)));
  } catch (error) {
    throw fromSystem(error);
  }
  const imports = Object.fromEntries(Object.entries(IMPORTS).map(([name, file]) => [name, `lib/${file}`]));
  return { files, imports };
}
