/** Looks at many objects of a store by listing their folders: a question for a thousand of them, where there would be one for each. What a list does not tell is left to be asked for alone. */
import type { S3Client } from "./s3-client.js";

export interface ListedObject {
  /** Never 0: of an empty object more has to be known. */
  readonly bytes: number;
  /** As the header has it, with its quotes. */
  readonly etag: string;
}

/** Fewer objects of a folder are asked about one by one: only then does the store say their digests beforehand. */
const LISTED_FROM = 32;
/** Of one answer, which is no longer than its bound. */
const PAGE_KEYS = 1_000;
/** Keys that are wanted for each page: a folder of a million others is not read. */
const KEYS_PER_PAGE = 32;

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{2,4}));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name as string] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex as string, 16) : Number(decimal);
    return code > 0x10ffff ? whole : String.fromCodePoint(code);
  });
}

/** What an answer to ListObjectsV2 says. Exported for tests. @returns `next`: the token of the next page, or null */
export function parseList(xml: string): { objects: Map<string, ListedObject>; next: string | null } {
  const objects = new Map<string, ListedObject>();
  for (const entry of xml.split("<Contents>").slice(1)) {
    const field = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(entry)?.[1];
    const [key, etag, size] = [field("Key"), field("ETag"), field("Size")];
    if (key === undefined || etag === undefined || size === undefined || !/^[1-9]\d{0,15}$/.test(size)) continue;
    const tag = unescaped(etag);
    objects.set(unescaped(key), { bytes: Number(size), etag: /^"/.test(tag) ? tag : `"${tag}"` });
  }
  const more = /<IsTruncated>true<\/IsTruncated>/.test(xml);
  const next = /<NextContinuationToken>([^<]+)<\/NextContinuationToken>/.exec(xml)?.[1];
  return { objects, next: more && next !== undefined ? unescaped(next) : null };
}

/** The objects of one folder. */
async function listFolder(
  client: S3Client,
  folder: string,
  keys: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Map<string, ListedObject>> {
  const found = new Map<string, ListedObject>();
  const first = [...keys].sort()[0]!;
  // What begins the first key stands before it.
  let from: Record<string, string> = { "start-after": first.slice(0, -1) };
  for (let pages = Math.ceil(keys.size / KEYS_PER_PAGE); pages > 0 && found.size < keys.size; pages -= 1) {
    const query = { "list-type": "2", prefix: folder, delimiter: "/", "max-keys": String(PAGE_KEYS), ...from };
    const { objects, next } = parseList(await client.text({ method: "GET", key: "", query, signal }));
    for (const [key, object] of objects) if (keys.has(key)) found.set(key, object);
    if (next === null) break;
    from = { "continuation-token": next };
  }
  return found;
}

/** @returns those of the keys that a list tells; none where the store does not let this one list @throws CANCELED */
export async function listObjects(client: S3Client, keys: readonly string[], signal: AbortSignal): Promise<Map<string, ListedObject>> {
  const folders = new Map<string, Set<string>>();
  for (const key of keys) {
    const folder = key.slice(0, key.lastIndexOf("/") + 1);
    const all = folders.get(folder) ?? new Set();
    folders.set(folder, all.add(key));
  }
  const found = new Map<string, ListedObject>();
  for (const [folder, all] of folders) {
    if (all.size < LISTED_FROM) continue;
    try {
      for (const [key, object] of await listFolder(client, folder, all, signal)) found.set(key, object);
    } catch {
      // May it not be listed, or is the store away: what asks for each tells it, and tries again.
      break;
    }
  }
  return found;
}
