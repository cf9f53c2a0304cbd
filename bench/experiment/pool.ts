/** Runs tasks in some processes of their own: worker.ts is what each of them does. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Task } from "./worker.js";

const WORKER = fileURLToPath(new URL("worker.js", import.meta.url));

/**
 * The answers, in the order of the tasks.
 *
 * @throws what a task threw, as text
 */
export async function inWorkers<Answer>(tasks: readonly Task[], workers: number): Promise<Answer[]> {
  const answers = new Array<Answer>(tasks.length);
  let next = 0;
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(WORKER, { serialization: "advanced", stdio: ["ignore", "inherit", "inherit", "ipc"] });
      let at = -1;
      const give = (): void => {
        if (next >= tasks.length) return void child.disconnect();
        at = next;
        next += 1;
        child.send(tasks[at]!);
      };
      child.on("message", (message: { answer?: Answer; error?: string }) => {
        if (message.error !== undefined) {
          child.kill();
          return reject(new Error(message.error));
        }
        answers[at] = message.answer as Answer;
        give();
      });
      child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
      give();
    });
  await Promise.all(Array.from({ length: Math.min(workers, tasks.length) }, work));
  return answers;
}
