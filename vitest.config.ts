/** How the tests run: which files, how many at once, how long each may take. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Tests that start processes or the native core need the cores for themselves.
    maxWorkers: 2,
    // Of tests in one file that may run at a time (test/sites/schedulers): they wait more than they work.
    maxConcurrency: 6,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
