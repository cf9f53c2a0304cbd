/** Which npm packages a bundle takes, and what of each: those that the program loads, without sources, types and other platforms. */
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { XpcsError } from "../../core/errors.js";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** They build the native core, and are not loaded. */
const BUILD_ONLY = new Set(["cmake-js", "node-addon-api", "node-api-headers"]);

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Where Node finds a package, from a folder within `root`; null: nowhere. */
function resolvePackage(root: string, from: string, name: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(join(found, "package.json"))) return found;
    if (folder === root) return null;
  }
}

/**
 * Folders of the packages that the program in `root` loads, with theirs, ordered by name.
 * @throws NOT_FOUND one that is not optional is not installed
 */
export function packageFolders(root: string): string[] {
  const found = new Set<string>();
  const walk = (folder: string): void => {
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (BUILD_ONLY.has(name)) continue;
      const path = resolvePackage(root, folder, name);
      if (path === null) {
        // A package for another platform.
        if (Object.hasOwn(optionalDependencies, name)) continue;
        throw new XpcsError("NOT_FOUND", `the package ${name} is not installed: run npm run setup`);
      }
      if (found.has(path)) continue;
      found.add(path);
      walk(path);
    }
  };
  walk(root);
  return [...found].sort();
}

/** Sources, types and prose; a package's tests are left out too. */
const NOT_LOADED = /\.(?:map|[cm]?tsx?|c|cc|cpp|h|gypi?|markdown)$/;
const PROSE = /^(?!licen[cs]e|copying|notice).*\.md$/i;

/** Of ZeroMQ's ready-made builds (build/OS/ARCH/node/LIBC-ABI-Release) the one that asks for the oldest glibc; any Node since 12 loads it. */
const ZMQ_BUILD = "glibc-127-Release";

/**
 * Whether a bundle takes this file or folder of the program.
 * @param path from the package's folder
 * @param platform as `linux-x64`
 */
export function isTaken(path: string, platform: string): boolean {
  const parts = path.split(sep);
  const name = basename(path);
  if (parts.some((part) => part === "node_modules" || part === ".bin") || NOT_LOADED.test(name) || PROSE.test(name)) return false;
  if (name.endsWith(".musl.node")) return false;
  if (/^tests?$/.test(parts[0]!)) return false;
  if (parts[0] === "build" && /^(?:linux|darwin|win32)$/.test(parts[1] ?? "")) {
    const [os, arch] = platform.split("-");
    return parts[1] === os && (parts[2] ?? arch) === arch && (parts[4] ?? ZMQ_BUILD) === ZMQ_BUILD;
  }
  const at = parts.indexOf("prebuilds");
  return at < 0 || parts.length <= at + 1 || parts[at + 1] === platform;
}
