/** A TCP proxy of our own between a process and central, which can cut what passes and hold it back. */
import { createServer, connect as dial, type Server, type Socket } from "node:net";

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Nothing passes: neither bytes nor the end of a connection, as on a path that drops every packet. */
  #stalled = { out: false, in: false };
  port = 0;

  private constructor(target: number) {
    this.#server = createServer((near) => this.#join(near, dial(target, "127.0.0.1")));
  }

  static async listen(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    proxy.port = (proxy.#server.address() as { port: number }).port;
    return proxy;
  }

  #join(near: Socket, far: Socket): void {
    const pair: Pair = { near, far };
    this.#pairs.add(pair);
    const flow = (from: Socket, to: Socket) => {
      from.on("data", (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on("drain", () => {
        if (!this.#isStalled(pair, from)) from.resume();
      });
      from.on("error", () => {});
      from.on("close", () => {
        if (this.#stalled.out || this.#stalled.in) return;
        to.destroy();
        this.#pairs.delete(pair);
      });
    };
    flow(near, far);
    flow(far, near);
    this.#apply(pair);
  }

  #isStalled({ near }: Pair, from: Socket): boolean {
    return from === near ? this.#stalled.out : this.#stalled.in;
  }

  #apply(pair: Pair): void {
    for (const from of [pair.near, pair.far]) {
      if (this.#isStalled(pair, from)) from.pause();
      else from.resume();
    }
  }

  /** Resets every connection. */
  cut(): number {
    const count = this.#pairs.size;
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    this.#pairs.clear();
    return count;
  }

  stall(directions: { out: boolean; in: boolean }): void {
    this.#stalled = directions;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  /** What was held back passes; connections of which one end has gone meanwhile are reset. */
  flow(): void {
    this.stall({ out: false, in: false });
    for (const pair of [...this.#pairs]) {
      if (!pair.near.destroyed && !pair.far.destroyed) continue;
      pair.near.destroy();
      pair.far.destroy();
      this.#pairs.delete(pair);
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
