// The child of the link suite. It needs the built output, because node runs it without a transpiler.

import { XpcsError } from "../../dist/core/errors.js";
import { parentLink } from "../../dist/wire/child-link.js";
import { expose } from "../../dist/wire/expose.js";

const probe = {
  echo: async (request) => request,
  fail: async () => {
    throw new XpcsError("NOT_FOUND", "no such job", { id: "j1", attempts: 2 });
  },
  crash: async () => {
    throw new TypeError("a defect");
  },
  never: () => new Promise(() => {}),
};
const silent = { info() {}, warn() {}, error() {} };
expose(probe, { echo: true, fail: true, crash: true, never: true }, parentLink(), { logger: silent });
