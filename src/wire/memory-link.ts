/** A pair of links inside one process: delivers on the next microtask, in order. For tests and for actors that share a process. */
import { XpcsError } from "../core/errors.js";
import { type CloseSignal, createCloseSignal, createInlet, type Inlet, type Link } from "./link.js";

interface Side {
  readonly inlet: Inlet;
  readonly signal: CloseSignal;
}

function createSide(): Side {
  return { inlet: createInlet(), signal: createCloseSignal() };
}

function linkOf(own: Side, peer: Side): Link {
  return {
    send(bytes) {
      if (own.signal.reason !== null) return;
      const copy = new Uint8Array(bytes);
      queueMicrotask(() => {
        if (peer.signal.reason === null) peer.inlet.take(copy);
      });
    },
    onBytes: own.inlet.onBytes,
    onClose: own.signal.onClose,
    close(reason) {
      own.signal.fire(reason ?? new XpcsError("UNAVAILABLE", "the link was closed"));
      queueMicrotask(() => peer.signal.fire(new XpcsError("UNAVAILABLE", "the peer closed the link")));
    },
    buffered: 0,
  };
}

/** Two connected ends. */
export function memoryLinkPair(): [Link, Link] {
  const a = createSide();
  const b = createSide();
  return [linkOf(a, b), linkOf(b, a)];
}
