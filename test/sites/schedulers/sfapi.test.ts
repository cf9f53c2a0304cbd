/** The Superfacility API: its requests and answers, tasks whose end comes late, and tokens that end. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { XpcsError } from "../../../src/core/errors.js";
import { clientCredentials, parseClientKey } from "../../../src/sites/api-credentials.js";
import type { BatchJobs, BatchRequest } from "../../../src/sites/batch-jobs.js";
import { jobText, sfapi } from "../../../src/sites/schedulers/sfapi.js";
import { virtualClock } from "../../actors/virtual-clock.js";
import { type FakeApi, onFakeApi } from "./fake-apis.js";
import { counted, isSubmission, type Place, type Reply, type Run, reaches } from "./stage.js";

const TIMEOUT_MS = 60_000;

const on = (env: Readonly<Record<string, string>>, body: (place: Place, fake: FakeApi) => Promise<void>) => onFakeApi(sfapi, { env }, body);

/** Until the submission of what was asked for has found the job. */
async function attaches(jobs: BatchJobs, asked: BatchRequest): Promise<void> {
  const isAttached = () =>
    jobs
      .submit(asked)
      .then(({ attached }) => attached)
      .catch(() => null);
  await expect.poll(isAttached, { timeout: 20_000, interval: 500 }).toBe(true);
}

it("writes Slurm's options into the script", () => {
  const settings = {
    nodes: 2,
    walltimeS: 3600,
    modules: [],
    lines: [],
    queue: "regular",
    account: "m1",
    constraint: "gpu",
    qos: "debug",
    person: "J. Doe",
  };
  expect(jobText({ tag: "t1", script: "#!/bin/bash\necho hi\n", settings }).split("\n")).toEqual([
    "#!/bin/bash",
    "#SBATCH --job-name=t1",
    "#SBATCH --no-requeue",
    "#SBATCH --output=/dev/null",
    "#SBATCH --chdir=/",
    "#SBATCH --nodes=2",
    "#SBATCH --time=0-01:00:00",
    "#SBATCH --partition=regular",
    "#SBATCH --account=m1",
    '#SBATCH --comment="for J. Doe"',
    "#SBATCH --qos=debug",
    "#SBATCH --constraint=gpu",
    "echo hi",
    "",
  ]);
});

it(
  "submits no second job while the API's task of the first is not done",
  () =>
    on({ FAKE_TASK_MS: "4000" }, async (place) => {
      const losing: (run: Run) => Run = (run) => async (call) => {
        const reply = await run(call);
        if (isSubmission(call)) throw new XpcsError("UNAVAILABLE", "cut off");
        return reply;
      };
      const asked = place.request(counted("exit 0"));
      await expect(place.jobs({ wrap: losing }).submit(asked)).rejects.toMatchObject({ code: "UNAVAILABLE" });
      // Slurm does not know it yet, and its task might be anybody's.
      const jobs = place.jobs();
      await expect(jobs.submit(asked)).rejects.toMatchObject({
        message: expect.stringMatching(/its reply was lost, and a task of the API is not done/),
      });
      await attaches(jobs, asked);
      expect(place.ran.filter(isSubmission)).toHaveLength(1);
      const [ref] = await jobs.known();
      await reaches(jobs, ref!, "ended");
      expect(place.runs(asked.tag)).toBe(1);
    }),
  TIMEOUT_MS,
);

it(
  "asks for the same task again after a crash, and not for another job",
  () =>
    on({ FAKE_TASK_MS: "2500" }, async (place) => {
      const asked = place.request(counted("exit 0"));
      const stuck: (run: Run) => Run = (run) => (call) =>
        "path" in call && call.path.startsWith("/tasks/") ? new Promise<Reply>(() => {}) : run(call);
      void place.jobs({ wrap: stuck }).submit(asked);
      await expect.poll(() => place.ran.filter(isSubmission).length, { timeout: 10_000 }).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const jobs = place.jobs();
      await expect(jobs.submit(asked)).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("is not done yet") });
      await attaches(jobs, asked);
      expect(place.ran.filter(isSubmission)).toHaveLength(1);
    }),
  TIMEOUT_MS,
);

it(
  "submits nothing while it cannot read whether that was begun",
  () =>
    on({}, async (place) => {
      const asked = place.request("exit 0");
      mkdirSync(join(place.folder, asked.tag, "task"), { recursive: true });
      await expect(place.jobs().submit(asked)).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("EISDIR") });
      expect(place.ran.filter(isSubmission)).toEqual([]);
    }),
  TIMEOUT_MS,
);

it(
  "submits again what failed as a task",
  () =>
    on({}, async (place) => {
      const asked = place.request("exit 0");
      mkdirSync(join(place.folder, asked.tag), { recursive: true });
      // As of an earlier try whose task is forgotten.
      writeFileSync(join(place.folder, asked.tag, "task"), "999999");
      writeFileSync(join(place.folder, asked.tag, "begun"), String(Date.now()));
      const { attached } = await place.jobs().submit(asked);
      expect(attached).toBe(false);
    }),
  TIMEOUT_MS,
);

it("gets a token for its key, keeps it, and gets another before it ends", () =>
  on({ FAKE_TOKEN_S: "600" }, async (_place, { api, state }) => {
    const clock = virtualClock();
    const credential = clientCredentials(api.credential, api.tokenUrl!, clock);
    const [first, same] = await Promise.all([credential.token(), credential.token()]);
    expect(same).toBe(first);
    await clock.advance(539_000);
    expect(await credential.token()).toBe(first);
    await clock.advance(1_500);
    const second = await credential.token();
    expect(second).not.toBe(first);
    credential.refused(first);
    expect(await credential.token()).toBe(second);
    credential.refused(second);
    expect(await credential.token()).not.toBe(second);
    writeFileSync(join(state, "client-expired"), "");
    await clock.advance(600_000);
    const failed = await credential.token().catch((error: unknown) => error as Error & { code: string });
    expect(failed).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(
        /no access token for client fakeclient123: invalid_client: the client has expired; a new key in .* without a restart/,
      ),
    });
  }));

it(
  "works on when its token ends sooner than it was said",
  () =>
    on({ FAKE_TOKEN_S: "1" }, async (place) => {
      const machine = place.machine();
      for (let look = 0; look < 3; look += 1) {
        expect(await sfapi.status([], machine)).toEqual([]);
        await new Promise((resolve) => setTimeout(resolve, 1_100));
      }
    }),
  TIMEOUT_MS,
);

it("reads keys as NERSC gives them", async () => {
  const { generateKeyPairSync } = await import("node:crypto");
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = privateKey.export({ type: "pkcs1", format: "pem" }) as string;
  expect(parseClientKey(`abcdefghijklm\n${pem}`, "f").id).toBe("abcdefghijklm");
  const jwk = JSON.stringify({ client_id: "abcdefghijklm", secret: privateKey.export({ format: "jwk" }) });
  expect(parseClientKey(jwk, "f").key.asymmetricKeyType).toBe("rsa");
  for (const text of [pem, `${pem.slice(0, 80)}`, "{}", jwk.replace("secret", "other"), ""]) {
    let message = "";
    try {
      parseClientKey(text, "f");
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message, text.slice(0, 20)).toMatch(/^f holds no client with a key/);
  }
});
