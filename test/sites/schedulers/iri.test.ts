/** The IRI API: its requests and answers, and what a lost reply comes to with servers that know keys, names, both or neither. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { XpcsError } from "../../../src/core/errors.js";
import { realClock } from "../../../src/core/real-clock.js";
import type { ApiAnswer, ApiRequest } from "../../../src/sites/schedulers/define.js";
import { idempotencyKey, iri, jobSpec, sightingOf } from "../../../src/sites/schedulers/iri.js";
import { pauseMs } from "../../../src/wire/retry-after.js";
import { type FakeApi, type FakeOptions, onFakeApi } from "./fake-apis.js";
import { counted, createPlace, isSubmission, PLAIN, type Place, type Run, reaches } from "./stage.js";

const settings = {
  nodes: 2,
  walltimeS: 3600,
  modules: [],
  lines: [],
  queue: "debug",
  account: "XPCS",
  filesystems: ["home", "eagle"],
  gpusPerNode: 4,
};

describe("a job's specification", () => {
  const spec = jobSpec({ tag: "t1", script: '#!/bin/bash\necho "it\'s"\n', settings });

  it("is that of the API", () => {
    expect(spec).toMatchObject({
      executable: "/bin/bash",
      name: "t1",
      resources: { node_count: 2, processes_per_node: 1, gpu_cores_per_process: 4 },
      attributes: { duration: 3600, queue_name: "debug", account: "XPCS", custom_attributes: { filesystems: "home:eagle" } },
    });
  });

  it("has its script in a word that needs no quotes", () => {
    const [, word] = spec.arguments as [string, string];
    expect(word).toMatch(/^exec bash <\(base64 -d<<<[A-Za-z0-9+/=]+\)$/);
  });

  it("has one key, and another job has another", () => {
    expect(idempotencyKey(spec)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(idempotencyKey({ ...spec })).toBe(idempotencyKey(spec));
    expect(idempotencyKey({ ...spec, name: "t2" })).not.toBe(idempotencyKey(spec));
  });
});

describe("what is said of a job", () => {
  const told = (state: string, more: object = {}) => sightingOf({ id: "7", status: { state, ...more } });

  it.each([
    ["new", {}, "queued", null],
    ["queued", {}, "queued", null],
    ["held", {}, "held", null],
    ["active", {}, "running", null],
    ["completed", { exit_code: 0 }, "ended", "done"],
    ["completed", {}, "ended", "done"],
    ["completed", { exit_code: 2 }, "ended", "failed"],
    ["failed", { exit_code: 1 }, "ended", "failed"],
    ["failed", { exit_code: -29, message: "job killed: walltime 64 exceeded limit 60" }, "ended", "time-limit"],
    ["failed", { meta_data: { slurm_state: "OUT_OF_MEMORY" } }, "ended", "out-of-memory"],
    ["failed", { meta_data: { slurm_state: "NODE_FAIL" } }, "ended", "node-failed"],
    ["canceled", { message: "PREEMPTED" }, "ended", "preempted"],
    ["canceled", {}, "ended", "canceled"],
    ["suspended", {}, "unknown", null],
    ["", {}, "unknown", null],
  ])("%s %j is %s, %s", (state, more, phase, outcome) => {
    const found = told(state, more);
    expect([found.phase, found.ending?.outcome ?? null]).toEqual([phase, outcome]);
    expect(found.sentence).toMatch(/\w/);
  });

  it("has the API's words, as far as they go", () => {
    expect(told("held", { message: "no allocation" }).words).toBe("held (no allocation)");
    expect(sightingOf({ id: "7", status: null })).toMatchObject({ phase: "unknown", ending: null });
  });
});

it("understands both ways to ask for a pause", () => {
  const nowMs = Date.parse("2026-11-26T12:00:00Z");
  expect(pauseMs("30", nowMs)).toBe(30_000);
  expect(pauseMs("Thu, 26 Nov 2026 12:01:00 GMT", nowMs)).toBe(60_000);
  expect(pauseMs("Thu, 26 Nov 2026 11:00:00 GMT", nowMs)).toBe(0);
  expect(pauseMs("999999", nowMs)).toBe(900_000);
  expect([pauseMs(undefined, nowMs), pauseMs("soon", nowMs)]).toEqual([null, null]);
});

/** Loses the reply to the first submission, after it was carried out. */
function losingOne(): (run: Run) => Run {
  let lost = 0;
  return (run) => async (call) => {
    const reply = await run(call);
    if (isSubmission(call) && "status" in reply && reply.status < 300 && lost++ === 0) throw new XpcsError("UNAVAILABLE", "cut off");
    return reply;
  };
}

interface Server extends Required<FakeOptions> {
  readonly about: string;
  /** Jobs that a submission makes whose first reply is lost. */
  readonly made: number;
}

const SERVERS: readonly Server[] = [
  { about: "keys and names", version: "v2", env: {}, made: 1 },
  { about: "keys, no names", version: "v2", env: { FAKE_NAMES: "no" }, made: 1 },
  { about: "no store for keys, names", version: "v2", env: { FAKE_KEYS: "none" }, made: 1 },
  { about: "a header that is ignored, names", version: "v2", env: { FAKE_KEYS: "ignored" }, made: 1 },
  { about: "version 1: no keys, names", version: "v1", env: {}, made: 1 },
  // Nothing there tells that the job exists before it has begun; the second to begin finds that out, and ends.
  { about: "version 1: neither", version: "v1", env: { FAKE_NAMES: "no" }, made: 2 },
];

describe.concurrent.each(SERVERS)("a server with $about", ({ version, env, made }) => {
  const on = (body: (place: Place, fake: FakeApi) => Promise<void>) => onFakeApi(iri, { version, env }, body);
  const jobsThere = async (place: Place): Promise<number> => {
    const { text } = await place
      .machine()
      .ask({ method: "POST", path: `/compute/status/${place.stage.api!.resource}`, query: { historical: "true" } });
    return (JSON.parse(text) as unknown[]).length;
  };

  it("runs a job once whose submission's reply was lost", { timeout: 60_000 }, () =>
    on(async (place, { state }) => {
      const asked = place.request(counted("sleep 3; exit 0"));
      const jobs = place.jobs({ wrap: losingOne() });
      // What has begun is known by what it has left there.
      writeFileSync(join(state, "hold"), "");
      // The second try is that of the next look, as src/sites/pilots.ts has it.
      const { ref } = await jobs.submit(asked).catch(() => jobs.submit(asked));
      rmSync(join(state, "hold"));
      await vi.waitFor(() => expect(place.runs(asked.tag)).toBe(1), { timeout: 20_000 });
      await reaches(jobs, ref, "ended");
      expect(await jobsThere(place)).toBe(made);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(place.runs(asked.tag)).toBe(1);
    }),
  );

  it("puts files there, and brings them", { timeout: 60_000 }, () =>
    on(async (place) => {
      const path = `${place.there}/x.token`;
      await iri.api!.put(path, "secret", place.machine());
      expect(await iri.api!.get(path, place.machine())).toBe("secret");
    }),
  );

  it("knows no job that is not there", { timeout: 60_000 }, () =>
    on(async (place) => {
      expect(await iri.status([{ tag: "a", id: "4711", folder: place.folder }], place.machine())).toEqual([]);
      await iri.cancel({ tag: "a", id: "4711", folder: place.folder }, place.machine());
    }),
  );
});

describe("answers that need a second look", () => {
  /** A place whose server says what a test wants; what it is asked is noted. */
  const saying = async (
    answer: (call: ApiRequest, times: number) => ApiAnswer,
    body: (place: Place, asked: ApiRequest[]) => Promise<void>,
  ) => {
    const api = { url: "http://127.0.0.1:9/api/v2", resource: "r", storage: "s", credential: "/none", program: "/p" };
    const place = createPlace(iri, { ...PLAIN, environment: {}, api, end: async () => {} });
    const asked: ApiRequest[] = [];
    const told: Place = {
      ...place,
      machine: () => ({
        ...place.machine(),
        clock: { ...realClock, after: (_ms, run) => realClock.after(0, run) },
        ask: async (call) => answer(call, asked.push(call)),
      }),
    };
    await body(told, asked).finally(place.remove);
  };
  const json = (value: unknown, status = 200): ApiAnswer => ({ status, text: JSON.stringify(value) });
  const job = (place: Place) => ({ tag: "t1", folder: place.folder, scriptPath: "", script: "#!/bin/bash\n", settings });

  it("waits while a request of the same key is worked on, and not for ever", async () => {
    await saying(
      (_call, times) => (times < 3 ? json({ detail: "already in progress" }, 409) : json({ id: "7" })),
      async (place, asked) => {
        expect(await iri.submit(job(place), place.machine())).toBe("7");
        expect(new Set(asked.map(({ headers }) => headers?.["idempotency-key"])).size).toBe(1);
        expect(asked).toHaveLength(3);
      },
    );
    await saying(
      () => json({ detail: "already in progress" }, 409),
      async (place, asked) => {
        await expect(iri.submit(job(place), place.machine())).rejects.toMatchObject({ code: "UNAVAILABLE" });
        expect(asked).toHaveLength(5);
      },
    );
  });

  it("does without a key where there is no store for it, and not where something else is missing", async () => {
    await saying(
      (_call, times) => (times === 1 ? json({ detail: "Idempotency-Key provided but no store" }, 501) : json({ id: "7" })),
      async (place, asked) => {
        expect(await iri.submit(job(place), place.machine())).toBe("7");
        expect(asked.map(({ headers }) => headers?.["idempotency-key"] !== undefined)).toEqual([true, false]);
      },
    );
    await saying(
      () => json({ detail: "'node_count' not supported yet." }, 501),
      async (place, asked) => {
        await expect(iri.submit(job(place), place.machine())).rejects.toMatchObject({
          code: "REFUSED",
          message: expect.stringContaining("node_count"),
        });
        expect(asked).toHaveLength(1);
      },
    );
  });

  it.each([
    ["a job that is not known", json({ detail: "Job 7 not found" }, 404), []],
    ["the same in version 1", json({ detail: "Job 7 not found." }, 400), []],
    ["a page that is not there", json({ detail: "Not Found" }, 404), "REFUSED"],
    ["a machine that is not there", json({ detail: "Resource not found" }, 404), "REFUSED"],
    ["a proxy's page", { status: 404, text: "<html>404</html>" }, "REFUSED"],
  ])("takes %s for what it is", async (_name, answer, expected) => {
    await saying(
      () => answer,
      async (place) => {
        const ref = { tag: "t", id: "7", folder: place.folder };
        const found = await iri.status([ref], place.machine()).catch(({ code }: XpcsError) => code);
        expect(found).toEqual(expected);
      },
    );
  });

  it("hears of other jobs though one is strangely told", async () => {
    const jobs = [
      { id: 7, status: { state: "active", exit_code: "none", message: 3, meta_data: "x" } },
      { id: "8", status: "queued" },
    ];
    await saying(
      () => json(jobs),
      async (place) => {
        expect((await iri.status([], place.machine())).map(({ id, phase }) => [id, phase])).toEqual([
          ["7", "running"],
          ["8", "unknown"],
        ]);
      },
    );
  });
});

it("asks for page after page, and by id for what no page has", () =>
  onFakeApi(iri, {}, async (place) => {
    const pages: string[] = [];
    const all = Array.from({ length: 250 }, (_, at) => ({ id: String(at), status: { state: "queued" } }));
    const paged: (run: Run) => Run = (run) => async (call) => {
      if (!("path" in call) || !call.path.startsWith("/compute/status")) return run(call);
      const { offset, limit } = call.query ?? {};
      if (call.method === "GET") return { status: 200, text: JSON.stringify({ id: "900", status: { state: "active" } }) };
      pages.push(offset!);
      return { status: 200, text: JSON.stringify(all.slice(Number(offset), Number(offset) + Number(limit))) };
    };
    const refs = ["249", "900"].map((id) => ({ tag: `t${id}`, id, folder: place.folder }));
    const seen = await iri.status(refs, place.machine(paged));
    expect(pages).toEqual(["0", "100", "200"]);
    expect(seen.filter(({ id }) => refs.some((ref) => ref.id === id)).map(({ id, phase }) => [id, phase])).toEqual([
      ["249", "queued"],
      ["900", "running"],
    ]);
    // A server that knows no pages answers the same again: that is the end.
    pages.length = 0;
    const endless: (run: Run) => Run = (run) => async (call) =>
      "path" in call && call.path.startsWith("/compute/status") && call.method === "POST"
        ? { status: 200, text: JSON.stringify(all.slice(0, 100)) }
        : run(call);
    expect(await iri.status([], place.machine(endless))).toHaveLength(100);
    expect(place.ran).toEqual([]);
  }));
