/**
 * The file system that all processes of a simulation share, in memory: what src/sites uses of node:fs/promises, which sim.test.ts puts in its
 * place. An operation takes some ms of its process's time, so a process can be killed between any two; it survives the processes.
 */
import { sleep } from "../../src/core/clock.js";
import { currentProcess, type SimProcess } from "./process.js";

interface Inode {
  readonly id: number;
  bytes: Buffer;
  changed: number;
  /** By the clock of the file system, ms since 1970. */
  changedMs: number;
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code, syscall: "sim", path });
}

export class SimFiles {
  readonly #files = new Map<string, Inode>();
  readonly #folders = new Set<string>(["/"]);
  readonly #nowMs: () => number;
  #nextId = 1;
  /** Writes fail. */
  full = false;
  /** Called when bytes get a name that does not begin with a dot, in the folder of results. */
  onPublish: (path: string, text: string, by: SimProcess | undefined) => void = () => {};

  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs;
  }

  /** What an operation of this process takes. A process that is dead never gets beyond it. */
  async step(): Promise<void> {
    const process = currentProcess();
    if (process === undefined) return;
    if (!process.alive) return new Promise(() => {});
    if (process.rng() < 0.3) await sleep(process.clock, process.rng() * 6);
    if (!process.alive) return new Promise(() => {});
  }

  folder(path: string): void {
    for (let at = path; at !== "/"; at = at.slice(0, at.lastIndexOf("/")) || "/") this.#folders.add(at);
  }

  /** Paths below a folder. */
  below(folder: string): string[] {
    const inside = (path: string) => path.startsWith(`${folder}/`);
    return [...[...this.#files.keys()].filter(inside), ...[...this.#folders].filter(inside)].sort();
  }

  text(path: string): string | null {
    return this.#files.get(path)?.bytes.toString() ?? null;
  }

  write(path: string, text: string | Buffer): void {
    const parent = path.slice(0, path.lastIndexOf("/")) || "/";
    if (!this.#folders.has(parent)) throw failure("ENOENT", path);
    if (this.full && text.length > 0) throw failure("ENOSPC", path);
    if (this.#folders.has(path)) throw failure("EISDIR", path);
    const inode = this.#files.get(path) ?? { id: this.#nextId++, bytes: Buffer.alloc(0), changed: 0, changedMs: 0 };
    inode.bytes = Buffer.from(text);
    inode.changed = this.#nextId++;
    inode.changedMs = this.#nowMs();
    this.#files.set(path, inode);
  }

  /** @returns the first folder that was made, as mkdir tells it */
  make(path: string, recursive: boolean): string | undefined {
    const parent = path.slice(0, path.lastIndexOf("/")) || "/";
    if (this.#files.has(path) || (this.#folders.has(path) && !recursive)) throw failure("EEXIST", path);
    if (!this.#folders.has(parent) && !recursive) throw failure("ENOENT", path);
    if (this.#folders.has(path)) return undefined;
    if (this.full) throw failure("ENOSPC", path);
    let first = path;
    for (let at = parent; !this.#folders.has(at); at = at.slice(0, at.lastIndexOf("/")) || "/") first = at;
    this.folder(path);
    return first;
  }

  rename(from: string, to: string): void {
    if (!this.#folders.has(from)) {
      this.name(to, this.inode(from));
      this.#files.delete(from);
      return;
    }
    const inside = this.below(from);
    this.folder(to);
    for (const path of inside) {
      const moved = `${to}${path.slice(from.length)}`;
      if (this.#folders.has(path)) this.folder(moved);
      else this.#files.set(moved, this.inode(path));
    }
    this.remove(from);
  }

  inode(path: string): Inode {
    const found = this.#files.get(path);
    if (found === undefined) throw failure("ENOENT", path);
    return found;
  }

  name(path: string, inode: Inode): void {
    this.#files.set(path, inode);
    const base = path.slice(path.lastIndexOf("/") + 1);
    if (path.startsWith("/out/") && !base.startsWith(".")) this.onPublish(path, inode.bytes.toString(), currentProcess());
  }

  has(path: string): boolean {
    return this.#files.has(path) || this.#folders.has(path);
  }

  isFolder(path: string): boolean {
    return this.#folders.has(path);
  }

  remove(path: string): void {
    this.#files.delete(path);
    for (const below of this.below(path)) {
      this.#files.delete(below);
      this.#folders.delete(below);
    }
    this.#folders.delete(path);
  }
}

let present = new SimFiles();

/** Makes this the file system of everything that runs from now on. */
export function mountFiles(files: SimFiles): void {
  present = files;
}

interface Handle {
  read(into: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  writeFile(text: string): Promise<void>;
  stat(): Promise<{ isFile(): boolean }>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Stands for node:fs/promises. */
export const simFsPromises = {
  async access(path: string): Promise<void> {
    await present.step();
    if (!present.has(path)) throw failure("ENOENT", path);
  },
  async copyFile(from: string, to: string): Promise<void> {
    await present.step();
    present.write(to, present.inode(from).bytes);
  },
  async link(from: string, to: string): Promise<void> {
    await present.step();
    const inode = present.inode(from);
    if (present.has(to)) throw failure("EEXIST", to);
    present.name(to, inode);
  },
  async mkdir(path: string, { recursive = false }: { recursive?: boolean } = {}): Promise<string | undefined> {
    await present.step();
    return present.make(path, recursive);
  },
  async open(path: string, mode: string | number): Promise<Handle> {
    await present.step();
    if (mode === "w") present.write(path, "");
    else if (!present.has(path)) throw failure("ENOENT", path);
    const held = present.isFolder(path) ? null : present.inode(path);
    return {
      async read(into, offset, length, position) {
        await present.step();
        const bytes = held!.bytes.subarray(position, position + length);
        into.set(bytes, offset);
        return { bytesRead: bytes.length };
      },
      async writeFile(text) {
        await present.step();
        if (present.full) throw failure("ENOSPC", path);
        held!.bytes = Buffer.from(text);
      },
      async stat() {
        await present.step();
        return { isFile: () => held !== null };
      },
      sync: () => present.step(),
      close: () => present.step(),
    };
  },
  async readFile(path: string): Promise<string> {
    await present.step();
    return present.inode(path).bytes.toString();
  },
  async readdir(path: string): Promise<string[]> {
    await present.step();
    if (!present.isFolder(path)) throw failure("ENOENT", path);
    const names = present.below(path).map((below) => below.slice(path.length + 1));
    return names.filter((name) => !name.includes("/"));
  },
  async rename(from: string, to: string): Promise<void> {
    await present.step();
    present.rename(from, to);
  },
  async rm(path: string): Promise<void> {
    await present.step();
    present.remove(path);
  },
  async stat(path: string): Promise<{ dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint; mtimeMs: number }> {
    await present.step();
    const { id, bytes, changed, changedMs } = present.inode(path);
    return { dev: 1n, ino: BigInt(id), size: BigInt(bytes.length), mtimeNs: BigInt(changed), mtimeMs: changedMs };
  },
  async writeFile(path: string, text: string): Promise<void> {
    await present.step();
    // Killed here it leaves an empty file.
    present.write(path, "");
    await present.step();
    present.write(path, text);
  },
};
