/**
 * What a command sees of the outside: two streams, the --json switch, and the interrupt signal.
 * One place decides how results and errors look and which exit code ends the process; commands only return or throw.
 */
import { ERROR_CODES, toXpcsError, type XpcsError } from "../core/errors.js";
import { visibleJson, visibleText } from "./visible-text.js";

export type InterruptName = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface CliIo {
  /** True under --json: one JSON value per result on stdout, errors as JSON on stderr, no other text. */
  readonly json: boolean;
  /** True when a person watches stdout: live progress is welcome. */
  readonly interactive: boolean;
  /**
   * Aborted by the first Ctrl-C, SIGTERM or SIGHUP. A command that reads this property promises to end soon after;
   * for one that never reads it the process ends at once. A second signal always ends the process.
   */
  readonly signal: AbortSignal;
  /** Which signal came, if one did. */
  readonly interrupted: InterruptName | null;
  /** One line, or several, on stdout for a person; nothing under --json. A terminal gets no control characters. */
  out(text: string): void;
  /** As `out`, but as it is, also to a terminal. */
  outRaw(text: string): void;
  /** One line on stderr for a person: progress, hints; nothing under --json. */
  note(text: string): void;
  /** The result: `value` as one JSON line under --json, else what `human` returns. */
  result(value: unknown, human: () => string): void;
  /** Sets the exit code of a command that ends without an error; the highest one wins. */
  exitWith(code: 0 | 1 | 2 | 3 | 4): void;
}

interface CliStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface CliStreams {
  readonly stdout: CliStream;
  readonly stderr: CliStream;
}

/** The CliIo of one run, and what only the frame uses. */
export interface CliRun {
  readonly io: CliIo;
  readonly exitCode: () => number;
  /** Writes to stdout whatever the form of the results: help and the version. */
  readonly print: (text: string) => void;
  /** Tells the command of a signal; answers whether the command will end by itself. */
  readonly interrupt: (name: InterruptName) => boolean;
  /** Prints an error and answers with its exit code. */
  readonly fail: (error: unknown) => number;
}

/** The CliIo of one command line over the given streams. */
export function createRun(streams: CliStreams, json: boolean): CliRun {
  const controller = new AbortController();
  let listens = false;
  let interrupted: InterruptName | null = null;
  let exitCode = 0;
  const line = (text: string): string => (text.endsWith("\n") ? text : `${text}\n`);
  // What goes into a file or a pipe is for a program, which gets what there is.
  const shown = (stream: CliStream, text: string): string => line(stream.isTTY === true ? visibleText(text) : text);
  const io: CliIo = {
    json,
    interactive: !json && streams.stdout.isTTY === true,
    get signal() {
      listens = true;
      return controller.signal;
    },
    get interrupted() {
      return interrupted;
    },
    out(text) {
      if (!json) streams.stdout.write(shown(streams.stdout, text));
    },
    outRaw(text) {
      if (!json) streams.stdout.write(line(text));
    },
    note(text) {
      if (!json) streams.stderr.write(shown(streams.stderr, text));
    },
    result(value, human) {
      streams.stdout.write(json ? `${visibleJson(JSON.stringify(value))}\n` : shown(streams.stdout, human()));
    },
    exitWith(code) {
      exitCode = Math.max(exitCode, code);
    },
  };
  return {
    io,
    print: (text) => void streams.stdout.write(text),
    exitCode: () => (interrupted === "SIGINT" ? ERROR_CODES.CANCELED.exitCode : exitCode),
    interrupt(name) {
      if (interrupted !== null) return false;
      interrupted = name;
      controller.abort();
      return listens;
    },
    fail(error) {
      const known = toXpcsError(error);
      streams.stderr.write(json ? `${errorJson(known)}\n` : shown(streams.stderr, errorLine(known)));
      return ERROR_CODES[known.code].exitCode;
    },
  };
}

/** `xpcs: message (CODE)` on one line. */
export function errorLine(error: XpcsError): string {
  return `xpcs: ${error.message.replace(/\s*\n\s*/g, " ").trim()} (${error.code})`;
}

/** `{"error":{"code","message"}}`, the form for programs. */
function errorJson(error: XpcsError): string {
  return visibleJson(JSON.stringify({ error: { code: error.code, message: error.message } }));
}

export interface Column {
  readonly title: string;
  /** Numbers read better to the right. */
  readonly align?: "left" | "right";
}

/** Rows under their titles, columns as wide as their widest cell, two spaces between them. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, at) => Math.max(column.title.length, ...rows.map((row) => (row[at] ?? "").length)));
  const format = (cells: readonly string[]): string =>
    columns
      .map((column, at) => {
        const cell = cells[at] ?? "";
        const width = widths[at] ?? 0;
        return column.align === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [format(columns.map((column) => column.title)), ...rows.map(format)].join("\n");
}
