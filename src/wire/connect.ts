/**
 * Calls a remote actor over a link. `remote` has the actor's own interface: plain promises, whatever the link.
 * Never reconnects: after `closed` every call rejects with UNAVAILABLE, and the owner opens another link.
 */
import { type Remote, wrap } from "comlink";
import type { Party } from "../core/access.js";
import type { Clock } from "../core/clock.js";
import type { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Actor, Gate, MethodTable } from "../core/protocols.js";
import { GATE_METHODS } from "../core/protocols.js";
import { callerEndpoint } from "./endpoint.js";
import { installErrorHandler } from "./errors.js";
import type { Link } from "./link.js";

export interface ConnectOptions<I> {
  readonly clock: Clock;
  /** Deadline of a call (default `LIMITS.callDeadlineMs`). A long poll, whose request has `waitMs`, gets that much more. */
  readonly callDeadlineMs?: number;
  /** Methods that may take as long as they need, such as a kernel's run; they settle at the latest when the link closes. */
  readonly unlimited?: readonly (keyof I & string)[];
}

export interface Connection<I> {
  readonly remote: I;
  /** Resolves, never rejects, with the reason when the link closes. */
  readonly closed: Promise<XpcsError>;
  close(): void;
}

function waitMsOf(request: unknown): number {
  const waitMs = (request as { waitMs?: unknown } | null | undefined)?.waitMs;
  // A longer poll than there is gets its refusal, not a timer that no clock can count.
  return typeof waitMs === "number" && waitMs > 0 ? Math.min(waitMs, LIMITS.longPollMs) : 0;
}

/**
 * One plain function per declared method. They hold comlink's proxies, made once, so these live as long as they do; and nothing is `then`-able.
 */
function remoteOf<I extends Actor<I>>(proxy: Remote<I>, methods: MethodTable<I>): I {
  const remote: Record<string, (request: unknown) => Promise<unknown>> = {};
  for (const name of Object.keys(methods)) {
    const method = (proxy as unknown as Record<string, (request: unknown) => Promise<unknown>>)[name]!;
    remote[name] = (request) => method(request);
  }
  return remote as unknown as I;
}

/** Connects to the actor that the peer exposes on `link`. */
export function connect<I extends Actor<I>>(link: Link, methods: MethodTable<I>, options: ConnectOptions<I>): Connection<I> {
  installErrorHandler();
  const callDeadlineMs = options.callDeadlineMs ?? LIMITS.callDeadlineMs;
  const unlimited = new Set<string>(options.unlimited ?? []);
  const endpoint = callerEndpoint(link, {
    clock: options.clock,
    deadlineMs: (method, request) => (unlimited.has(method) ? null : waitMsOf(request) + callDeadlineMs),
  });
  return {
    remote: remoteOf(wrap<I>(endpoint), methods),
    closed: new Promise((resolve) => link.onClose(resolve)),
    close: () => link.close(),
  };
}

export interface SessionOptions<I> extends ConnectOptions<I> {
  readonly token: string;
  /** Version of this program, for the handshake. */
  readonly version: string;
  /** Whose interface `methods` are. */
  readonly party: Party;
}

/** What central said of the token. */
export type Welcome = Awaited<ReturnType<Gate["authenticate"]>>;

export interface Session<I> extends Connection<I> {
  readonly welcome: Welcome;
}

/**
 * Authenticates on a fresh link and gives the party's actor. Closes the link when that fails.
 *
 * @throws PERMISSION_DENIED unknown token or another party's; VERSION_MISMATCH; UNAVAILABLE; DEADLINE_EXCEEDED
 */
export async function openSession<I extends Actor<I>>(
  link: Link,
  methods: MethodTable<I>,
  options: SessionOptions<I>,
): Promise<Session<I>> {
  // The link has one receiver, so the gate and the party's actor share one connection; the peer switches behind it.
  const both = { ...GATE_METHODS, ...methods } as MethodTable<Gate & I>;
  const connection = connect<Gate & I>(link, both, options as ConnectOptions<Gate & I>);
  try {
    const welcome = await connection.remote.authenticate({ token: options.token, version: options.version, party: options.party });
    return { ...connection, welcome };
  } catch (error) {
    link.close();
    throw error;
  }
}
