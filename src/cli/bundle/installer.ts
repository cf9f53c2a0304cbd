/**
 * The shell script that brings a bundle to a machine, and the line that fetches the script. A chain of digests: the line has that of the script, the script that of
 * the archive. Needs a POSIX shell, curl, tar, gzip and the usual small programs; no root.
 */
import { glibcNumber } from "./elf.js";
import { BUNDLE_FOLDER, type BundleManifest } from "./manifest.js";

const MACHINES: Readonly<Record<string, string>> = { "linux-x64": "x86_64", "linux-arm64": "aarch64" };

export interface Archive {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** Name of the folder that an archive is unpacked to: each build has its own. */
export function folderName({ version }: Pick<BundleManifest, "version">, { sha256 }: Archive): string {
  return `${version}-${sha256.slice(0, 12)}`;
}

/**
 * The script. It reads XPCS_FROM (where central serves bundles), XPCS_KEY (the pinned key, for curl), XPCS_HOME (where to unpack; default
 * ~/.local/share/xpcs) and XPCS_JOIN_CODE; its arguments go to `xpcs join`.
 */
export function installerText(manifest: BundleManifest, archive: Archive): string {
  const { version, platform, glibc } = manifest;
  return `# Fetches xpcs ${version}, unpacks it beside other versions, and makes this machine a site. Leaves nothing when that fails.
set -u
say() { printf 'xpcs: %s\\n' "$*" >&2; }
fail() { say "$*; nothing was installed"; exit 1; }

check_machine() {
  machine="$(uname -s) $(uname -m)"
  [ "$machine" = "Linux ${MACHINES[platform]}" ] || fail "this bundle is for Linux ${MACHINES[platform]}, and this machine is $machine"
  for tool in curl tar gzip sha256sum; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is not on this machine"
  done
  have=$(getconf GNU_LIBC_VERSION 2>/dev/null) || have=
  case $have in
    glibc\\ *.*)
      have=\${have#glibc }
      minor=\${have#*.}
      [ $((\${have%%.*} * 1000 + \${minor%%[!0-9]*})) -ge ${glibcNumber(glibc)} ] ||
        fail "this machine has glibc $have, and this bundle needs ${glibc} or newer: have one made on an older system"
      ;;
  esac
}

# What a run that was killed has left.
remove_leftovers() {
  for left in "$home/.incoming.$(uname -n)".*; do
    [ -d "$left" ] || continue
    kill -0 "\${left##*.}" 2>/dev/null || rm -rf "$left"
  done
}

install() {
  incoming=$home/.incoming.$(uname -n).$$
  mkdir -p "$home" && remove_leftovers && mkdir "$incoming" || fail "the folder $home cannot be written (XPCS_HOME names another)"
  trap 'rm -rf "$incoming"' EXIT
  trap 'exit 130' INT TERM HUP
  say "fetching xpcs ${version} (${(archive.bytes / 1e6).toFixed(1)} MB)"
  set -- -fsSg --connect-timeout 20 --speed-limit 1000 --speed-time 60 -o "$incoming/archive"
  [ -z "\${XPCS_KEY:-}" ] || set -- "$@" -k --pinnedpubkey "$XPCS_KEY"
  curl "$@" "$XPCS_FROM/${archive.sha256}" || fail "the bundle could not be fetched whole from $XPCS_FROM"
  got=$(sha256sum <"$incoming/archive") || fail "the bundle could not be read"
  [ "\${got%% *}" = ${archive.sha256} ] || fail "what came from $XPCS_FROM is not the bundle: its digest is \${got%% *}"
  tar -xzof "$incoming/archive" -C "$incoming" || fail "the bundle could not be unpacked in $home"
  new=$incoming/${BUNDLE_FOLDER}
  "$new/bin/node" -e 'require(process.argv[1])' "$new/build/Release/xpcs_core.node" || fail "the bundle does not run on this machine"
  [ -d "$home/$name" ] || mv "$new" "$home/$name" || fail "$home/$name could not be made"
  # Another run was faster, between the two.
  rm -rf "$home/$name/${BUNDLE_FOLDER}"
  rm -rf "$incoming"
  trap - EXIT INT TERM HUP
}

main() {
  home=\${XPCS_HOME:-\${XDG_DATA_HOME:-\${HOME:?}/.local/share}/xpcs}
  name=${folderName(manifest, archive)}
  if [ -x "$home/$name/bin/xpcs" ]; then say "xpcs ${version} is there already: $home/$name"; else check_machine && install; fi
  ln -sfn "$name" "$home/current" || { say "the link $home/current could not be made"; exit 1; }
  launcher=$home/current/bin/xpcs
  say "the command is $launcher"
  unset XPCS_FROM XPCS_KEY XPCS_HOME
  [ -z "\${XPCS_JOIN_CODE:-}" ] || exec "$launcher" join "$@"
}

main "$@"
`;
}

export interface JoinLine {
  /** Address of central, for websockets. */
  readonly url: string;
  /** `sha256/...` */
  readonly pin?: string;
  /** SHA-256 of the installer, hex. */
  readonly installer: string;
  readonly joinCode: string;
}

/** One line for a POSIX shell; options of `xpcs join` may follow it. */
export function joinLine({ url, pin, installer, joinCode }: JoinLine): string {
  const from = `${new URL(url.replace(/^ws/, "http")).origin}/bundle`;
  const key = pin?.replace(/^sha256\//, "sha256//");
  const curl = `curl -fsSg ${key === undefined ? "" : `-k --pinnedpubkey '${key}' `}'${from}/${installer}'`;
  const lost = "echo 'xpcs: the installer did not come whole from central; nothing was installed' >&2; exit 1";
  return [
    `s=$(${curl})`,
    `[ "$(printf '%s\\n' "$s" | sha256sum | cut -c1-64)" = ${installer} ] || s="${lost}"`,
    `XPCS_FROM='${from}' ${key === undefined ? "" : `XPCS_KEY='${key}' `}XPCS_JOIN_CODE=${joinCode} sh -c "$s" xpcs-join`,
  ].join("; ");
}
