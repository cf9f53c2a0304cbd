/** Digests of files that were asked for lately, by path and version: those that are not looked at by look-files.ts. */
import { digestFile, digestOpen } from "../files/digest.js";
import { type VersionedFile, versionAt } from "../files/file-version.js";
import { changedMeanwhile } from "./data-files.js";

const KEPT = 4_096;

export class DigestMemo {
  readonly #known = new Map<string, string>();
  readonly #asked = new Map<string, Promise<string>>();

  /** The digest, when it was made before; else null. */
  known(path: string, version: string): string | null {
    return this.#known.get(`${version} ${path}`) ?? null;
  }

  /**
   * The sha256 (hex) of a file in this version.
   * @param open the same, where it is open until this resolves
   * @throws IO_FAILED it has changed meanwhile · NOT_FOUND
   */
  of(path: string, version: string, open?: VersionedFile): Promise<string> {
    const key = `${version} ${path}`;
    const known = this.#known.get(key);
    if (known !== undefined) return Promise.resolve(known);
    let asked = this.#asked.get(key);
    if (asked === undefined) {
      asked = this.#make(path, version, key, open).finally(() => this.#asked.delete(key));
      this.#asked.set(key, asked);
    }
    return asked;
  }

  async #make(path: string, version: string, key: string, open: VersionedFile | undefined): Promise<string> {
    const { sha256 } = await (open === undefined ? digestFile(path) : digestOpen(open.file, path, undefined, open.bytes));
    if ((await versionAt(path)) !== version) throw changedMeanwhile(path);
    this.#known.set(key, sha256);
    if (this.#known.size > KEPT) this.#known.delete(this.#known.keys().next().value!);
    return sha256;
  }
}
