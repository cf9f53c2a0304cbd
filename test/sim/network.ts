/**
 * Links between processes of the simulation, with what goes wrong on real ones. A link keeps order and loses nothing until it closes, as a
 * websocket does; while its peer's path is lossy it drops, repeats and reorders frames, which is harsher than TCP on purpose. A path that
 * carries nothing is noticed by each end alone, by the heartbeat's rule: three beats without a sign of the other.
 */
import { XpcsError } from "../../src/core/errors.js";
import { LIMITS } from "../../src/core/limits.js";
import { createCloseSignal, type Link } from "../../src/wire/link.js";
import type { SimProcess } from "./process.js";

/** What lies between one peer and central. */
interface Path {
  readonly blocked: { out: boolean; in: boolean };
  /** Share of frames that are lost, and that come twice. */
  loss: number;
  slowMs: number;
}

const BEATS_MISSED_MAX = 3;
const LATENCY_MAX_MS = 30;
const REORDER_MAX_MS = 600;

type Direction = "out" | "in";

class End {
  readonly process: SimProcess;
  readonly signal = createCloseSignal();
  receive: ((bytes: Uint8Array) => void) | null = null;
  early: Uint8Array[] = [];
  /** Frames that wait for the path to this end. */
  stalled: Uint8Array[] = [];
  lastArrivalMs = 0;

  constructor(process: SimProcess) {
    this.process = process;
  }

  take(bytes: Uint8Array): void {
    if (this.signal.reason !== null) return;
    if (this.receive === null) this.early.push(bytes);
    else this.receive(bytes);
  }
}

interface Pair {
  readonly peer: string;
  readonly near: End;
  readonly far: End;
  /** Carries nothing any more, and says nothing. */
  halfOpen: boolean;
}

export class Network {
  readonly #rng: () => number;
  readonly #mark: (what: string) => void;
  readonly #paths = new Map<string, Path>();
  #pairs = new Set<Pair>();

  constructor(rng: () => number, mark: (what: string) => void) {
    this.#rng = rng;
    this.#mark = mark;
  }

  #path(peer: string): Path {
    const path = this.#paths.get(peer) ?? { blocked: { out: false, in: false }, loss: 0, slowMs: 0 };
    this.#paths.set(peer, path);
    return path;
  }

  /** A new link from a peer to central; closed at once where it cannot come through. */
  dial(peer: string, from: SimProcess, to: SimProcess | null): { near: Link; far: Link | null } {
    const near = new End(from);
    const { blocked } = this.#path(peer);
    if (to === null || to.paused || blocked.in || blocked.out) {
      near.signal.fire(new XpcsError("UNAVAILABLE", "nobody answers there"));
      return { near: this.#link({ peer, near, far: near, halfOpen: true }, "out"), far: null };
    }
    const pair: Pair = { peer, near, far: new End(to), halfOpen: false };
    this.#pairs.add(pair);
    for (const end of [pair.near, pair.far]) {
      this.#beat(pair, end, 0);
      end.signal.onClose(() => {
        if (pair.near.signal.reason !== null && pair.far.signal.reason !== null) this.#pairs.delete(pair);
      });
    }
    return { near: this.#link(pair, "out"), far: this.#link(pair, "in") };
  }

  /** Both ends learn at once that the link is gone. */
  cut(peer: string): void {
    for (const pair of this.#of(peer)) this.#closeBoth(pair, "the link was cut");
  }

  /** The links that are open now carry nothing more, and nobody is told. */
  halfOpen(peer: string): void {
    for (const pair of this.#of(peer)) pair.halfOpen = true;
  }

  block(peer: string, directions: readonly Direction[]): void {
    for (const direction of directions) this.#path(peer).blocked[direction] = true;
  }

  /** What was held back arrives, as TCP sends it again. */
  unblock(peer: string): void {
    const path = this.#path(peer);
    path.blocked.in = false;
    path.blocked.out = false;
    for (const pair of this.#of(peer)) {
      for (const end of [pair.near, pair.far]) for (const bytes of end.stalled.splice(0)) this.#deliver(pair, end, bytes, path);
    }
  }

  lossy(peer: string, share: number): void {
    this.#path(peer).loss = share;
  }

  slow(peer: string, ms: number): void {
    this.#path(peer).slowMs = ms;
  }

  /** All paths are as they were. */
  heal(): void {
    for (const [peer, path] of this.#paths) {
      path.loss = 0;
      path.slowMs = 0;
      this.unblock(peer);
    }
  }

  /** A process is gone: those at the other ends of its links hear of it, if the path is there. */
  gone(process: SimProcess): void {
    for (const pair of [...this.#pairs]) {
      if (pair.near.process !== process && pair.far.process !== process) continue;
      const { near, far, halfOpen } = pair;
      const { blocked } = this.#path(pair.peer);
      const [end, way] = near.process === process ? [far, blocked.out] : ([near, blocked.in] as const);
      if (!halfOpen && !way) end.process.clock.after(5, () => end.signal.fire(new XpcsError("UNAVAILABLE", "the peer is gone")));
    }
  }

  #of(peer: string): Pair[] {
    return [...this.#pairs].filter((pair) => pair.peer === peer);
  }

  #closeBoth({ near, far }: Pair, why: string): void {
    for (const end of [near, far]) end.process.clock.after(0, () => end.signal.fire(new XpcsError("UNAVAILABLE", why)));
  }

  #beat(pair: Pair, end: End, missed: number): void {
    end.process.clock.after(LIMITS.heartbeatMs, () => {
      if (end.signal.reason !== null) return;
      const other = end === pair.near ? pair.far : pair.near;
      const { blocked } = this.#path(pair.peer);
      const silent =
        pair.halfOpen || blocked.in || blocked.out || !other.process.alive || other.process.paused || other.signal.reason !== null;
      const now = silent ? missed + 1 : 0;
      if (now < BEATS_MISSED_MAX) return this.#beat(pair, end, now);
      this.#mark("a dead link was noticed by its heartbeat");
      this.#close(pair, end, new XpcsError("UNAVAILABLE", "the peer has not answered"));
    });
  }

  /** Closes one end; the other learns of it where the path is there. */
  #close(pair: Pair, end: End, reason: XpcsError): void {
    if (end.signal.reason !== null) return;
    end.signal.fire(reason);
    const other = end === pair.near ? pair.far : pair.near;
    const { blocked } = this.#path(pair.peer);
    const way = end === pair.near ? blocked.out : blocked.in;
    if (pair.halfOpen || way) return;
    const left = Math.max(0, other.lastArrivalMs - other.process.clock.monotonicMs());
    other.process.clock.after(left + 1, () =>
      other.signal.fire(new XpcsError("UNAVAILABLE", `the peer closed the link: ${reason.message}`)),
    );
  }

  #deliver(pair: Pair, to: End, bytes: Uint8Array, path: Path): void {
    const { clock } = to.process;
    const lossy = path.loss > 0;
    const repeat = lossy && this.#rng() < path.loss;
    for (let copy = 0; copy < (repeat ? 2 : 1); copy += 1) {
      const delay = path.slowMs * this.#rng() + LATENCY_MAX_MS * this.#rng() ** 3 + (lossy ? REORDER_MAX_MS * this.#rng() ** 3 : 0);
      const arrival = lossy ? clock.monotonicMs() + delay : Math.max(to.lastArrivalMs, clock.monotonicMs() + delay);
      to.lastArrivalMs = Math.max(to.lastArrivalMs, arrival);
      clock.after(arrival - clock.monotonicMs(), () => {
        if (!pair.halfOpen) to.take(bytes);
      });
    }
    if (repeat) this.#mark("a frame came twice");
  }

  #link(pair: Pair, direction: Direction): Link {
    const [own, other] = direction === "out" ? [pair.near, pair.far] : [pair.far, pair.near];
    return {
      send: (bytes) => {
        if (own.signal.reason !== null || pair.halfOpen) return;
        const path = this.#path(pair.peer);
        const copy = bytes.slice();
        if (path.loss > 0 && this.#rng() < path.loss) this.#mark("a frame was dropped");
        else if (path.blocked[direction]) other.stalled.push(copy);
        else this.#deliver(pair, other, copy, path);
      },
      onBytes(receive) {
        own.receive = receive;
        for (const bytes of own.early.splice(0)) receive(bytes);
      },
      onClose: own.signal.onClose,
      close: (reason) => this.#close(pair, own, reason ?? new XpcsError("UNAVAILABLE", "the link was closed")),
      buffered: 0,
    };
  }
}
