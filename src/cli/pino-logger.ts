/**
 * The Logger of the long-running commands, on pino: one line per event on stderr, for people or as JSON.
 * stdout stays free for results.
 */
import { type DestinationStream, pino } from "pino";
import type { LogFields, Logger } from "../core/log.js";
import { visibleJson, visibleText } from "./visible-text.js";

export interface PinoLoggerOptions {
  /** One JSON object per line instead of `time level event key=value`. */
  readonly json: boolean;
  /** Fields of every line, such as the site's name. */
  readonly base?: LogFields;
  readonly stream?: DestinationStream;
}

interface Target extends DestinationStream {
  /** Writes what waits. */
  flush(): void;
}

/** stderr, with one write for all lines of a tick: a submission of a thousand jobs is as many lines. */
function stderrByTick(): Target {
  const file = pino.destination({ fd: 2, sync: true });
  let lines = "";
  const flush = (): void => {
    if (lines === "") return;
    const text = lines;
    lines = "";
    file.write(text);
  };
  process.once("exit", flush);
  return {
    flush,
    write(line) {
      if (lines === "") process.nextTick(flush);
      lines += line;
    },
  };
}

/** A logger that writes within the tick, and warnings and errors at once, so that the last line before a crash is not lost. */
export function createPinoLogger(options: PinoLoggerOptions): Logger {
  const target: Target = options.stream === undefined ? stderrByTick() : { write: (line) => options.stream?.write(line), flush() {} };
  const destination: DestinationStream = { write: (line) => target.write(options.json ? visibleLine(line) : humanLine(line)) };
  const logger = pino(
    {
      base: null,
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  // Merged here: pino would write a field that is also in its base twice.
  const merged = (fields?: LogFields): LogFields => (options.base === undefined ? { ...fields } : { ...options.base, ...fields });
  return {
    info: (event, fields) => logger.info(merged(fields), event),
    warn(event, fields) {
      logger.warn(merged(fields), event);
      target.flush();
    },
    error(event, fields) {
      logger.error(merged(fields), event);
      target.flush();
    },
  };
}

/** pino's line, whose end must stay. */
function visibleLine(json: string): string {
  return `${visibleJson(json.trimEnd())}\n`;
}

/** `12:03:04.120 warn  lease.lost  job=j7 epoch=2` from pino's JSON line. @throws it is none */
export function humanLine(json: string): string {
  const { time, level, event, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${humanValue(value)}`);
  return `${[`${clock} ${String(level).padEnd(5)} ${String(event)}`, ...pairs].join("  ")}\n`;
}

function humanValue(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return visibleText(/[\s"=]/.test(text) && typeof value === "string" ? JSON.stringify(text) : text);
}
