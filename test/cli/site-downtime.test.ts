/** `xpcs site downtime` against a real central and a real site: processes of the built command. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { DowntimeView } from "../../src/core/downtime.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { type Result, startXpcs } from "./xpcs-process.js";

// Many processes, one after the other: on a busy machine each takes seconds to begin.
vi.setConfig({ testTimeout: 120_000 });

let facility: Facility;
beforeAll(async () => {
  facility = await startFacility();
  await facility.startSite("here");
});
afterAll(() => facility.end());

function xpcs(...args: string[]): Promise<Result> {
  const home = { HOME: facility.folder, XDG_CONFIG_HOME: join(facility.folder, "config") };
  return startXpcs(args, { ...home, XPCS_CENTRAL: facility.url, XPCS_TOKEN: facility.operatorToken }).result;
}

describe("a downtime", () => {
  it("is added, listed, told of by the sites, and removed", async () => {
    const added = await xpcs("site", "downtime", "here", "--from", "+2h", "--to", "+3h", "--reason", "new disks");
    expect(added).toMatchObject({ code: 0, stderr: "" });
    const id = /^(d[0-9a-f]{10}): site here is down from 2\d{3}-.* to 2\d{3}-.* UTC\n$/.exec(added.stdout)![1]!;
    const listed: unknown = JSON.parse((await xpcs("site", "downtime", "--json")).stdout);
    expect(shapeFaults(documentedJson("downtimes"), listed)).toEqual([]);
    const { downtimes, feeds } = listed as { downtimes: DowntimeView[]; feeds: unknown[] };
    expect([downtimes.map((downtime) => downtime.id), feeds]).toEqual([[id], []]);
    expect(Date.parse(downtimes[0]!.to!) - Date.parse(downtimes[0]!.from)).toBeCloseTo(3_600_000, -4);
    expect((await xpcs("site", "downtime", "elsewhere")).stdout).toBe("no downtimes\n");
    expect((await xpcs("site", "downtime", "here")).stdout).toMatch(
      new RegExp(`^ID .*\n${id}  here  to-come .* planned  operator .* new disks\n$`),
    );
    expect((await xpcs("sites")).stdout).toMatch(/here +up +- .* down from .* \(planned: new disks, said by hand\)/);
    expect((await xpcs("site", "downtime", "--remove", id)).stdout).toBe(`${id} of site here is removed\n`);
    expect((await xpcs("site", "downtime")).stdout).toBe("no downtimes\n");
    const unknown = await xpcs("site", "downtime", "nowhere", "--to", "+1m");
    expect(unknown.stderr).toContain("central has not heard of a site nowhere so far");
    await xpcs("site", "downtime", "--remove", /^\w+/.exec(unknown.stdout)![0]);
  });

  it("sends jobs to another site, and lets one that must wait say why", async () => {
    await facility.startSite("there");
    const id = /^d\w+/.exec((await xpcs("site", "downtime", "here", "--to", "+1h", "--reason", "new disks")).stdout)![0];
    const noop = { work: { app: "xpcs.noop" as const, durationMs: 1 }, tags: {}, attemptsMax: 1 };
    const { jobs } = await facility.client.submit({ jobs: [noop, noop, noop, { ...noop, site: "here" }] });
    const ended = await facility.client.wait(jobs.slice(0, 3));
    expect(ended.map(({ state, site }) => [state, site])).toEqual(Array(3).fill(["finished", "there"]));
    expect((await xpcs("job", jobs[3]!)).stdout).toMatch(
      /\nreason +site here is down, until 2\d{3}-.* UTC \(planned: new disks, said by hand\)\n/,
    );
    await xpcs("site", "downtime", "--remove", id);
    expect(await facility.client.wait(jobs.slice(3))).toMatchObject([{ state: "finished", site: "here" }]);
  });

  it("has probation beside it, on and off by hand", async () => {
    expect((await xpcs("site", "probation", "here", "on", "--reason", "odd digests")).stdout).toBe(
      "site here is on probation: odd digests\n",
    );
    expect((await xpcs("sites")).stdout).toMatch(/here +probation .* odd digests\n/);
    expect(JSON.parse((await xpcs("site", "probation", "here", "off", "--json")).stdout)).toEqual({ site: "here", probation: null });
    expect((await xpcs("sites")).stdout).toMatch(/here +up /);
    expect(await xpcs("site", "probation", "nowhere", "off")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no site nowhere"),
    });
    expect(await xpcs("site", "probation", "here")).toMatchObject({ code: 2, stderr: expect.stringContaining("on or off?") });
  });

  it("is refused with what is wrong", async () => {
    const refused: [readonly string[], string][] = [
      [["--to", "+1h"], "which site?"],
      [["here", "--remove", "d1"], "--remove takes the id alone"],
      [["here", "--to", "yesterday"], "It must be a time such as"],
      [["here", "--from", "2h", "--to", "1h"], "the end must be later"],
      [["here", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z"], "is over already"],
      [["--remove", "d0"], "there is no downtime d0"],
    ];
    for (const [args, message] of refused)
      expect(await xpcs("site", "downtime", ...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  });
});
