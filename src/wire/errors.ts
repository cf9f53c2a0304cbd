/**
 * How errors cross a link: code, message and details, never a stack or a class. Replaces comlink's own handler, which keeps
 * only name, message and stack; removes its callback proxies, which cannot cross a socket and would let a peer hold our objects.
 */
import { transferHandlers } from "comlink";
import { type ErrorCode, type ErrorDetails, isErrorCode, toXpcsError, XpcsError } from "../core/errors.js";

/** An error on the wire. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

/** Any thrown value as it goes on the wire. */
export function toWireError(error: unknown): WireError {
  const { code, message, details } = toXpcsError(error);
  return { code, message, details: { ...details } };
}

function isPlainDetails(value: unknown): value is ErrorDetails {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((field) => field === null || ["string", "number", "boolean"].includes(typeof field))
  );
}

/** What a peer sent as an error; a peer's unknown code (it may be newer) becomes INTERNAL with its message. */
export function fromWireError(value: unknown): XpcsError {
  if (typeof value !== "object" || value === null) return new XpcsError("INTERNAL", "the peer sent an error without a code");
  const { code, message, details } = value as Record<string, unknown>;
  const text = typeof message === "string" ? message : "the peer sent an error without a message";
  return new XpcsError(isErrorCode(code) ? code : "INTERNAL", text, isPlainDetails(details) ? { ...details } : {});
}

/** Sets comlink's module-wide handlers; harmless when repeated. */
export function installErrorHandler(): void {
  const comlinks = transferHandlers.get("throw");
  if (comlinks === undefined || installed.has(comlinks)) return;
  const handler = {
    canHandle: comlinks.canHandle,
    serialize: (thrown: unknown): [WireError, []] => [toWireError((thrown as { value: unknown }).value), []],
    deserialize: (value: unknown): never => {
      throw fromWireError(value);
    },
  };
  installed.add(handler);
  transferHandlers.set("throw", handler as typeof comlinks);
  transferHandlers.delete("proxy");
}

const installed = new WeakSet<object>();
