/** JSON with sorted keys, so that the same data have the same text, and the same digest, whoever wrote them. */

function isSorted(keys: readonly string[]): boolean {
  for (let at = 1; at < keys.length; at += 1) if (keys[at - 1]! > keys[at]!) return false;
  return true;
}

function sortedArray(value: readonly unknown[]): readonly unknown[] {
  const items = value.map(sorted);
  return items.every((item, at) => item === value[at]) ? value : items;
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return sortedArray(value);
  const fields = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(fields);
  let same = isSorted(keys);
  if (!same) keys.sort();
  const copy: Record<string, unknown> = {};
  for (const key of keys) {
    const field = sorted(fields[key]);
    same &&= field === fields[key];
    if (key === "__proto__") Object.defineProperty(copy, key, { value: field, enumerable: true });
    else copy[key] = field;
  }
  return same ? value : copy;
}

/** The same plain data with the keys of every object in order, as `canonicalJson` writes them; what is in order already is not copied. */
export function inCanonicalOrder<T>(value: T): T {
  return sorted(value) as T;
}

/**
 * JSON of plain data, as JSON.stringify writes it but for the order of keys. The texts are in ledgers as digests: they never change. Keys that look
 * like array indexes come first, by number: JavaScript lists them so in any object.
 *
 * @param value no functions, no cycles
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value)) ?? "null";
}
