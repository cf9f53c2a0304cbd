/** The thread's side of threads.ts. */
import { parentPort } from "node:worker_threads";
import type { ThreadAnswer, ThreadOrder } from "./threads.js";

/** Answers each order in turn. @param answer what it throws is thrown to whoever asked */
export function serveThread<O, A>(answer: (order: O) => A): void {
  const answered = ({ id, order }: ThreadOrder<O>): ThreadAnswer<A> => {
    try {
      return { id, answer: answer(order), error: null };
    } catch (thrown) {
      const { message, code } = thrown as NodeJS.ErrnoException;
      return { id, answer: null, error: { message, code } };
    }
  };
  parentPort!.on("message", (order: ThreadOrder<O>) => parentPort!.postMessage(answered(order)));
}
