/**
 * What a site has beside amounts: instructions of its processors, programs and their versions, as words; and whether they are what a
 * job asks for. Plain rules; how a machine is looked at is src/cli/machine-features.ts.
 */

const NAME = "[A-Za-z0-9][A-Za-z0-9_.+-]*";
const VERSION = "[0-9][A-Za-z0-9_.+-]*";

/** `avx512f`, `boost_corr=0.3.1`. */
export const FEATURE_PATTERN = new RegExp(`^${NAME}(=${VERSION})?$`);
/** `avx512f`, `boost_corr=0.3` (any 0.3.x), `boost_corr>=0.3`. */
export const NEED_PATTERN = new RegExp(`^${NAME}(>?=${VERSION})?$`);
export const FEATURE_CHARS_MAX = 64;
export const FEATURES_MAX = 64;

interface Parts {
  readonly name: string;
  readonly op: string | null;
  readonly version: readonly string[];
}

function partsOf(text: string): Parts {
  const [, name = text, op = null, version = ""] = /^(.*?)(>?=)(.*)$/.exec(text) ?? [];
  return { name, op, version: version === "" ? [] : version.split(/[.+_-]/) };
}

/** Of one part: its number, and what stands behind it, which comes before nothing: 2rc1 is older than 2. */
function comparePart(a: string, b: string): number {
  const [, x = "", xRest = ""] = /^(\d*)(.*)$/.exec(a)!;
  const [, y = "", yRest = ""] = /^(\d*)(.*)$/.exec(b)!;
  if (Number(x) !== Number(y)) return Number(x) - Number(y);
  if (xRest === yRest) return 0;
  if (xRest === "" || yRest === "") return xRest === "" ? 1 : -1;
  return xRest < yRest ? -1 : 1;
}

/** Below 0 when the first is older. A part that is missing is 0. */
function compare(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = comparePart(a[at] ?? "0", b[at] ?? "0");
    if (difference !== 0) return difference;
  }
  return 0;
}

function meets({ name, op, version }: Parts, feature: string): boolean {
  const has = partsOf(feature);
  if (has.name !== name) return false;
  if (op === null) return true;
  if (has.version.length === 0) return false;
  return op === "=" ? compare(has.version.slice(0, version.length), version) === 0 : compare(has.version, version) >= 0;
}

/** The first need that none of the features meets; null: all are met. A site may have several versions of a program. */
export function lackedFeature(needs: readonly string[], features: readonly string[]): string | null {
  for (const need of needs) {
    const parts = partsOf(need);
    if (!features.some((feature) => meets(parts, feature))) return need;
  }
  return null;
}
