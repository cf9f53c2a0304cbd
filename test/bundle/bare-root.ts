/**
 * A machine with nothing: a root folder that has a shell, curl, tar, gzip, small programs and glibc, and in which no library of another kind is found. Programs
 * run in it as an ordinary user, in a network that has no other machine.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isGlibc, librariesBehind } from "../../src/cli/bundle/elf.js";

const PROGRAMS = "curl tar gzip sha256sum cut readlink uname mkdir rm mv ln getconf".split(" ");
/** An ordinary user, whom nobody knows by name. */
const USER = 4242;

/** Why such a machine cannot be made here; null: it can. */
export function bareRootProblem(): string | null {
  if (process.platform !== "linux") return "it needs Linux";
  if (process.getuid!() !== 0) return "it needs root, to make a root folder and a network of its own";
  const missing = ["patchelf", "objdump", "unshare", "nsenter", "chroot", "ip", ...PROGRAMS].filter(
    (name) => spawnSync("sh", ["-c", 'command -v "$1"', "sh", name]).status !== 0,
  );
  if (missing.length > 0) return `it needs ${missing.join(", ")} (npm run test:bundle installs it)`;
  const allowed = spawnSync("unshare", ["--net", "--mount", "ip", "link", "set", "lo", "up"], { encoding: "utf8" });
  return allowed.status === 0 ? null : `this root may not make a network: ${allowed.stderr.trim()}`;
}

function which(program: string): string {
  return realpathSync(spawnSync("sh", ["-c", 'command -v "$1"', "sh", program], { encoding: "utf8" }).stdout.trim());
}

function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(realpathSync(from), to);
  chmodSync(to, 0o755);
}

/** Glibc's own libraries and the loader, where they are found on this machine. */
function placeGlibc(root: string): string {
  const text = spawnSync("ldd", [process.execPath], { encoding: "utf8" }).stdout;
  const paths = [...text.matchAll(/=> (\/\S+)/g)].map((match) => match[1]!);
  for (const path of paths.filter((each) => isGlibc(each.slice(each.lastIndexOf("/") + 1)))) {
    place(path, join(root, path));
    // Those that only the native core asks for.
    place(join(dirname(path), "libresolv.so.2"), join(root, dirname(path), "libresolv.so.2"));
  }
  const loader = /^\s+(\/\S*ld-linux\S*)/m.exec(text)![1]!;
  place(loader, join(root, loader));
  return loader;
}

export interface BareMachine {
  /** Its root, as this machine sees it. */
  readonly root: string;
  /** A command line that runs in its network, but on this machine's files. */
  onNetwork(command: readonly string[]): string[];
  /** Runs shell text in it, as an ordinary user, in a process group of its own: a terminal's Ctrl-C goes to all of one. */
  shell(text: string, env?: Readonly<Record<string, string>>): ChildProcess;
  remove(): Promise<void>;
}

/** Makes one. `remove` ends its network, but not what runs there. */
export async function makeBareMachine(): Promise<BareMachine> {
  const root = mkdtempSync(join(tmpdir(), "xpcs-bare-"));
  chmodSync(root, 0o755);
  const loader = placeGlibc(root);
  place(which("sh"), join(root, "bin/sh"));
  // Their libraries are where only they find them.
  const programs = PROGRAMS.map((name) => [name, which(name)] as const);
  for (const [soname, path] of librariesBehind(programs.map(([, path]) => path))) place(path, join(root, "tools/lib", soname));
  for (const [name, path] of programs) {
    place(path, join(root, "tools/bin", name));
    const text = `#!/bin/sh\nexec ${loader} --library-path /tools/lib /tools/bin/${name} "$@"\n`;
    writeFileSync(join(root, "bin", name), text, { mode: 0o755 });
  }
  for (const folder of ["proc", "dev", "tmp", "home"]) mkdirSync(join(root, folder));
  for (const folder of ["tmp", "home"]) chownSync(join(root, folder), USER, USER);
  writeFileSync(join(root, "dev/null"), "");
  const network = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 3600"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => network.stdout.once("data", resolve));
  const onNetwork = (command: readonly string[]): string[] => ["nsenter", "--net", "--target", String(network.pid), "--", ...command];
  const enter = `mount -t proc proc "$1/proc" && mount --bind /dev/null "$1/dev/null" && exec chroot --userspec=${USER}:${USER} "$1" /bin/sh -c "$2"`;
  return {
    root,
    onNetwork,
    shell(text, env = {}) {
      const [program, ...args] = onNetwork(["unshare", "--mount", "--propagation", "private", "sh", "-c", enter, "sh", root, text]);
      // The environment reaches the shell; programs before it are those of this machine.
      const words = Object.entries(env).map(([name, value]) => `export ${name}='${value}';`);
      args.splice(-1, 1, `export PATH=/bin HOME=/home; ${words.join(" ")} cd; ${text}`);
      return spawn(program!, args, { env: { PATH: process.env.PATH }, stdio: ["ignore", "pipe", "pipe"], detached: true });
    },
    async remove() {
      network.kill("SIGKILL");
      rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}
