// A fake kernel host that fails the way that `durationMs` names. It imitates native faults, which the real core must not have.
import { writeSync } from "node:fs";
import { XpcsError } from "../../dist/core/errors.js";
import { parentLink } from "../../dist/wire/child-link.js";
import { expose } from "../../dist/wire/expose.js";

const FAULTS = {
  // A native abort, with words on stderr.
  1: () => {
    writeSync(2, "terminate called: the heap is corrupt\n");
    process.abort();
  },
  2: () => process.exit(7),
  // Blocks the event loop for good: no sign of life.
  3: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  // Ignores cancel.
  4: () => new Promise(() => {}),
  // What the work needs is away.
  5: () => {
    throw new XpcsError("UNAVAILABLE", "the detector does not answer");
  },
};
const host = {
  run: async ({ work }) => FAULTS[work.durationMs](),
  progress: ({ waitMs }) => new Promise((resolve) => setTimeout(() => resolve({ progress: null }), waitMs)),
  cancel: async () => ({}),
};
const link = parentLink();
link.onClose(() => process.kill(process.pid, "SIGKILL"));
expose(host, { run: true, progress: true, cancel: true }, link, { logger: { info() {}, warn() {}, error() {} } });
