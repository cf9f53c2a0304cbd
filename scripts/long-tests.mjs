/** Files and folders of tests that `npm test` leaves to `npm run test:long`: each takes half a minute or more of a quiet machine. */
export const LONG_TESTS = [
  "test/bench/live-run.test.ts",
  "test/bundle/bare-machine.test.ts",
  "test/chaos",
  "test/cli/pilot-network.test.ts",
  "test/cli/site-pilots.test.ts",
  "test/cli/site-service.test.ts",
  "test/cli/submit-watch.test.ts",
  "test/clients",
  "test/operations.test.ts",
  "test/sim/defects.test.ts",
  "test/web",
  "test/xpcs/lag-correlation.test.ts",
];

/** Those that stop and continue processes by the clock, and want the machine for themselves: `npm run test:overload`. */
export const LONE_TESTS = ["test/cli/stream-overload.test.ts"];
