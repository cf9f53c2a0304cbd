/**
 * Threads for work whose calls wait, or that takes long: asked by messages, each answered once. Started when they are needed; they keep no process that waits for no answer.
 * The thread's side is serve-thread.ts.
 */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { isErrorCode, XpcsError } from "../core/errors.js";

export interface ThreadOrder<O> {
  readonly id: number;
  readonly order: O;
}

export interface ThreadAnswer<A> {
  readonly id: number;
  readonly answer: A | null;
  /** Of the project, or of the system. */
  readonly error: { readonly message: string; readonly code: string | undefined } | null;
}

export interface Thread<O, A> {
  /** Orders that are not answered. */
  readonly busy: number;
  /** @throws what the thread threw · INTERNAL it has ended */
  ask(order: O): Promise<A>;
}

interface Asked<A> {
  readonly done: (answer: A) => void;
  readonly failed: (error: Error) => void;
}

function errorOf({ message, code }: NonNullable<ThreadAnswer<unknown>["error"]>): Error {
  return isErrorCode(code) ? new XpcsError(code, message) : Object.assign(new Error(message), { code });
}

class WorkerThread<O, A> implements Thread<O, A> {
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked<A>>();
  readonly #onEnd: () => void;
  #next = 0;
  #ended: XpcsError | null = null;

  constructor(main: string, onEnd: () => void) {
    // Options of the process, such as those of a script on its command line, are not the thread's.
    this.#worker = new Worker(main, { execArgv: [] });
    this.#onEnd = onEnd;
    this.#worker.unref();
    this.#worker.on("message", ({ id, answer, error }: ThreadAnswer<A>) => {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (this.#asked.size === 0) this.#worker.unref();
      if (error === null) asked?.done(answer as A);
      else asked?.failed(errorOf(error));
    });
    this.#worker.once("error", (error) => this.#end(error.message));
    this.#worker.once("exit", (code) => this.#end(`exit ${code}`));
  }

  #end(why: string): void {
    this.#ended ??= new XpcsError("INTERNAL", `a thread of this process ended: ${why}`);
    this.#onEnd();
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { failed } of asked) failed(this.#ended);
  }

  get busy(): number {
    return this.#asked.size;
  }

  ask(order: O): Promise<A> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = this.#next++;
    // Whoever waits for its answer keeps the process.
    this.#worker.ref();
    return new Promise((done, failed) => {
      this.#asked.set(id, { done, failed });
      this.#worker.postMessage({ id, order } satisfies ThreadOrder<O>);
    });
  }
}

/**
 * @param name of the built program of the threads, from `dist`: tests run the sources, and threads as they are built
 * @param max threads; what they do, they do one order at a time
 * @returns gives one that has nothing to do, or has least
 */
export function openThreads<O, A>(name: string, max: number): () => Thread<O, A> {
  const top = import.meta.url.endsWith(".ts") ? "../../dist/" : "../";
  const main = fileURLToPath(new URL(`${top}${name}`, import.meta.url));
  const all: Thread<O, A>[] = [];
  return () => {
    const least = all.reduce<Thread<O, A> | null>((best, each) => (best === null || each.busy < best.busy ? each : best), null);
    if (least !== null && (least.busy === 0 || all.length >= max)) return least;
    const thread = new WorkerThread<O, A>(main, () => {
      const at = all.indexOf(thread);
      if (at >= 0) all.splice(at, 1);
    });
    all.push(thread);
    return thread;
  };
}
