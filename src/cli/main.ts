#!/usr/bin/env node
/** The `xpcs` process: its streams, signals and exit. What a command line does is command-line.ts. */
import { runCommandLine } from "./command-line.js";
import { createRun, type InterruptName } from "./output.js";

const ECHO_MS = 2_000;

/** Waits until what was written has left the process: pipes are asynchronous. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write("", () => resolve());
  });
}

async function main(argv: readonly string[]): Promise<void> {
  const options = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const run = createRun({ stdout: process.stdout, stderr: process.stderr }, options.includes("--json"));
  // `xpcs jobs | head` closes our stdout: that is the reader's right and no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  let firstTermMs = Number.NEGATIVE_INFINITY;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] satisfies InterruptName[]) {
    process.on(name, () => {
      // A batch system tells all processes of a job to end, and the job's script tells them again: that is one wish.
      const isEcho = name === "SIGTERM" && performance.now() - firstTermMs < ECHO_MS;
      if (isEcho) return;
      if (!run.interrupt(name)) process.exit(130);
      if (name === "SIGTERM") firstTermMs = performance.now();
    });
  }
  const exitCode = await runCommandLine(argv, run);
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  process.exit(exitCode);
}

await main(process.argv.slice(2));
