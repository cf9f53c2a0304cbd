/** House rules about the project as a whole: licence, lock file, versions, build files, registries. */
import { type Finding, findPattern, oneFile, type Rule } from "./rule.js";
import type { SourceTree } from "./source-tree.js";

const CORE = "native/xpcs-core";
const BUILD_FILE = /(^|\/)(CMakeLists\.txt|binding\.gyp|package\.json)$|\.cmake$/;

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      { readonly resolved?: string; readonly version?: string; readonly optionalDependencies?: object } & Record<string, unknown>
    >
  >;
}

function whole(path: string, what: string): Finding {
  return { path, line: 0, what };
}

function parse<T>(tree: SourceTree, path: string): T | null {
  const text = tree.get(path);
  return text === undefined ? null : (JSON.parse(text) as T);
}

function findLockFaults(tree: SourceTree): Finding[] {
  const lock = parse<Lock>(tree, "package-lock.json");
  if (lock === null) return [whole("package-lock.json", "missing")];
  const hosts = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined);
  const present = new Set(Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, "")));
  const absent = Object.values(lock.packages)
    .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
    .filter((name) => !present.has(name));
  const root = lock.packages[""] ?? {};
  const manifest = parse<Record<string, unknown>>(tree, "package.json") ?? {};
  const different = ["version", "dependencies", "devDependencies"].filter(
    (key) => JSON.stringify(root[key]) !== JSON.stringify(manifest[key]),
  );
  return [
    ...hosts.map(([name]) => whole("package-lock.json", `${name} names a host: run npm with omit-lockfile-registry-resolved=true`)),
    ...absent.map((name) =>
      whole("package-lock.json", `lacks ${name}, so npm ci refuses it: make it where the registry has every platform's packages`),
    ),
    ...different.map((key) => whole("package-lock.json", `its ${key} differ from package.json: run npm install`)),
  ];
}

function findVersionFaults(tree: SourceTree): Finding[] {
  const version = parse<{ version: string }>(tree, "package.json")?.version;
  const text = tree.get("src/core/version.ts") ?? "";
  return text.includes(`VERSION = "${version}"`) ? [] : [whole("src/core/version.ts", `does not say ${version} as package.json does`)];
}

/** The library's sources and the addon's: both builds read both. */
const SOURCE_LISTS = [`${CORE}/SOURCES`, `${CORE}/BINDING_SOURCES`];

/** Both builds read the same lists, and together the lists are the folder. */
function findSourceListFaults(tree: SourceTree): Finding[] {
  const list = SOURCE_LISTS.map((path) => tree.get(path) ?? "").join("\n");
  const listed = new Set(
    list
      .split("\n")
      .map((line) => line.replace(/#.*/, "").trim())
      .filter(Boolean),
  );
  const present = [...tree.keys()]
    .filter((path) => path.startsWith(`${CORE}/src/`) && path.endsWith(".cpp"))
    .map((path) => path.slice(CORE.length + 1));
  const users = [`${CORE}/CMakeLists.txt`, "binding.gyp"].filter((path) => {
    const text = tree.get(path) ?? "";
    return !/(?<!BINDING_)SOURCES/.test(text) || !text.includes("BINDING_SOURCES");
  });
  return [
    ...present.filter((path) => !listed.has(path)).map((path) => whole(`${CORE}/SOURCES`, `does not list ${path}`)),
    ...[...listed]
      .filter((path) => !tree.has(`${CORE}/${path}`))
      .map((path) => whole(`${CORE}/SOURCES`, `lists ${path}, which does not exist`)),
    ...users.map((path) => whole(path, "does not read SOURCES and BINDING_SOURCES")),
  ];
}

/** A folder of extensions, its registry, and the files there that are not extensions. */
const REGISTRIES = ["src/sites/transfers", "src/sites/schedulers"].map((folder) => ({
  folder,
  registry: `${folder}/registry.ts`,
  others: ["define.ts", "registry.ts"],
}));

function findRegistryFaults(tree: SourceTree): Finding[] {
  return REGISTRIES.flatMap(({ folder, registry, others }) => {
    const text = tree.get(registry) ?? "";
    return [...tree.keys()]
      .filter((path) => path.startsWith(`${folder}/`) && path.endsWith(".ts"))
      .map((path) => path.slice(folder.length + 1))
      .filter((name) => !others.includes(name) && !text.includes(`"./${name.replace(/\.ts$/, ".js")}"`))
      .map((name) => whole(registry, `does not list ${name}`));
  });
}

/** The overview and the files of src/cli are the same set. */
function findCommandFaults(tree: SourceTree): Finding[] {
  const table = tree.get("src/cli/commands.ts") ?? "";
  const listed = new Set([...table.matchAll(/\bname: "([\w-]+)"/g)].map((match) => match[1] ?? ""));
  const present = [...tree].filter(([path, text]) => /^src\/cli\/[\w-]+\.ts$/.test(path) && /^export function register[A-Z]/m.test(text));
  const names = new Set(present.map(([path]) => path.slice("src/cli/".length, -".ts".length)));
  return [
    ...[...names].filter((name) => !listed.has(name)).map((name) => whole("src/cli/commands.ts", `does not list ${name}`)),
    ...[...listed]
      .filter((name) => !names.has(name))
      .map((name) => whole("src/cli/commands.ts", `lists ${name}, which has no file with a register function`)),
  ];
}

/** Documents, tests and sources that a comment or a document names by their path from the project's root. */
const NAMED_FILE = /(?<![\w/.-])(?:docs|test|src|scripts|examples|bench|native)\/[\w./-]+\.(?:md|ts|mjs|cpp|hpp)\b/g;

function findDeadReferences(tree: SourceTree): Finding[] {
  const fromRoot = (path: string): boolean => /\.(ts|mjs|md|cpp|hpp)$/.test(path) && !path.startsWith("test/");
  return findPattern(tree, fromRoot, (text) => text, NAMED_FILE).filter(({ what }) => !tree.has(what));
}

export const PROJECT_RULES: readonly Rule[] = [
  {
    name: "named files exist",
    reason: "a comment that sends the reader to a file that has moved is worse than none",
    find: findDeadReferences,
    broken: oneFile("src/core/a.ts", "/** The meaning of each field is in docs/gone.md. */"),
  },
  {
    name: "a licence",
    reason: "without one nobody may use the project",
    find: (tree) => (/BSD 3-Clause/i.test(tree.get("LICENSE") ?? "") ? [] : [whole("LICENSE", "missing, or not BSD 3-Clause")]),
    broken: oneFile("LICENSE", "all rights reserved"),
  },
  {
    name: "a lock file for every machine",
    reason:
      "a lock file with one registry's host cannot be installed elsewhere; one that is incomplete or differs from package.json not at all",
    find: findLockFaults,
    broken: new Map([
      ["package.json", "{}"],
      ["package-lock.json", `{"packages":{"node_modules/a":{"resolved":"https://host.example/a.tgz"}}}`],
    ]),
  },
  {
    name: "one version",
    reason: "processes compare versions at the handshake, so the constant must be the package's",
    find: findVersionFaults,
    broken: new Map([
      ["package.json", `{"version":"2.0.0"}`],
      ["src/core/version.ts", `export const VERSION = "1.0.0";`],
    ]),
  },
  {
    name: "no instruction set fixed at build time",
    reason: "a build must run on every node of a cluster; kernels choose their path when they start",
    find: (tree) =>
      findPattern(
        tree,
        (path) => BUILD_FILE.test(path),
        (text) => text,
        /-m(?:arch=|tune=native|avx\w*|fma\b|sse\w+|bmi\w*)|\/arch:/g,
      ),
    broken: oneFile("native/xpcs-core/CMakeLists.txt", "add_compile_options(-march=native)"),
  },
  {
    name: "one list of native sources",
    reason: "two build files with two lists build two different programs",
    find: findSourceListFaults,
    broken: new Map([
      [`${CORE}/SOURCES`, "src/a.cpp\n"],
      [`${CORE}/src/a.cpp`, "// A."],
      [`${CORE}/src/b.cpp`, "// B."],
      [`${CORE}/CMakeLists.txt`, "file(STRINGS SOURCES a) file(STRINGS BINDING_SOURCES b)"],
      ["binding.gyp", "SOURCES BINDING_SOURCES"],
    ]),
  },
  {
    name: "registries list their folder",
    reason: "an extension that is not registered is never used and never tested",
    find: findRegistryFaults,
    broken: new Map([
      ["src/sites/transfers/registry.ts", `import { a } from "./a.js";`],
      ["src/sites/transfers/a.ts", ""],
      ["src/sites/transfers/b.ts", ""],
    ]),
  },
  {
    name: "commands list their files",
    reason: "the overview must neither hide a command nor promise one",
    find: findCommandFaults,
    broken: new Map([
      ["src/cli/commands.ts", `{ name: "corr" }`],
      ["src/cli/doctor.ts", "export function registerDoctor() {}"],
    ]),
  },
];
