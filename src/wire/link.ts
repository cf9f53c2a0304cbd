/**
 * The transport seam: whole messages of bytes, in order, until the link closes. What a close does to callers: every
 * pending call rejects with UNAVAILABLE, its outcome unknown (endpoint.ts). A link never reconnects; its owner opens another.
 */
import type { XpcsError } from "../core/errors.js";

export interface Link {
  /** Queues one message. After the link has closed this does nothing. */
  send(bytes: Uint8Array): void;
  /** Sets the one receiver. It must not throw. */
  onBytes(receive: (bytes: Uint8Array) => void): void;
  /** Calls `run` once, when the link has closed (at once if it has already), with the reason as an error. */
  onClose(run: (reason: XpcsError) => void): void;
  /** Closes both directions; harmless when repeated. The peer's calls end with UNAVAILABLE; it may learn the reason's message. */
  close(reason?: XpcsError): void;
  /** Bytes accepted by `send` that the transport has not passed on yet. */
  readonly buffered: number;
}

/** The close half of a link: remembers the first reason and tells everyone once. */
export interface CloseSignal {
  readonly reason: XpcsError | null;
  fire(reason: XpcsError): void;
  onClose(run: (reason: XpcsError) => void): void;
}

/** A close signal that has not fired. */
export function createCloseSignal(): CloseSignal {
  let reason: XpcsError | null = null;
  let waiting: ((reason: XpcsError) => void)[] = [];
  return {
    get reason() {
      return reason;
    },
    fire(first) {
      if (reason !== null) return;
      reason = first;
      const runs = waiting;
      waiting = [];
      for (const run of runs) run(first);
    },
    onClose(run) {
      if (reason !== null) run(reason);
      else waiting.push(run);
    },
  };
}

/** The receiving half of a link: what comes before there is a receiver waits for it. */
export interface Inlet {
  take(bytes: Uint8Array): void;
  onBytes(receive: (bytes: Uint8Array) => void): void;
}

/** One without a receiver. */
export function createInlet(): Inlet {
  let receive: ((bytes: Uint8Array) => void) | null = null;
  let early: Uint8Array[] = [];
  return {
    take(bytes) {
      if (receive === null) early.push(bytes);
      else receive(bytes);
    },
    onBytes(run) {
      receive = run;
      const waiting = early;
      early = [];
      for (const bytes of waiting) run(bytes);
    },
  };
}
