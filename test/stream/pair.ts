/** Two ends of one channel in this process, whose messages wait until they are delivered. */
import type { XpcsError } from "../../src/core/errors.js";
import type { BlockChannel } from "../../src/stream/sender.js";

export interface End extends BlockChannel {
  /** What is on its way to this end. */
  readonly waiting: Uint8Array[];
  /** Delivers up to `n` of them. */
  deliver(n?: number): void;
  closedWith: XpcsError | undefined;
}

/** The two ends; what one sends waits at the other. */
export function channelPair(): [End, End] {
  const make = (): End & { other: End | null; hear: (bytes: Uint8Array) => void; gone: ((reason: XpcsError) => void)[] } => ({
    ...{ other: null, waiting: [], closedWith: undefined, hear: () => {}, gone: [] },
    send(bytes) {
      this.other!.waiting.push(bytes);
    },
    onBytes(receive) {
      this.hear = receive;
    },
    onClose(run) {
      this.gone.push(run);
    },
    close(reason) {
      for (const end of [this, this.other as ReturnType<typeof make>]) {
        end.closedWith = reason;
        for (const run of end.gone.splice(0)) run(reason as XpcsError);
      }
    },
    deliver(n = Infinity) {
      for (let i = 0; i < n && this.waiting.length > 0; i += 1) this.hear(this.waiting.shift()!);
    },
  });
  const [a, b] = [make(), make()];
  [a.other, b.other] = [b, a];
  return [a, b];
}

/** Delivers until nothing is on its way. */
export function settle(...ends: End[]): void {
  while (ends.some(({ waiting }) => waiting.length > 0)) for (const end of ends) end.deliver();
}
