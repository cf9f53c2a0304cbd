/** Orders for many jobs, a few at a time, so that central's bound on requests of one token is never met. */
import { ApiError, askJson } from "./api.js";

export type Order = "cancel" | "retry";

const AT_ONCE = 8;

export interface Ordered {
  readonly done: number;
  /** What central refused, by job. */
  readonly refused: readonly string[];
}

/** @param onProgress called after each job */
export async function orderJobs(order: Order, ids: readonly string[], onProgress: (done: number) => void): Promise<Ordered> {
  const left = [...ids];
  const refused: string[] = [];
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      try {
        await askJson(`/v1/jobs/${encodeURIComponent(id)}/${order}`, { method: "POST", body: {} });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        refused.push(`${id}: ${error.message}`);
      }
      done += 1;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { done, refused };
}
