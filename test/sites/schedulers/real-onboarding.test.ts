/** A new site on real schedulers: what `xpcs site init` writes is right there, and its self-test runs through the queue: `npm run test:schedulers`. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startFacility } from "../../chaos/processes.js";
import { startXpcs } from "../../cli/xpcs-process.js";
import { RIGS } from "./rigs.js";

const REAL = Object.entries(RIGS).filter(([, { kind }]) => kind === "real");

describe.each(REAL)("%s", (scheduler, rig) => {
  it.skipIf(rig.skip !== null)(
    "is found with queues, nodes and accounts; a job of the file measures the site",
    async () => {
      const stage = await rig.start();
      const facility = await startFacility();
      try {
        const environment = { ...stage.environment, HOME: facility.folder, XDG_STATE_HOME: join(facility.folder, "state") } as Record<
          string,
          string
        >;
        const xpcs = (...args: string[]) => startXpcs(args, environment).result;
        const file = join(facility.folder, "batch.yaml");
        const { code, stdout, stderr } = await xpcs("site", "init", file, "--json");
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        expect(JSON.parse(stdout)).toMatchObject({ scheduler, profile: null, differences: [], toFill: [] });
        const text = readFileSync(file, "utf8");
        expect(text).toMatch(/# Nodes, as the scheduler counts them:\n {2}# {3}\d+ with \d+ CPUs \(\d+ cores\), \d+ GB/);
        expect(text).toMatch(/# Accounts:\n(?: {2}# {3}\S+.*\n)*? {2}# {3}xpcs\b/);
        // What the nodes of this test have to give.
        writeFileSync(file, text.replace(/^ {2}# memoryGbPerNode: .*$/m, "  memoryGbPerNode: 1"));
        const central = ["--central", facility.url, "--token", facility.ready.central!.siteToken!];
        const tested = await xpcs("doctor", "--json", "--batch", file, "--self-test", ...central);
        const checks = (JSON.parse(tested.stdout) as { checks: { name: string; status: string; found: string }[] }).checks;
        expect(checks.filter(({ name }) => /^(batch|self-test)/.test(name)).map(({ name, status }) => `${name} ${status}`)).toEqual([
          `batch ${scheduler} ok`,
          ...["self-test job ok", "self-test correlator ok", "self-test link ok", "self-test ok"],
        ]);
        const folder = join(facility.folder, "state/xpcs/batch");
        expect(readdirSync(folder)).toEqual(["self-test.json"]);
        const numbers = JSON.parse(readFileSync(join(folder, "self-test.json"), "utf8")) as Record<string, unknown>;
        expect(Object.keys(numbers).sort()).toEqual(["at", "eventsPerCoreS", "inBytesPerS", "outBytesPerS", "queueWaitS"]);
      } finally {
        await facility.end();
      }
    },
    180_000,
  );
});
