/** How the tests run: which files, how many at once, how long each may take. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Tests that start processes wait about as long as they work: three files at a time keep two cores busy, and no busier than they bear.
    maxWorkers: 3,
    // Of tests in one file that may run at a time (test/sites/schedulers): they wait more than they work.
    maxConcurrency: 6,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
