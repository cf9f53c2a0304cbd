/**
 * The one error class and its closed code table.
 *
 * A code is stable for ever; a message is free text for a person: what, where, what to do.
 * Each code answers two questions as data: may the caller retry, and may the action have happened?
 * Never test errors with `instanceof` across a process or package seam: use `isCode`.
 */

export type Retry = "no" | "yes" | "after-delay" | "counted";
export type Outcome = "not-applied" | "unknown" | "attempt-failed" | "none";

export interface CodeFacts {
  readonly retry: Retry;
  /** What may have happened on the other side. */
  readonly outcome: Outcome;
  /** Exit code of the `xpcs` command when this error ends it. */
  readonly exitCode: 1 | 2 | 3 | 4 | 130;
  readonly meaning: string;
}

export const ERROR_CODES = {
  INVALID_ARGUMENT: { retry: "no", outcome: "not-applied", exitCode: 2, meaning: "an argument, option or setting is wrong" },
  NOT_FOUND: { retry: "no", outcome: "not-applied", exitCode: 2, meaning: "a file, job or site of that name does not exist" },
  ALREADY_EXISTS: { retry: "no", outcome: "not-applied", exitCode: 2, meaning: "the output is there already; --overwrite replaces it" },
  UNSUPPORTED: { retry: "no", outcome: "not-applied", exitCode: 2, meaning: "a format, setting or option that this version does not have" },
  CORRUPT_DATA: {
    retry: "no",
    outcome: "none",
    exitCode: 2,
    meaning: "a file is truncated or contradicts itself; the message has the byte or frame",
  },
  PERMISSION_DENIED: { retry: "no", outcome: "not-applied", exitCode: 4, meaning: "the token does not allow this" },
  KEY_CONFLICT: { retry: "no", outcome: "not-applied", exitCode: 4, meaning: "the idempotency key was used for another request" },
  STALE_LEASE: { retry: "no", outcome: "not-applied", exitCode: 4, meaning: "the lease was granted again; discard the work" },
  REFUSED: { retry: "no", outcome: "not-applied", exitCode: 4, meaning: "a rule of central or of the site forbids this" },
  VERSION_MISMATCH: { retry: "no", outcome: "not-applied", exitCode: 4, meaning: "the two programs are of versions that cannot talk" },
  OVERLOADED: { retry: "after-delay", outcome: "not-applied", exitCode: 3, meaning: "a bound on calls, bytes or queue length was reached" },
  UNAVAILABLE: { retry: "yes", outcome: "unknown", exitCode: 3, meaning: "the link is closed or central cannot be reached" },
  DEADLINE_EXCEEDED: { retry: "yes", outcome: "unknown", exitCode: 3, meaning: "no answer came in time" },
  NATIVE_CRASHED: { retry: "counted", outcome: "attempt-failed", exitCode: 1, meaning: "the kernel host process died" },
  OUT_OF_MEMORY: { retry: "counted", outcome: "attempt-failed", exitCode: 1, meaning: "the analysis needs more memory than there is" },
  WALLTIME_EXCEEDED: { retry: "counted", outcome: "attempt-failed", exitCode: 1, meaning: "the attempt took longer than the job allows" },
  COMMAND_FAILED: { retry: "counted", outcome: "attempt-failed", exitCode: 1, meaning: "a command app ended with an error: see xpcs logs" },
  IO_FAILED: { retry: "counted", outcome: "attempt-failed", exitCode: 1, meaning: "reading or writing failed (disk full, no permission)" },
  CHECKSUM_MISMATCH: { retry: "counted", outcome: "attempt-failed", exitCode: 1, meaning: "a transferred file differs from its source" },
  CANCELED: { retry: "no", outcome: "none", exitCode: 130, meaning: "stopped by the user" },
  INTERNAL: { retry: "no", outcome: "unknown", exitCode: 1, meaning: "a defect of this program; please report it" },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Plain data that may accompany an error: it crosses the wire, so no class instances. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

export class XpcsError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.name = "XpcsError";
    this.code = code;
    this.details = details;
  }
}

/** True for a code of the table above. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_CODES, value);
}

/** True when `error` carries `code`, whichever copy of the class (or the addon) made it. */
export function isCode(error: unknown, code: ErrorCode): boolean {
  return typeof error === "object" && error !== null && (error as { code?: unknown }).code === code;
}

/** Any thrown value as an XpcsError; what has no code of ours becomes INTERNAL with its message. */
export function toXpcsError(error: unknown): XpcsError {
  if (error instanceof XpcsError) return error;
  if (typeof error === "object" && error !== null) {
    const { code, message, details } = error as { code?: unknown; message?: unknown; details?: unknown };
    if (isErrorCode(code)) {
      const plain = typeof details === "object" && details !== null ? (details as ErrorDetails) : {};
      return new XpcsError(code, typeof message === "string" ? message : code, plain);
    }
    if (typeof message === "string") return new XpcsError("INTERNAL", message);
  }
  return new XpcsError("INTERNAL", String(error));
}
