/**
 * Calls of the Globus Transfer API (https://docs.globus.org/api/transfer/), through the published SDK, which builds the requests; they go the way of all
 * others (src/wire/http-client.ts). A token of Globus Auth (https://docs.globus.org/api/auth/reference/) is taken from a file of credentials, and again when it has expired.
 */
import { z } from "zod";
import { type ErrorCode, isCode, XpcsError } from "../../core/errors.js";
import { readSecretFile } from "../../files/secret-file.js";
import { codeOfStatus, createHttpClient, type HttpClient } from "../../wire/http-client.js";

export interface GlobusSettings {
  /** File of credentials. */
  readonly credentials: string;
  /** Bases of other addresses than those of Globus, as its test environments have them. */
  readonly transferUrl?: string | undefined;
  readonly authUrl: string;
}

/** A file on a collection, or a folder. */
export type GlobusFile = z.output<typeof FILE>;
export type GlobusTask = z.output<typeof TASK>;

export interface GlobusItem {
  readonly source_path: string;
  readonly destination_path: string;
  readonly external_checksum?: string;
  readonly checksum_algorithm?: string;
}

export interface GlobusTransferRequest {
  readonly submission_id: string;
  readonly label: string;
  readonly source_endpoint: string;
  readonly destination_endpoint: string;
  readonly encrypt_data: boolean;
  readonly items: readonly GlobusItem[];
}

export interface GlobusDeleteRequest {
  readonly submission_id: string;
  readonly label: string;
  readonly endpoint: string;
  readonly paths: readonly string[];
}

/** All methods throw UNAVAILABLE · PERMISSION_DENIED · INVALID_ARGUMENT the credentials · IO_FAILED what the service or a collection says. */
export interface GlobusClient {
  /** Null: there is nothing. */
  stat(collection: string, path: string, signal: AbortSignal): Promise<GlobusFile | null>;
  /** Null: there is no such folder. */
  list(collection: string, path: string, signal: AbortSignal): Promise<GlobusFile[] | null>;
  /** @returns false: it is there already */
  makeFolder(collection: string, path: string, signal: AbortSignal): Promise<boolean>;
  rename(collection: string, from: string, to: string, signal: AbortSignal): Promise<void>;
  submissionId(signal: AbortSignal): Promise<string>;
  /** The same submission again makes no second task. @returns the task's id */
  transfer(request: GlobusTransferRequest, signal: AbortSignal): Promise<string>;
  delete(request: GlobusDeleteRequest, signal: AbortSignal): Promise<string>;
  task(id: string, signal: AbortSignal): Promise<GlobusTask>;
  /** Tasks of this account that go on. */
  openTasks(signal: AbortSignal): Promise<GlobusTask[]>;
  /** The last error of a task, in the service's words; null: there was none. */
  lastFault(id: string, signal: AbortSignal): Promise<string | null>;
  /** sha256 (hex) by path at the destination, of what a task has moved, where the service tells it. */
  checksums(id: string, signal: AbortSignal): Promise<Map<string, string>>;
  cancel(id: string, signal: AbortSignal): Promise<void>;
}

const text = z.string().min(1);
const CREDENTIALS = z.union([
  z.strictObject({ clientId: text, clientSecret: text, scope: text.optional() }),
  z.strictObject({ clientId: text, refreshToken: text, clientSecret: text.optional() }),
]);
const TOKEN = z.object({ access_token: text, expires_in: z.number() });
const SCOPE = "urn:globus:auth:scope:transfer.api.globus.org:all";
/** A token is not used in its last minute. */
const SPARE_MS = 60_000;
const PAGE = 1_000;

const FILE = z.object({ name: z.string(), type: z.string(), size: z.number().optional(), last_modified: z.string().optional() });
const FILE_LIST = z.object({ DATA: z.array(FILE) });
const TASK = z.object({
  ...{ task_id: text, status: text, label: z.string().nullish(), is_paused: z.boolean().optional(), faults: z.number().optional() },
  ...{ nice_status: z.string().nullish(), nice_status_short_description: z.string().nullish() },
  ...{ bytes_transferred: z.number().optional(), bytes_checksummed: z.number().optional(), files_transferred: z.number().nullish() },
  fatal_error: z.object({ code: z.string().optional(), description: z.string().optional() }).nullish(),
  canceled_by_admin_message: z.string().nullish(),
});
const TASK_LIST = z.object({ DATA: z.array(TASK) });
const SUBMITTED = z.object({ task_id: text });
const EVENTS = z.object({
  DATA: z.array(z.object({ is_error: z.boolean(), code: z.string(), description: z.string(), details: z.string().nullish() })),
});
const MOVED = z.object({
  DATA: z.array(
    z.object({ destination_path: z.string().nullable(), checksum: z.string().nullish(), checksum_algorithm: z.string().nullish() }),
  ),
  next_marker: z.coerce.number().nullish(),
});
const REFUSAL = z.object({ code: z.string(), message: z.string(), required_scopes: z.array(z.string()).optional() });

/** What Globus says when a collection does not answer. */
const PASSING = /Unavailable|Timeout|ConnectFailed|Disconnect|Paused|Busy/i;

function refusalOf(what: string, status: number, body: string): XpcsError {
  let said: z.output<typeof REFUSAL> = { code: "", message: body.slice(0, 200) };
  try {
    said = REFUSAL.parse(JSON.parse(body));
  } catch {
    // A proxy's words, or none.
  }
  const { code, message, required_scopes: scopes } = said;
  const words = `${what}: Globus says ${status}${code === "" ? "" : ` ${code}`}: ${message.split("\n")[0]}`;
  const more = scopes === undefined ? "" : `; the credentials lack the consent ${scopes.join(" ")}`;
  let meant: ErrorCode = codeOfStatus(status);
  if (/NotFound/.test(code)) meant = /^Endpoint/.test(code) ? "IO_FAILED" : "NOT_FOUND";
  else if (/PermissionDenied|ConsentRequired|Authentication/.test(code)) meant = "PERMISSION_DENIED";
  else if (/Exists$/.test(code)) meant = "ALREADY_EXISTS";
  // A collection's own error, which comes as 502: asked again it says the same.
  else if (/^(ExternalError|EndpointError)/.test(code)) meant = PASSING.test(code) ? "UNAVAILABLE" : "IO_FAILED";
  else if (PASSING.test(code)) meant = "UNAVAILABLE";
  return new XpcsError(meant, `${words}${more}`);
}

async function readCredentials(path: string): Promise<z.output<typeof CREDENTIALS>> {
  const text = await readSecretFile(path, "the Globus credentials");
  try {
    return CREDENTIALS.parse(JSON.parse(text));
  } catch {
    // The reason may show parts of a secret.
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `the credentials ${path} cannot be used: give clientId and clientSecret, or clientId and refreshToken, as JSON`,
    );
  }
}

/** Tokens by need. */
function tokens({ credentials: path, authUrl }: GlobusSettings, clientOf: (url: URL) => HttpClient, nowMs: () => number) {
  let kept: { token: string; untilMs: number } | null = null;
  return {
    forget: () => {
      kept = null;
    },
    async get(signal: AbortSignal): Promise<string> {
      if (kept !== null && nowMs() < kept.untilMs) return kept.token;
      const credentials = await readCredentials(path);
      const { clientId, clientSecret } = credentials;
      const grant =
        "refreshToken" in credentials
          ? { grant_type: "refresh_token", refresh_token: credentials.refreshToken, client_id: clientId }
          : { grant_type: "client_credentials", scope: credentials.scope ?? SCOPE };
      const secret =
        clientSecret === undefined ? {} : { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}` };
      const url = new URL("/v2/oauth2/token", authUrl);
      const answer = await clientOf(url).ask({
        ...{ method: "POST", path: url.pathname, signal, body: Buffer.from(new URLSearchParams(grant).toString()) },
        headers: { ...secret, accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
      });
      const body = await answer.text();
      // 400: the refresh token has ended, by the policy of whoever gave it.
      if (answer.status === 400 || answer.status === 401)
        throw new XpcsError(
          "PERMISSION_DENIED",
          `Globus Auth does not take the credentials ${path} (${body.slice(0, 120)}): log in again, or renew the client's secret`,
        );
      if (answer.status >= 400) throw refusalOf("the token", answer.status, body);
      const { access_token: token, expires_in: validS } = TOKEN.parse(JSON.parse(body));
      kept = { token, untilMs: nowMs() + validS * 1_000 - SPARE_MS };
      return token;
    },
  };
}

type Sdk = typeof import("@globus/sdk/services/transfer");
type SdkCall = (sdk: Sdk, how: { readonly headers: Record<string, string> }, options: object) => Promise<Response>;

/** A client with these credentials. Nothing is asked before it is used. @param nowMs monotonic */
export function createGlobusClient(settings: GlobusSettings, nowMs: () => number): GlobusClient {
  const clients = new Map<string, HttpClient>();
  const clientOf = (url: URL): HttpClient => {
    const client = clients.get(url.origin) ?? createHttpClient({ url, proxy: "environment", speaks: "other" });
    clients.set(url.origin, client);
    return client;
  };
  const auth = tokens(settings, clientOf, nowMs);
  let sdk: Promise<Sdk> | null = null;

  const once = async (call: SdkCall, signal: AbortSignal): Promise<{ status: number; body: string }> => {
    // Loaded by sites that use it.
    sdk ??= import("@globus/sdk/services/transfer");
    const fetchLike = async (
      address: string,
      init: { method?: string; headers?: Record<string, string>; body?: string },
    ): Promise<Response> => {
      const asked = new URL(address);
      const url = new URL(`${asked.pathname}${asked.search}`, settings.transferUrl ?? asked.origin);
      const { method = "GET", headers = {}, body } = init;
      const answer = await clientOf(url).ask({
        ...{ method: method as "GET" | "POST", path: `${url.pathname}${url.search}`, headers, signal },
        ...(body === undefined ? {} : { body: Buffer.from(body) }),
      });
      return new Response(await answer.text(), { status: answer.status });
    };
    const how = { headers: { Authorization: `Bearer ${await auth.get(signal)}` } };
    const answer = await call(await sdk, how, { fetch: { options: { __callable: fetchLike } } });
    return { status: answer.status, body: await answer.text() };
  };
  const ask = async <T>(what: string, shape: z.ZodType<T>, signal: AbortSignal, call: SdkCall): Promise<T> => {
    let answer = await once(call, signal);
    if (answer.status === 401) {
      // Expired, or revoked: a new one is asked for once.
      auth.forget();
      answer = await once(call, signal);
    }
    if (answer.status >= 400) throw refusalOf(what, answer.status, answer.body);
    const read = shape.safeParse(JSON.parse(answer.body || "null"));
    if (read.success) return read.data;
    throw new XpcsError("UNAVAILABLE", `${what}: Globus answered what it does not say it would: ${read.error.issues[0]?.message ?? ""}`);
  };
  const unlessMissing = async <T>(work: Promise<T>): Promise<T | null> => {
    try {
      return await work;
    } catch (error) {
      if (isCode(error, "NOT_FOUND")) return null;
      throw error;
    }
  };
  const quiet = { notify_on_succeeded: false, notify_on_failed: false, notify_on_inactive: false };

  return {
    stat: (collection, path, signal) =>
      unlessMissing(
        ask(`a look at ${path}`, FILE, signal, ({ fileOperations: files }, how, options) =>
          files.stat(collection, { ...how, query: { path } }, options),
        ),
      ),
    async list(collection, path, signal) {
      const found = await unlessMissing(
        ask(`the list of ${path}`, FILE_LIST, signal, ({ fileOperations: files }, how, options) =>
          files.ls(collection, { ...how, query: { path } }, options),
        ),
      );
      return found?.DATA ?? null;
    },
    async makeFolder(collection, path, signal) {
      try {
        await ask(`the folder ${path}`, z.unknown(), signal, ({ fileOperations: files }, how, options) =>
          files.mkdir(collection, { ...how, payload: { path } }, options),
        );
        return true;
      } catch (error) {
        if (isCode(error, "ALREADY_EXISTS")) return false;
        throw error;
      }
    },
    async rename(collection, from, to, signal) {
      const payload = { old_path: from, new_path: to };
      await ask(`the name ${to}`, z.unknown(), signal, ({ fileOperations: files }, how, options) =>
        files.rename(collection, { ...how, payload }, options),
      );
    },
    async submissionId(signal) {
      return (
        await ask("a submission", z.object({ value: text }), signal, ({ taskSubmission: tasks }, how, options) =>
          tasks.submissionId(how, options),
        )
      ).value;
    },
    async transfer({ items, ...request }, signal) {
      const DATA = items.map((item) => ({ DATA_TYPE: "transfer_item" as const, ...item }));
      const payload = { ...request, ...quiet, verify_checksum: true, preserve_timestamp: false, DATA };
      return (
        await ask(request.label, SUBMITTED, signal, ({ taskSubmission: tasks }, how, options) =>
          tasks.submitTransfer({ ...how, payload }, options),
        )
      ).task_id;
    },
    async delete({ paths, ...request }, signal) {
      const DATA = paths.map((path) => ({ DATA_TYPE: "delete_item" as const, path }));
      const payload = { ...request, ...quiet, recursive: true, ignore_missing: true, DATA };
      return (
        await ask(request.label, SUBMITTED, signal, ({ taskSubmission: tasks }, how, options) =>
          tasks.submitDelete({ ...how, payload }, options),
        )
      ).task_id;
    },
    task: (id, signal) => ask(`the task ${id}`, TASK, signal, ({ task }, how, options) => task.get(id, how, options)),
    async openTasks(signal) {
      const query = { filter: "status:ACTIVE,INACTIVE", limit: PAGE };
      return (await ask("the list of tasks", TASK_LIST, signal, ({ task }, how, options) => task.getAll({ ...how, query }, options))).DATA;
    },
    async lastFault(id, signal) {
      const query = { limit: 10 };
      const { DATA } = await ask(`the events of ${id}`, EVENTS, signal, ({ task }, how, options) =>
        task.getEventList(id, { ...how, query }, options),
      );
      // The newest is first.
      const fault = DATA.find(({ is_error: isError }) => isError);
      if (fault === undefined) return null;
      const details = fault.details?.split("\n").find((line) => line.trim() !== "");
      return `${fault.code}: ${fault.description}${details === undefined ? "" : ` (${details.trim().slice(0, 200)})`}`;
    },
    async checksums(id, signal) {
      const found = new Map<string, string>();
      let marker: number | null = null;
      do {
        const query: { marker?: number } = marker === null ? {} : { marker };
        const page: z.output<typeof MOVED> = await ask(`what ${id} has moved`, MOVED, signal, ({ task }, how, options) =>
          task.getSuccessfulTransfers(id, { ...how, query }, options),
        );
        for (const { destination_path: path, checksum, checksum_algorithm: algorithm } of page.DATA)
          if (path !== null && checksum && /^sha-?256$/i.test(algorithm ?? "")) found.set(path, checksum.toLowerCase());
        marker = page.next_marker ?? null;
      } while (marker !== null);
      return found;
    },
    async cancel(id, signal) {
      await ask(`the end of ${id}`, z.unknown(), signal, ({ task }, how, options) => task.cancel(id, how, options));
    },
  };
}
