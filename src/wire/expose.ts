/** Answers calls on a link with an actor's methods. Only declared methods can be called; what an actor is comes from its caller. */
import { expose as comlinkExpose } from "comlink";
import { isErrorCode, toXpcsError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import type { Actor, MethodTable } from "../core/protocols.js";
import { calleeEndpoint } from "./endpoint.js";
import { installErrorHandler } from "./errors.js";
import type { Link } from "./link.js";

export interface ExposeOptions {
  readonly logger: Logger;
  readonly inFlightMax?: number;
}

export interface Exposed {
  /** Replaces the actor: calls from now on go to `actor`. This is how a link changes after it is authenticated. */
  become<I extends Actor<I>>(actor: I, methods: MethodTable<I>): void;
}

type Handler = (request: unknown) => Promise<unknown>;

function handlersOf<I extends Actor<I>>(actor: I, methods: MethodTable<I>, logger: Logger): Map<string, Handler> {
  const handlers = new Map<string, Handler>();
  for (const name of Object.keys(methods)) {
    const method: unknown = Reflect.get(actor, name);
    if (typeof method !== "function") throw new TypeError(`the actor has no method ${name}`);
    handlers.set(name, async (request) => {
      try {
        return await (Reflect.apply(method, actor, [request]) as Promise<unknown>);
      } catch (error) {
        // What has no code of ours is a defect: its stack belongs in our log, not on the wire.
        if (!isErrorCode((error as { code?: unknown } | null)?.code)) {
          logger.error("call-failed", { method: name, stack: error instanceof Error ? error.stack : String(error) });
        }
        throw toXpcsError(error);
      }
    });
  }
  return handlers;
}

/**
 * Exposes `actor` on `link`.
 *
 * @param methods the methods that may be called; a table beside the interface, so that none can be forgotten
 */
export function expose<I extends Actor<I>>(actor: I, methods: MethodTable<I>, link: Link, options: ExposeOptions): Exposed {
  installErrorHandler();
  const callee = calleeEndpoint(link, options);
  // No prototype: a name that is not declared finds nothing, whatever it is.
  const target: Record<string, Handler> = Object.create(null) as Record<string, Handler>;
  const become = <J extends Actor<J>>(next: J, table: MethodTable<J>) => {
    const handlers = handlersOf(next, table, options.logger);
    for (const name of Object.keys(target)) delete target[name];
    for (const [name, handler] of handlers) target[name] = handler;
    callee.admitOnly(new Set(handlers.keys()));
  };
  become(actor, methods);
  comlinkExpose(target, callee.endpoint);
  return { become };
}
