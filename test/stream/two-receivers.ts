/** Two receivers of one source over real websockets: a viewer that stops after its first block, and one that is behind and takes the rest after the end. */
import { WebSocket } from "ws";
import { creditBlock, openBlock, readBlock, stopBlock } from "../../src/stream/blocks.js";

export interface TakenPhotons {
  readonly frame: number[];
  readonly pixel: number[];
  readonly count: number[];
  /** Frames of the stream, as its end says. */
  readonly frames: number;
}

/** Resolves when the viewer has stopped and its connection is closed. */
export function viewer(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.on("error", reject);
    socket.on("close", () => resolve());
    socket.on("message", (data) => {
      const { kind } = readBlock(new Uint8Array(data as Buffer));
      if (kind === "header") return socket.send(openBlock(1, 0, 1));
      socket.send(stopBlock());
      socket.close();
    });
  });
}

/**
 * Takes one block, waits for `go`, then takes one after the other, with a pause between them.
 * @returns when the first block is there; `all` rejects where blocks do not follow one another, or the source goes before the end
 */
export async function behind(url: string, go: Promise<unknown>): Promise<{ all: Promise<TakenPhotons> }> {
  const taken = { frame: [] as number[], pixel: [] as number[], count: [] as number[] };
  let [next, at] = [1, 0];
  let begun = (): void => {};
  const first = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const socket = new WebSocket(url);
  const all = new Promise<TakenPhotons>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`the source went after frame ${at}`)));
    socket.on("message", (data) => {
      const block = readBlock(new Uint8Array(data as Buffer));
      if (block.kind === "header") return socket.send(openBlock(1, 0, 1));
      if (block.kind === "end") {
        socket.send(stopBlock());
        return resolve({ ...taken, frames: block.frames });
      }
      if (block.kind !== "events" || block.sequence !== next || block.first !== at)
        return reject(new Error(`a block of kind ${block.kind} in place of events from frame ${at}`));
      const words = new DataView(block.words.slice().buffer);
      for (let i = 0; i < words.byteLength; i += 8) {
        const word = words.getBigUint64(i, true);
        taken.frame.push(at + Number(word >> 44n));
        taken.pixel.push(Number((word >> 16n) & 0xfffffffn));
        taken.count.push(Number(word & 0xffffn));
      }
      [next, at] = [next + 1, at + block.frames];
      begun();
      void go.then(() => setTimeout(() => socket.send(creditBlock(1)), 2));
    });
  });
  all.catch(() => {});
  await Promise.race([first, all]);
  return { all };
}
