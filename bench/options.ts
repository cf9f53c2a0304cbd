/** The words behind `npm run bench --`: a question and its options. What is not of a question is refused. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";

export interface Options {
  readonly cases: readonly string[];
  readonly runs: number;
  readonly scale: number;
  /** Null: not given. */
  readonly threads: number | null;
  readonly data: string;
  readonly json: string | undefined;
  readonly record: boolean;
  readonly check: boolean;
}

export class UsageError extends Error {}

const WITH_THREADS = ["boost-corr", "scaling", "detectors"];
const WITHOUT_GOALS = ["boost-corr", "scaling"];

/**
 * @param dataFolder of the inputs where none is named
 * @throws UsageError; what parseArgs throws
 */
export function parseOptions(argv: readonly string[], dataFolder: string): { readonly question: string; readonly options: Options } {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      case: { type: "string", multiple: true, default: [] },
      runs: { type: "string", default: "3" },
      scale: { type: "string", default: "1" },
      threads: { type: "string" },
      data: { type: "string", default: dataFolder },
      json: { type: "string" },
      record: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
    },
  });
  const question = positionals.join(" ");
  const [runs, scale] = [Number(values.runs), Number(values.scale)];
  if (!Number.isInteger(runs) || runs < 1) throw new UsageError("--runs must be a whole number from 1");
  if (!(scale > 0 && scale <= 1)) throw new UsageError("--scale must be above 0 and at most 1");
  const threads = values.threads === undefined ? null : Number(values.threads);
  if (threads !== null && !(Number.isInteger(threads) && threads >= 1)) throw new UsageError("--threads must be a whole number from 1");
  if (threads !== null && !WITH_THREADS.includes(question)) throw new UsageError(`--threads is for ${WITH_THREADS.join(", ")}`);
  const whole = scale === 1 && values.case.length === 0;
  if (values.record && !whole) throw new UsageError("--record keeps whole tables only: leave out --case and --scale");
  if (values.check && WITHOUT_GOALS.includes(question)) throw new UsageError(`--check: ${question} has no goals`);
  const { json, record, check } = values;
  return { question, options: { cases: values.case, runs, scale, threads, data: resolve(values.data), json, record, check } };
}
