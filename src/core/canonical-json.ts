/** JSON with sorted keys, so that the same data have the same text, and the same digest, whoever wrote them. */

/** Objects list keys that look like array indexes first and by number, whatever the order in which they came. */
const INDEX = /^(0|[1-9]\d{0,9})$/;

function inOrder(keys: readonly string[]): readonly string[] {
  const sorted = [...keys].sort();
  if (!sorted.some((key) => INDEX.test(key))) return sorted;
  return Object.keys(Object.fromEntries(sorted.map((key) => [key, 0])));
}

/**
 * JSON of plain data, as JSON.stringify writes it but for the order of keys. The texts are in ledgers as digests: they never change.
 *
 * @param value no functions, no cycles
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const fields = value as Readonly<Record<string, unknown>>;
  let text = "";
  for (const key of inOrder(Object.keys(fields))) {
    const field = fields[key];
    if (field === undefined) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${canonicalJson(field)}`;
  }
  return `{${text}}`;
}
