/** Every scheduler that is an HTTP API: what becomes of silence, garbage, cut answers, refusals, pauses and credentials. */
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { realClock } from "../../../src/core/real-clock.js";
import { createApiMachine } from "../../../src/sites/batch-api.js";
import { createBatchJobs } from "../../../src/sites/batch-jobs.js";
import { batchFiles } from "../../../src/sites/batch-script.js";
import type { Credential, Scheduler } from "../../../src/sites/schedulers/define.js";
import { onEachScheduler } from "./on-each-scheduler.js";
import { counted, newTag, type Place, reaches, STRIKE_MS } from "./stage.js";

const TOKEN = "a-secret-of-forty-characters-0123456789";
const ours: Credential = { token: async () => TOKEN, refused: () => {} };

/** Batch jobs over a server that answers everything as it is told. */
async function against(
  scheduler: Scheduler,
  place: Place,
  listener: RequestListener,
  own: { timeoutMs?: number; credential?: Credential } = {},
) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v2`;
  const { timeoutMs = 5_000, credential = ours } = own;
  const settings = { ...place.stage.api!, url, folder: place.there };
  const machine = createApiMachine({ settings, credential, timeoutMs, perMinute: 10_000, clock: realClock, user: "me" });
  const jobs = createBatchJobs({
    scheduler,
    machine,
    folder: place.folder,
    there: place.there,
    clock: realClock,
    strikeMs: STRIKE_MS,
    lateMs: 0,
  });
  const end = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { jobs, machine, end };
}

const refOf = (place: Place) => {
  mkdirSync(join(place.folder, "x"), { recursive: true });
  return { tag: newTag(), id: "77777", folder: join(place.folder, "x") };
};

const failureOf = (promise: Promise<unknown>): Promise<Error & { code: string }> =>
  promise.then(
    (value) => {
      throw new Error(`it succeeded: ${JSON.stringify(value)}`);
    },
    (error: unknown) => error as Error & { code: string },
  );

onEachScheduler(
  (rig) => rig.asked === "by HTTP",
  ({ scheduler, test }) => {
    test("waits no longer than it may for an API that hangs", async (place) => {
      const { jobs, end } = await against(scheduler, place, () => {}, { timeoutMs: 300 });
      expect(await failureOf(jobs.poll([refOf(place)]))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
      expect(await failureOf(jobs.submit(place.request("exit 0")))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
      end();
    });

    test("says that nobody listens there", async (place) => {
      const { jobs, end } = await against(scheduler, place, () => {});
      end();
      expect(await failureOf(jobs.submit(place.request("exit 0")))).toMatchObject({ code: "UNAVAILABLE" });
    });

    test("makes nothing of answers that are garbled, cut off or of another kind", async (place) => {
      for (const garbage of [
        "",
        "\u0000\ufffd{{{[",
        '{"jobs":',
        "null",
        "[null]",
        '[{"id":{}}]',
        "<html>",
        '{"status":"OK","output":[[]]}',
        '"x"',
        "[[1]]",
      ]) {
        const { jobs, end } = await against(scheduler, place, (_request, response) => {
          response.writeHead(200, { "content-type": "application/json" }).end(garbage);
        });
        const polled = await jobs.poll([refOf(place)]).catch((error: unknown) => error);
        if (polled instanceof Error) expect(polled).toMatchObject({ code: expect.stringMatching(/^(UNAVAILABLE|REFUSED|CORRUPT_DATA)$/) });
        else expect(polled).toMatchObject([{ phase: "unknown" }]);
        const submitted = await failureOf(jobs.submit(place.request("exit 0")));
        expect(submitted.code).toMatch(/^(UNAVAILABLE|REFUSED|CORRUPT_DATA)$/);
        end();
      }
      const { jobs, end } = await against(scheduler, place, (_request, response) => {
        response.writeHead(200, { "content-length": "1000" }).write("[");
        setTimeout(() => response.destroy(), 20);
      });
      expect(await failureOf(jobs.poll([refOf(place)]))).toMatchObject({ code: "UNAVAILABLE" });
      end();
    });

    test("takes no other server's word for a job's end", async (place) => {
      // A proxy's page, a redirect and an error of the server say nothing about the job.
      for (const status of [301, 302, 307, 401, 407, 408, 429, 500, 502, 503, 504]) {
        const { jobs, end } = await against(scheduler, place, (_request, response) => {
          response.writeHead(status, { location: "https://elsewhere.example/" }).end("<html>Sign in</html>");
        });
        const ref = refOf(place);
        for (let look = 0; look < 4; look += 1)
          expect(await failureOf(jobs.poll([ref])), String(status)).toMatchObject({
            code: "UNAVAILABLE",
            message: expect.stringContaining(String(status)),
          });
        end();
      }
    });

    test("says in the API's words that it may not", async (place) => {
      const { jobs, end } = await against(scheduler, place, (request, response) => {
        const isListing = request.method === "GET" || request.url!.includes("/status/");
        if (isListing) response.end(scheduler.name === "iri" ? "[]" : '{"status":"OK","output":[],"tasks":[]}');
        else response.writeHead(403).end(JSON.stringify({ detail: "not in the project" }));
      });
      const refused = await failureOf(jobs.submit(place.request("exit 0")));
      expect(refused).toMatchObject({ code: "REFUSED", message: expect.stringMatching(/403: not in the project/) });
      end();
    });

    test("leaves an API alone for as long as that asks", async (place) => {
      for (const [status, header] of [
        [429, () => "2"],
        [503, () => new Date(Date.now() + 3_000).toUTCString()],
      ] as const) {
        let asked = 0;
        const { jobs, end } = await against(scheduler, place, (_request, response) => {
          asked += 1;
          response.writeHead(status, { "retry-after": header() }).end("{}");
        });
        const ref = refOf(place);
        expect((await failureOf(jobs.poll([ref]))).message).toContain(String(status));
        expect((await failureOf(jobs.poll([ref]))).message).toMatch(/asked for a pause: it is asked again in \d s/);
        expect(asked).toBe(1);
        await vi.waitFor(
          async () => {
            await failureOf(jobs.poll([ref]));
            expect(asked).toBe(2);
          },
          { timeout: 6_000, interval: 300 },
        );
        end();
      }
    });

    test("shows its credential to the API alone", async (place) => {
      const seen: string[] = [];
      const { jobs, end } = await against(scheduler, place, (request, response) => {
        seen.push(String(request.headers.authorization));
        response.writeHead(400).end(JSON.stringify({ detail: `bad token ${TOKEN}` }));
      });
      const failure = await failureOf(jobs.submit(place.request("exit 0")));
      expect(seen).toContain(`Bearer ${TOKEN}`);
      expect(`${failure.message} ${failure.stack}`).not.toContain(TOKEN);
      end();
    });

    test("takes another token when one is refused, and asks once more", async (place) => {
      const shown: string[] = [];
      const tokens = ["old", "new"];
      const credential: Credential = {
        token: async () => tokens[0]!,
        refused: (token) => void tokens.splice(tokens.indexOf(token), tokens.length > 1 ? 1 : 0),
      };
      const { jobs, end } = await against(
        scheduler,
        place,
        (request, response) => {
          shown.push(String(request.headers.authorization));
          response.writeHead(401).end('{"detail":"expired"}');
        },
        { credential },
      );
      const failure = await failureOf(jobs.poll([refOf(place)]));
      expect(failure).toMatchObject({ code: "UNAVAILABLE", message: expect.stringMatching(/401: expired; a new credential in its file/) });
      expect(shown).toEqual(["Bearer old", "Bearer new"]);
      end();
    });

    test("takes no credential that others may read", async (place) => {
      const { credential } = place.stage.api!;
      const settings = { ...place.stage.api!, folder: place.there };
      const copy = join(place.folder, "credential");
      mkdirSync(place.folder, { recursive: true });
      writeFileSync(copy, readFileSync(credential), { mode: 0o600 });
      const fresh = () => scheduler.api!.credential({ ...settings, credential: copy }, realClock);
      expect(await fresh().token()).toMatch(/\S/);
      for (const mode of [0o640, 0o604]) {
        chmodSync(copy, mode);
        expect(await failureOf(fresh().token())).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("chmod 600") });
      }
      chmodSync(copy, 0o600);
      for (const text of scheduler.name === "iri" ? ["", "two words", "a\nb"] : ["", "{", '{"client_id":1}', "id\nno key"]) {
        writeFileSync(copy, text);
        expect(await failureOf(fresh().token()), text).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
      expect(await failureOf(scheduler.api!.credential({ ...settings, credential: `${copy}.none` }, realClock).token())).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    });

    test("brings what a job has left, and leaves there what is not of the job", async (place) => {
      const jobs = place.jobs();
      const { ref } = await jobs.submit(place.request(counted("echo said; exit 6")));
      const { ending, startedMs } = await reaches(jobs, ref, "ended");
      expect(ending).toMatchObject({ outcome: "failed", exitCode: 6 });
      expect(startedMs).toBeGreaterThan(0);
      expect(readFileSync(batchFiles(ref.folder).output, "utf8")).toBe("said\n");
      expect(existsSync(join(ref.folder, "runs"))).toBe(false);
      // The script went with the request: nothing of it lies there.
      expect(existsSync(batchFiles(join(place.there, ref.tag)).script)).toBe(false);
    });

    test("puts files there for their owner alone, and reads them", async (place) => {
      const { put, get } = scheduler.api!;
      const path = join(place.there, "deep er", "site.token");
      await put(path, "one\n", place.machine());
      await put(path, "two's\n", place.machine());
      expect(readFileSync(path, "utf8")).toBe("two's\n");
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(statSync(join(place.there, "deep er")).mode & 0o777).toBe(0o700);
      expect(await get(path, place.machine())).toBe("two's\n");
      expect(await get(`${path}.none`, place.machine())).toBeNull();
    });
  },
);
