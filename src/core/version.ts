/** Version of this program, for the handshake between its processes; a test compares it with package.json. */
export const VERSION = "0.1.0";

interface Parts {
  readonly major: number;
  readonly minor: number;
}

function parts(version: string): Parts | null {
  const match = /^(\d{1,6})\.(\d{1,6})\./.exec(version);
  return match === null ? null : { major: Number(match[1]), minor: Number(match[2]) };
}

/** Null when two programs can talk (one minor version apart at most), else a sentence that says who must upgrade. */
export function versionConflict(here: { name: string; version: string }, there: { name: string; version: string }): string | null {
  const a = parts(here.version);
  const b = parts(there.version);
  if (b === null || a === null) return `the ${b === null ? there.name : here.name} gives no version like 1.2.3`;
  if (a.major === b.major && Math.abs(a.minor - b.minor) <= 1) return null;
  const older = a.major < b.major || (a.major === b.major && a.minor < b.minor) ? here : there;
  return `the ${here.name} has version ${here.version} and the ${there.name} ${there.version}: upgrade the ${older.name}`;
}
