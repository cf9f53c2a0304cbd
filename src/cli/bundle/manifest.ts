/** What a bundle says of itself: the manifest, the first file of its archive; and whether it is still as it says. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { XpcsError } from "../../core/errors.js";
import { digestFile } from "../../files/digest.js";
import { runTool } from "./elf.js";

/** The one folder of the archive. */
export const BUNDLE_FOLDER = "xpcs";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const MANIFEST = z.strictObject({
  format: z.literal(1),
  /** These become words of a shell script, so they are bound to harmless letters. */
  version: z.string().regex(/^[\w.+-]{1,64}$/),
  platform: z.string().regex(/^linux-(?:x64|arm64)$/),
  node: z.string().regex(/^[\d.]{1,32}$/),
  /** The oldest that it runs with. */
  glibc: z.string().regex(/^\d{1,3}\.\d{1,3}(?:\.\d{1,3})?$/),
  /** SHA-256 of each file. */
  files: z.record(z.string(), sha256),
});
export type BundleManifest = z.infer<typeof MANIFEST>;

/**
 * The manifest of an archive.
 * @throws INVALID_ARGUMENT it is no bundle · UNSUPPORTED tar is missing
 */
export function readManifest(path: string): BundleManifest {
  try {
    return MANIFEST.parse(JSON.parse(runTool("tar", ["--occurrence=1", "-xzOf", path, `${BUNDLE_FOLDER}/manifest.json`])));
  } catch (error) {
    if (error instanceof XpcsError && error.code === "UNSUPPORTED") throw error;
    throw new XpcsError("INVALID_ARGUMENT", `${path} is no bundle, or not all of one: make it with xpcs bundle --out ${path}`);
  }
}

/** The bundle that a program lies in, against its manifest. */
export interface BundleState {
  readonly version: string;
  readonly glibc: string;
  readonly files: number;
  /** Files that are missing, or not as they were made. */
  readonly changed: readonly string[];
}

/**
 * Compares every file of an unpacked bundle with its manifest.
 * @returns null: the folder is no bundle, but a checkout
 */
export async function inspectBundle(folder: string): Promise<BundleState | null> {
  const path = join(folder, "manifest.json");
  if (!existsSync(path)) return null;
  let manifest: BundleManifest;
  try {
    manifest = MANIFEST.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return { version: "unknown", glibc: "unknown", files: 0, changed: ["manifest.json"] };
  }
  const files = Object.entries(manifest.files);
  const changed: string[] = [];
  for (const [name, expected] of files) {
    const found = await digestFile(join(folder, name)).catch(() => null);
    if (found?.sha256 !== expected) changed.push(name);
  }
  return { version: manifest.version, glibc: manifest.glibc, files: files.length, changed };
}
