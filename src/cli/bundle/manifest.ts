/** What a bundle says of itself: the manifest, the first file of its archive. */
import { z } from "zod";
import { XpcsError } from "../../core/errors.js";
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
  let text: string;
  try {
    text = runTool("tar", ["--occurrence=1", "-xzOf", path, `${BUNDLE_FOLDER}/manifest.json`]);
    return MANIFEST.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof XpcsError && error.code === "UNSUPPORTED") throw error;
    throw new XpcsError("INVALID_ARGUMENT", `${path} is no bundle, or not all of one: make it with xpcs bundle --out ${path}`);
  }
}
