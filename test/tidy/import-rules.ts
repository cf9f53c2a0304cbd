/** House rules about who may import whom, and where each third-party package may appear. */
import { builtinModules } from "node:module";
import { type Finding, oneFile, type Rule } from "./rule.js";
import { importsOf, type SourceTree } from "./source-tree.js";

const MECHANISMS = ["ledger", "router", "wire", "stream", "files", "xpcs"] as const;
const ROOTS = ["cli", "demo", "index"] as const;

/** Layer to the layers below that it may import, itself included. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  ledger: ["ledger", "core"],
  router: ["router", "core"],
  wire: ["wire", "core"],
  stream: ["stream", "core"],
  files: ["files", "core"],
  xpcs: ["xpcs", "core"],
  actors: ["actors", ...MECHANISMS, "core"],
  sites: ["sites", ...MECHANISMS, "core"],
  // What-if: the actors' rules and choices on virtual time.
  replay: ["replay", "actors", "ledger", "router", "core"],
  // The SDK stands on the mechanisms; the commands and the demo may also use the SDK.
  index: ["index", "actors", "sites", ...MECHANISMS, "core"],
  cli: [...ROOTS, "replay", "actors", "sites", ...MECHANISMS, "core"],
  demo: [...ROOTS, "actors", "sites", ...MECHANISMS, "core"],
  // The page runs in a browser, and asks central by HTTP; of xpcs it has what reads results and fits curves.
  web: ["web", "xpcs", "core"],
};

/** Package to the files that may import it, and why only they. */
const PACKAGES: Readonly<Record<string, { readonly where: RegExp; readonly why: string }>> = {
  comlink: { where: /^src\/wire\//, why: "its defaults are unsafe; src/wire closes them" },
  ws: { where: /^src\/wire\//, why: "one place owns sockets" },
  zeromq: { where: /^src\/wire\/zmq-pull\.ts$/, why: "one place owns sockets, and loads it only when one is wanted" },
  cbor2: { where: /^src\/stream\/dectris-v2\.ts$/, why: "one protocol needs it" },
  msgpackr: { where: /^src\/wire\//, why: "its default options corrupt typed arrays; one codec is configured" },
  "https-proxy-agent": { where: /^src\/wire\/proxy\.ts$/, why: "one place goes through proxies" },
  "proxy-from-env": { where: /^src\/wire\/proxy\.ts$/, why: "it reads the environment, which the caller must have asked for" },
  aws4fetch: { where: /^src\/sites\/staging\/s3-client\.ts$/, why: "one place signs requests" },
  oauth4webapi: { where: /^src\/sites\/api-credentials\.ts$/, why: "tokens of facilities are got in one place" },
  "@globus/sdk": { where: /^src\/sites\/staging\/globus-client\.ts$/, why: "one place asks Globus" },
  hono: { where: /^src\/actors\/http-api\.ts$/, why: "HTTP is served in one place" },
  "@hono/node-server": { where: /^src\/actors\/http-api\.ts$/, why: "HTTP is served in one place" },
  "prom-client": { where: /^src\/actors\/metrics\.ts$/, why: "elsewhere, what is measured is told to a function" },
  "@peculiar/x509": { where: /^src\/actors\/certificate\.ts$/, why: "certificates are made in one place" },
  level: { where: /^src\/ledger\/[^/]*store[^/]*\.ts$/, why: "one file owns the database and its synced commits" },
  commander: { where: /^src\/cli\//, why: "the command line is one caller among others" },
  pino: { where: /^src\/cli\/pino-logger\.ts$/, why: "below, a Logger is injected" },
  yaml: { where: /^src\/cli\/(config-file|settings-file|yaml-text)\.ts$/, why: "settings files are a matter of the command line" },
  "ical.js": { where: /^src\/actors\/feeds\/ical\.ts$/, why: "calendars are read in one place, for a limited time" },
  zod: { where: /^src\/(?!core\/)/, why: "core has no third-party imports" },
  preact: { where: /^src\/web\//, why: "only the page is drawn by it" },
  "@preact/signals": { where: /^src\/web\//, why: "only the page is drawn by it" },
  uplot: { where: /^src\/web\//, why: "curves of the page; files are drawn by vega" },
  vega: { where: /^src\/xpcs\/plot(-map|-series)?\.ts$/, why: "plots are drawn in three files, of curves, maps and series" },
  h5wasm: {
    where: /^src\/(demo\/|web\/|xpcs\/(result|leverage|c2)-file\.ts$)/,
    why: "what runs jobs leaves HDF5 to the native core; results are shown through another library",
  },
};

/** Layers that do no I/O at all. */
const PURE_LAYERS = new Set(["core", "router", "stream"]);

function layerOf(path: string): string | null {
  return /^src\/(?:([^/]+)\/|(index)\.ts$)/.exec(path)?.slice(1).find(Boolean) ?? null;
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || builtinModules.includes(specifier);
}

function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function eachImport(
  tree: SourceTree,
  judge: (layer: string, path: string, found: ReturnType<typeof importsOf>[number]) => string | null,
): Finding[] {
  return [...tree].flatMap(([path, text]) => {
    const layer = layerOf(path);
    if (layer === null || !/\.tsx?$/.test(path)) return [];
    return importsOf(path, text).flatMap((found) => {
      const what = judge(layer, path, found);
      return what === null ? [] : [{ path, line: found.line, what }];
    });
  });
}

export const IMPORT_RULES: readonly Rule[] = [
  {
    name: "imports point down",
    reason: "a mechanism that knows nothing above it can be tested, replaced and read alone",
    find: (tree) =>
      eachImport(tree, (layer, _path, { target }) => {
        const below = target === null ? null : layerOf(target);
        if (below === null) return null;
        const allowed = MAY_IMPORT[layer];
        if (allowed === undefined) return `src/${layer} is not a layer; add it to MAY_IMPORT with what it may import`;
        return allowed.includes(below) ? null : `${layer} must not import ${below}`;
      }),
    broken: oneFile("src/actors/a.ts", `import { b } from "../sites/b.js";`),
  },
  {
    name: "packages at home",
    reason: "a dependency that one folder owns can be replaced",
    find: (tree) =>
      eachImport(tree, (_layer, path, { specifier }) => {
        if (specifier.startsWith(".") || isBuiltin(specifier)) return null;
        const home = PACKAGES[packageName(specifier)];
        if (home === undefined) return `"${specifier}" has no home: add it to PACKAGES with a reason, and a page in docs/decisions`;
        return home.where.test(path) ? null : `"${specifier}" does not belong here: ${home.why}`;
      }),
    broken: oneFile("src/actors/a.ts", `import { WebSocket } from "ws";`),
  },
  {
    name: "pure layers do no I/O",
    reason: "what touches nothing can be simulated and replayed",
    find: (tree) =>
      eachImport(tree, (layer, _path, { specifier }) =>
        PURE_LAYERS.has(layer) && isBuiltin(specifier) ? `${layer} must not import ${specifier}` : null,
      ),
    broken: oneFile("src/core/a.ts", `import { readFileSync } from "node:fs";`),
  },
  {
    name: "a correlation starts with few libraries",
    reason: "whatever `xpcs corr` loads is waited for before its first frame",
    find: (tree) => {
      const reached = new Set(["src/cli/main.ts", "src/cli/corr.ts"]);
      const findings: Finding[] = [];
      for (const path of reached) {
        for (const { specifier, target, line, whenLoaded } of importsOf(path, tree.get(path) ?? "")) {
          if (!whenLoaded) continue;
          if (target !== null) reached.add(target);
          else if (!isBuiltin(specifier) && specifier !== "commander")
            findings.push({ path, line, what: `loads "${specifier}" for \`xpcs corr\`` });
        }
      }
      return findings;
    },
    broken: oneFile("src/cli/corr.ts", `import { z } from "zod";`),
  },
  {
    name: "imports name files",
    reason: "Node resolves ESM by the whole file name, so a missing .js fails only at run time",
    find: (tree) =>
      eachImport(tree, (_layer, _path, { specifier }) =>
        specifier.startsWith(".") && !/\.(js|json)$/.test(specifier) ? `${specifier} needs .js` : null,
      ),
    broken: oneFile("src/core/a.ts", `import { b } from "./b";`),
  },
];
