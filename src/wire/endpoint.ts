/**
 * A link as the two kinds of endpoint that comlink wants: the caller's and the callee's. All that comlink leaves open is closed
 * here: what a peer may send, deadlines, calls in flight, and what becomes of pending calls when the link dies.
 * Comlink settles a call with any message that carries its id, so a synthetic reply is enough and comlink stays unpatched.
 */
import type { Endpoint } from "comlink";
import type { Clock, Timer } from "../core/clock.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { decodeFrame, encodeFrame } from "./codec.js";
import { toWireError } from "./errors.js";
import type { Link } from "./link.js";

type Listener = (event: { data: unknown }) => void;

/** comlink's ids are four random hex numbers; nothing longer is one. */
const ID_CHARS_MAX = 80;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= ID_CHARS_MAX;
}

function errorReply(id: string, error: XpcsError): Record<string, unknown> {
  return { id, type: "HANDLER", name: "throw", value: toWireError(error) };
}

/** comlink's Endpoint uses the browser's event types; ours carry only `data`, which is all that comlink reads. */
function asEndpoint(listeners: Set<Listener>, postMessage: (message: unknown) => void): Endpoint {
  return {
    postMessage,
    addEventListener: (_type: string, listener: unknown) => listeners.add(listener as Listener),
    removeEventListener: (_type: string, listener: unknown) => listeners.delete(listener as Listener),
  } as unknown as Endpoint;
}

export interface Call {
  readonly id: string;
  readonly method: string;
  /** The one argument, or undefined. */
  readonly request: unknown;
}

/**
 * Lets a call through only if it is APPLY of one declared method with at most one plain argument.
 * GET, SET, CONSTRUCT, ENDPOINT, RELEASE and handlers would give a peer our prototypes, constructors and memory.
 *
 * @throws REFUSED naming what is not allowed
 */
export function admitCall(message: unknown, methods: ReadonlySet<string>): Call {
  if (!isRecord(message) || !isId(message.id)) throw new XpcsError("REFUSED", "this message is no call");
  const { id, type, path, argumentList } = message;
  if (type !== "APPLY") throw new XpcsError("REFUSED", "only calls are allowed");
  if (!Array.isArray(path) || path.length !== 1 || typeof path[0] !== "string" || !methods.has(path[0])) {
    throw new XpcsError("REFUSED", "this method does not exist, or your token does not allow it");
  }
  if (!Array.isArray(argumentList) || argumentList.length > 1) throw new XpcsError("REFUSED", "a call takes one argument");
  const argument: unknown = argumentList[0];
  if (argument === undefined) return { id, method: path[0], request: undefined };
  if (!isRecord(argument) || argument.type !== "RAW") throw new XpcsError("REFUSED", "only plain data is allowed as argument");
  return { id, method: path[0], request: argument.value };
}

export interface CalleeOptions {
  readonly logger: Logger;
  /** Calls of one link that may be unanswered at a time (default `LIMITS.inFlightMax`). */
  readonly inFlightMax?: number;
}

export interface CalleeEndpoint {
  readonly endpoint: Endpoint;
  /** Sets the methods that may be called from now on. */
  admitOnly(methods: ReadonlySet<string>): void;
}

/** The side that answers. A frame that cannot be decoded closes the link; a call that is not allowed is answered with REFUSED. */
export function calleeEndpoint(link: Link, options: CalleeOptions): CalleeEndpoint {
  const { logger } = options;
  const inFlightMax = options.inFlightMax ?? LIMITS.inFlightMax;
  const listeners = new Set<Listener>();
  const inFlight = new Set<string>();
  let allowed: ReadonlySet<string> = new Set();

  const post = (message: unknown) => {
    const { id } = message as { id: string };
    inFlight.delete(id);
    if (link.buffered > LIMITS.bufferedBytesMax) {
      return link.close(new XpcsError("OVERLOADED", `the peer does not read: ${link.buffered} bytes wait for it`));
    }
    try {
      link.send(encodeFrame(message));
    } catch (error) {
      link.send(encodeFrame(errorReply(id, toXpcsError(error))));
    }
  };
  const receive = (bytes: Uint8Array) => {
    const message = decodeFrame(bytes);
    try {
      const call = admitCall(message, allowed);
      if (inFlight.has(call.id)) throw new XpcsError("REFUSED", "this call id is in use");
      if (inFlight.size >= inFlightMax)
        throw new XpcsError("OVERLOADED", `${inFlightMax} calls of this link wait for an answer: wait for some`);
      inFlight.add(call.id);
      // A fresh message: nothing of the peer's object reaches comlink but what was checked.
      const data = { id: call.id, type: "APPLY", path: [call.method], argumentList: [{ type: "RAW", value: call.request }] };
      for (const listener of listeners) listener({ data });
    } catch (error) {
      const refusal = toXpcsError(error);
      logger.warn("call-refused", { code: refusal.code, reason: refusal.message });
      if (isRecord(message) && isId(message.id) && !inFlight.has(message.id)) link.send(encodeFrame(errorReply(message.id, refusal)));
    }
  };
  link.onBytes((bytes) => {
    try {
      receive(bytes);
    } catch (error) {
      const reason = toXpcsError(error);
      logger.warn("frame-refused", { code: reason.code, reason: reason.message });
      link.close(reason);
    }
  });
  return {
    endpoint: asEndpoint(listeners, post),
    admitOnly: (methods) => {
      allowed = methods;
    },
  };
}

export interface CallerOptions {
  readonly clock: Clock;
  /** Deadline of one call, ms; null waits until the link closes. */
  readonly deadlineMs: (method: string, request: unknown) => number | null;
  readonly inFlightMax?: number;
}

interface Pending {
  readonly method: string;
  readonly timer: Timer | null;
}

/** The side that calls. Every call settles: with the reply, at its deadline, or when the link closes. */
export function callerEndpoint(link: Link, options: CallerOptions): Endpoint {
  const listeners = new Set<Listener>();
  const pending = new Map<string, Pending>();
  const inFlightMax = options.inFlightMax ?? LIMITS.inFlightMax;
  let closed: XpcsError | null = null;

  const deliver = (data: Record<string, unknown>) => {
    for (const listener of listeners) listener({ data });
  };
  const fail = (id: string, error: XpcsError) => {
    pending.get(id)?.timer?.cancel();
    pending.delete(id);
    deliver(errorReply(id, error));
  };
  const post = (message: unknown) => {
    const { id, type, path, argumentList } = message as { id: string; type: string; path?: string[]; argumentList?: { value: unknown }[] };
    // comlink sends RELEASE when it thinks a proxy is garbage; the life of a link is its owner's business.
    if (type === "RELEASE") return;
    if (closed !== null) return fail(id, new XpcsError("UNAVAILABLE", closed.message));
    if (pending.size >= inFlightMax) return fail(id, new XpcsError("OVERLOADED", `${inFlightMax} calls wait for an answer on this link`));
    if (link.buffered > LIMITS.bufferedBytesMax)
      return fail(id, new XpcsError("OVERLOADED", `${link.buffered} bytes wait for the peer, which does not read: try again in a moment`));
    const method = path?.[0] ?? "";
    try {
      const frame = encodeFrame(message);
      const deadlineMs = options.deadlineMs(method, argumentList?.[0]?.value);
      const late = () => fail(id, new XpcsError("DEADLINE_EXCEEDED", `${method}: no answer within ${deadlineMs} ms; it may have happened`));
      pending.set(id, { method, timer: deadlineMs === null ? null : options.clock.after(deadlineMs, late) });
      link.send(frame);
    } catch (error) {
      fail(id, toXpcsError(error));
    }
  };
  const receive = (bytes: Uint8Array) => {
    const message = decodeFrame(bytes);
    // An answer that came after its deadline has nobody to go to.
    if (!isRecord(message) || !isId(message.id) || !pending.has(message.id)) return;
    const { id, type, name, value } = message;
    if (type === "RAW" || (type === "HANDLER" && name === "throw")) {
      pending.get(id)?.timer?.cancel();
      pending.delete(id);
      deliver({ id, type, name, value });
    } else {
      fail(id, new XpcsError("INTERNAL", "the peer answered with something that is no plain data"));
    }
  };
  link.onBytes((bytes) => {
    try {
      receive(bytes);
    } catch (error) {
      link.close(toXpcsError(error));
    }
  });
  link.onClose((reason) => {
    closed = reason;
    for (const [id, { method }] of [...pending]) fail(id, new XpcsError("UNAVAILABLE", `${method}: ${reason.message}`));
  });
  return asEndpoint(listeners, post);
}
