/**
 * What a POSIX shell with GNU coreutils at the far end of an ssh does for a transfer: looks at files, digests them, and publishes results by the steps of
 * src/files/publication.ts, with the same names and notes. Scripts go over standard input, so no argument passes a far shell unquoted.
 */
import { XpcsError } from "../../core/errors.js";
import type { OutputFile } from "../../core/job.js";
import type { Destination, DestinationFound } from "../../files/publication.js";

/** Runs a script there. @returns what it wrote */
export type FarShell = (script: string, signal: AbortSignal) => Promise<string>;

export interface FarFile {
  readonly bytes: number;
  readonly version: string;
}

/** @throws INVALID_ARGUMENT a character that no list of files can carry */
export function quoted(text: string): string {
  if (/[\0\n\r]/.test(text))
    throw new XpcsError("INVALID_ARGUMENT", `${JSON.stringify(text)} has a line break in it: no transfer to another machine takes it`);
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Files of one sha256sum, and how many of these run at a time. */
const DIGESTED_TOGETHER = 16;
const DIGESTS = 4;

const HEAD = `set -u
LC_ALL=C; export LC_ALL
fail() { printf 'error\\t%s\\t%s\\n' "$1" "$2"; exit 0; }
`;

/** A script says what it refuses in its last line. @throws that */
function checked(output: string): string {
  const refused = /^error\t([A-Z_]+)\t(.*)$/m.exec(output);
  if (refused !== null) throw new XpcsError(refused[1] as XpcsError["code"], refused[2]!);
  return output;
}

const list = (paths: readonly string[]) => paths.map(quoted).join(" ");

/**
 * Length and version of files, all of them in \`root\` with every link followed.
 * @throws NOT_FOUND · REFUSED · IO_FAILED
 */
export async function statFar(shell: FarShell, root: string, paths: readonly string[], signal: AbortSignal): Promise<FarFile[]> {
  const output = await shell(
    `${HEAD}files() { printf '%s\\0' ${list(paths)}; }
printf 'root\\t'; readlink -f -z -- ${quoted(root)}; echo
files | xargs -0 stat -L --printf 'file\\t%F\\t%s\\t%d-%i-%s-%.9Y\\t%n\\n' -- 2>/dev/null
files | xargs -0 readlink -e -z -- | tr '\\0' '\\n' | sed 's/^/real\\t/'
`,
    signal,
  );
  const lines = checked(output).replaceAll("\0", "").split("\n");
  const real = lines.find((line) => line.startsWith("root\t"))?.slice(5) ?? root;
  const found = new Map<string, { kind: string } & FarFile>();
  for (const line of lines.filter((each) => each.startsWith("file\t"))) {
    const [, kind, bytes, version, ...path] = line.split("\t");
    found.set(path.join("\t"), { kind: kind!, bytes: Number(bytes), version: version! });
  }
  const missing = paths.find((path) => !found.has(path));
  if (missing !== undefined) throw new XpcsError("NOT_FOUND", `${missing} does not exist, or cannot be seen, where it should come from`);
  const other = paths.find((path) => !found.get(path)!.kind.startsWith("regular"));
  if (other !== undefined) throw new XpcsError("REFUSED", `${other} is no plain file`);
  const outside = lines
    .filter((line) => line.startsWith("real\t"))
    .find((line) => !line.slice(5).startsWith(real === "/" ? "/" : `${real}/`));
  if (outside !== undefined) throw new XpcsError("REFUSED", `${outside.slice(5)} is not in ${root}, which this site may read there`);
  return paths.map((path) => found.get(path)!);
}

/** sha256 (hex) of files, in their order; several at a time where there are many. @throws IO_FAILED */
export async function digestFar(shell: FarShell, paths: readonly string[], signal: AbortSignal): Promise<string[]> {
  const output = await shell(`${HEAD}printf '%s\\0' ${list(paths)} | xargs -0 -n ${DIGESTED_TOGETHER} -P ${DIGESTS} sha256sum --`, signal);
  const found = new Map<string, string>();
  for (const line of checked(output).split("\n")) {
    // A name with a backslash is written with two, and the line begins with one.
    const [, escaped, sha256, path] = /^(\\?)([0-9a-f]{64}) [ *](.*)$/.exec(line) ?? [];
    if (sha256 !== undefined) found.set(escaped === "" ? path! : path!.replaceAll("\\\\", "\\"), sha256);
  }
  const unread = paths.find((path) => !found.has(path));
  if (unread !== undefined) throw new XpcsError("IO_FAILED", `${unread} cannot be read where it should come from`);
  return paths.map((path) => found.get(path)!);
}

/** What all steps of a publication know. */
function publication(root: string, { ref, job }: Destination, epoch: number): string {
  const dir = ref.path.slice(0, ref.path.lastIndexOf("/")) || "/";
  const name = ref.path.slice(ref.path.lastIndexOf("/") + 1);
  return `${HEAD}path=${quoted(ref.path)} dir=${quoted(dir)} root=${quoted(root)} epoch=${epoch}
note=${quoted(`${dir}/.${name}.${job}.published`)}
partial=${quoted(`${dir}/.${name}.${job}.${epoch}.partial`)}
[ -d "$dir" ] || fail IO_FAILED "cannot write $path: its folder $dir does not exist"
real=$(readlink -f -- "$dir") realroot=$(readlink -f -- "$root")
case "$real/" in "\${realroot%/}"/*) ;; *) fail REFUSED "$path is not in $root, which this site may write there" ;; esac
there() { [ -e "$path" ] || [ -L "$path" ]; }
identity() { stat -L -c '%d:%i:%s:%.9Y' -- "$path" 2>/dev/null; }
digest() { sha256sum < "$1" 2>/dev/null | cut -c 1-64; }
noted() { sed -n 's/.*"'"$1"'":"\\{0,1\\}\\([0-9a-f]*\\).*/\\1/p' "$note" 2>/dev/null; }
published() { there && [ -n "$(noted sha256)" ] && [ "$(digest "$path")" = "$(noted sha256)" ]; }
tell() { printf 'published\\t%s\\t%s\\n' "$(noted bytes)" "$(noted sha256)"; exit 0; }
`;
}

function outputOf(text: string, path: string): OutputFile | null {
  const found = /^published\t(\d+)\t([0-9a-f]{64})$/m.exec(text);
  return found === null ? null : { path, bytes: Number(found[1]), sha256: found[2]! };
}

/** As inspectDestination of src/files/publication.ts. */
export async function inspectFar(shell: FarShell, root: string, destination: Destination, signal: AbortSignal): Promise<DestinationFound> {
  const { path } = destination.ref;
  const text = checked(
    await shell(
      `${publication(root, destination, 0)}there || { printf 'free\\t-\\n'; exit 0; }
published && tell
${destination.overwrite ? "" : 'fail ALREADY_EXISTS "$path exists: choose another name, or submit with --overwrite"'}
printf 'free\\t%s\\n' "$(identity)"
`,
      signal,
    ),
  );
  const output = outputOf(text, path);
  if (output !== null) return { kind: "published", output };
  const seen = /^free\t(.+)$/m.exec(text)?.[1];
  if (seen === undefined) throw new XpcsError("UNAVAILABLE", `what is at ${path} was not told: ${text.slice(0, 200)}`);
  return { kind: "free", seen: seen === "-" ? null : seen };
}

export interface FarPublication {
  readonly destination: Destination;
  readonly epoch: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly seen: string | null;
  readonly mode?: number;
}

/** Where the result is collected, beside its final name. */
export function farPartial({ ref, job }: Destination, epoch: number): string {
  const at = ref.path.lastIndexOf("/");
  return `${ref.path.slice(0, at)}/.${ref.path.slice(at + 1)}.${job}.${epoch}.partial`;
}

/** Before the lease is confirmed: what was sent is whole, synced, and has its mode. @throws CHECKSUM_MISMATCH · IO_FAILED · REFUSED */
export async function proveFar(
  shell: FarShell,
  root: string,
  { destination, epoch, sha256, mode }: FarPublication,
  signal: AbortSignal,
): Promise<void> {
  checked(
    await shell(
      `${publication(root, destination, epoch)}[ "$(digest "$partial")" = ${sha256} ] || fail CHECKSUM_MISMATCH "$path is not what the site has: its bytes changed on the way"
${mode === undefined ? "" : `chmod ${mode.toString(8)} -- "$partial" || fail IO_FAILED "the mode of $path cannot be set"`}
sync -- "$partial" 2>/dev/null || sync
echo proved
`,
      signal,
    ),
  );
}

/** After the lease was confirmed: the final name. May be asked again. @throws STALE_LEASE · ALREADY_EXISTS · IO_FAILED */
export async function publishFar(shell: FarShell, root: string, request: FarPublication, signal: AbortSignal): Promise<OutputFile> {
  const { destination, epoch, bytes, sha256, seen } = request;
  const { path } = destination.ref;
  const note = JSON.stringify({ job: destination.job, epoch, bytes, sha256 });
  const replace =
    destination.overwrite && seen !== null ? `[ "$(identity)" = ${quoted(seen)} ] && mv -f -T -- "$partial" "$path"` : "false";
  const conflict = `ALREADY_EXISTS "$path was ${destination.overwrite ? "replaced" : "made"} while the job was running: choose another name${destination.overwrite ? "" : ", or submit with --overwrite"}"`;
  const text = checked(
    await shell(
      `${publication(root, destination, epoch)}done_() { rm -f -- "$partial"; sync -- "$dir" 2>/dev/null; tell; }
old=$(noted epoch)
[ -n "$old" ] && [ "$old" -gt "$epoch" ] && { rm -f -- "$partial"; fail STALE_LEASE "attempt $old has published $path"; }
published && done_
[ -e "$partial" ] || fail IO_FAILED "what was sent of $path is not there any more"
{ printf '%s' ${quoted(note)} > "$note.$epoch" && mv -f -- "$note.$epoch" "$note"; } || { rm -f -- "$note.$epoch"; fail IO_FAILED "nothing can be written beside $path"; }
sync -- "$note" 2>/dev/null
ln -T -- "$partial" "$path" 2>/dev/null && done_
there || { rm -f -- "$note"; fail IO_FAILED "$path cannot be linked into place: has the file system no hard links?"; }
${replace} && done_
rm -f -- "$note"
fail ${conflict}
`,
      signal,
    ),
  );
  const output = outputOf(text, path);
  if (output === null) throw new XpcsError("UNAVAILABLE", `whether ${path} was published was not told: ${text.slice(0, 200)}`);
  return output;
}

/** As settlePublication of src/files/publication.ts. */
export async function settleFar(shell: FarShell, root: string, destination: Destination, signal: AbortSignal): Promise<void> {
  checked(await shell(`${publication(root, destination, 0)}rm -f -- "$note"`, signal));
}

/** As discardPublication of src/files/publication.ts. */
export async function discardFar(
  shell: FarShell,
  root: string,
  destination: Destination,
  epoch: number,
  signal: AbortSignal,
): Promise<void> {
  checked(await shell(`${publication(root, destination, epoch)}rm -f -- "$partial" "$note.$epoch"`, signal));
}
