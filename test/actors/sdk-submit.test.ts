/** A submission that is larger than one call: the SDK cuts it, sends some calls at a time, and gives back ids in the order of the jobs. */
import { afterEach, describe, expect, it } from "vitest";
import { connect, type JobSpec, type XpcsClient } from "../../src/index.js";
import { noop, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
let client: XpcsClient;

withCentral(async (made) => {
  central = made;
  client = await connect(central.url, { token: central.operatorToken });
});
afterEach(() => client.close());

const tagOf = async (id: string): Promise<string | undefined> => (await client.job(id)).tags.at;

describe("a submission of many jobs", () => {
  it("keeps their order, and makes them once under one key", async () => {
    const jobs = Array.from({ length: 2_300 }, (_, at) => noop({ at: String(at) }));
    const first = await client.submit({ key: "many", jobs });
    expect(new Set(first.jobs).size).toBe(jobs.length);
    for (const at of [0, 1, 499, 500, 1_000, 2_299]) expect(await tagOf(first.jobs[at]!)).toBe(String(at));
    // Newest first is the order of submission backwards.
    const { jobs: page } = await client.jobs({ limit: 500 });
    expect(page.map(({ id }) => id)).toEqual(first.jobs.slice(-500).reverse());
    expect(await client.submit({ key: "many", jobs })).toEqual(first);
    await expect(client.submit({ key: "many", jobs: [...jobs.slice(1), jobs[0]!] })).rejects.toMatchObject({ code: "KEY_CONFLICT" });
  });

  it("finds parents by their place in calls before", async () => {
    const jobs = Array.from({ length: 1_400 }, (_, at) =>
      noop({ at: String(at) }, at === 1_200 ? { parents: ["#0", "#700", "#1199"] } : {}),
    );
    const { jobs: ids } = await client.submit({ jobs });
    expect((await client.job(ids[1_200]!)).parents).toEqual([ids[0], ids[700], ids[1_199]]);
  });

  it("cuts by size, so that long jobs fit a frame", async () => {
    const long = (at: number): JobSpec => ({
      ...noop(),
      tags: Object.fromEntries(Array.from({ length: 30 }, (_, tag) => [`t${tag}`, `${at} ${"é".repeat(240)}`])),
    });
    const { jobs } = await client.submit({ jobs: Array.from({ length: 300 }, (_, at) => long(at)) });
    expect(new Set(jobs).size).toBe(300);
  });

  it("says what is wrong with a job in any of the calls", async () => {
    const jobs = Array.from({ length: 1_600 }, (_, at) => noop({}, at === 1_100 ? { attemptsMax: 0 } : {}));
    await expect(client.submit({ jobs })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
