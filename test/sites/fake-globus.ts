/**
 * Imitates Globus: Auth's tokens and the Transfer API, with collections that are folders of this machine. Built from their documentation, which is at
 * https://docs.globus.org/api/auth/reference/#client_credentials_grant and, below https://docs.globus.org/api/transfer/,
 * task_submit/#get_submission_id, task_submit/#submit_transfer_task, task_submit/#submit_delete_task, task/#task_document, task/#cancel_task_by_id, task/#get_event_list,
 * task/#get_task_successful_transfers, task/#get_task_list, file_operations/#list_directory_contents, file_operations/#stat, file_operations/#make_directory and
 * file_operations/#rename; the documents have the fields of the examples there. A second of its time is a millisecond of ours: it tells changes to the second.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";

type Document = Record<string, unknown>;

interface Item {
  readonly source_path: string;
  readonly destination_path: string;
  readonly external_checksum?: string;
  readonly checksum_algorithm?: string;
}

export interface FakeTask {
  readonly id: string;
  readonly type: "TRANSFER" | "DELETE";
  readonly label: string;
  status: "ACTIVE" | "INACTIVE" | "SUCCEEDED" | "FAILED";
  nice: string;
  paused: boolean;
  faults: number;
  bytes: number;
  files: number;
  fatal: { code: string; description: string } | null;
  events: Document[];
  moved: Document[];
}

export interface FakeGlobus {
  readonly url: string;
  readonly tasks: readonly FakeTask[];
  /** `METHOD PATH` of each request. */
  readonly requests: string[];
  /** What to do with a request in place of an answer, or after it: knobs of a test. */
  readonly knobs: {
    /** Answers of its own. */
    answer: ((method: string, path: string) => { status: number; body: Document } | null) | null;
    /** Does what is asked, and then hangs up. */
    lose: ((method: string, path: string) => boolean) | null;
    /** Called before each piece of a file; may pause, break or damage what is moved. */
    piece: ((task: FakeTask, piece: Buffer) => Promise<void> | void) | null;
  };
  /** No token that was given counts any more. */
  expireTokens(): void;
  close(): Promise<void>;
}

const PIECE_BYTES = 1024 * 1024;
const CLIENT = `Basic ${Buffer.from("client:secret").toString("base64")}`;

class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

class Fake {
  readonly #collections: Readonly<Record<string, string>>;
  readonly #tokens = new Set<string>();
  readonly #submissions = new Map<string, string | null>();
  readonly #startMs = Date.now();
  readonly tasks: FakeTask[] = [];
  readonly knobs: FakeGlobus["knobs"] = { answer: null, lose: null, piece: null };

  constructor(collections: Readonly<Record<string, string>>) {
    this.#collections = collections;
  }

  expireTokens(): void {
    this.#tokens.clear();
  }

  #path(collection: string, path: string): string {
    const root = this.#collections[collection];
    if (root === undefined) throw new Refusal(404, "EndpointNotFound", `No such endpoint ${collection}`);
    return join(root, path);
  }

  #fileDocument(path: string): Document {
    const found = statSync(path);
    const modified = new Date(this.#startMs + Math.round(found.mtimeMs - this.#startMs) * 1_000);
    return {
      ...{
        DATA_TYPE: "file",
        name: basename(path),
        type: found.isDirectory() ? "dir" : found.isFile() ? "file" : "other",
        size: found.size,
      },
      ...{
        last_modified: modified
          .toISOString()
          .replace("T", " ")
          .replace(/\.\d+Z/, "+00:00"),
        permissions: "0644",
        user: "beam",
        group: "beam",
      },
      ...{ link_target: null, link_size: null, link_user: null, link_group: null, link_last_modified: null },
    };
  }

  token(authorization: string | undefined, form: URLSearchParams): Document {
    const refresh = form.get("grant_type") === "refresh_token";
    if (!refresh && authorization !== CLIENT) throw new Refusal(401, "invalid_client", "who is this");
    if (refresh && form.get("refresh_token") !== "refresh") throw new Refusal(400, "invalid_grant", "it has ended");
    const token = randomUUID();
    this.#tokens.add(token);
    return {
      ...{ access_token: token, expires_in: 172_800, token_type: "Bearer", resource_server: "transfer.api.globus.org" },
      ...{ scope: "urn:globus:auth:scope:transfer.api.globus.org:all", other_tokens: [] },
    };
  }

  admit(authorization: string | undefined): void {
    if (!this.#tokens.has(authorization?.replace(/^Bearer /, "") ?? ""))
      throw new Refusal(401, "AuthenticationFailed", "Token is not active");
  }

  files(collection: string, operation: string, query: URLSearchParams, body: Document): Document {
    const path = this.#path(collection, query.get("path") ?? String(body.path ?? body.old_path));
    if (operation === "stat") return this.#fileDocument(path);
    if (operation === "ls")
      return {
        ...{ DATA_TYPE: "file_list", endpoint: collection, path: query.get("path"), absolute_path: null, rename_supported: true },
        DATA: readdirSync(path).map((name) => this.#fileDocument(join(path, name))),
      };
    if (operation === "mkdir") {
      mkdirSync(path);
      return { DATA_TYPE: "mkdir_result", code: "DirectoryCreated", message: "The directory was created successfully" };
    }
    renameSync(path, this.#path(collection, String(body.new_path)));
    return { DATA_TYPE: "result", code: "FileRenamed", message: "File or directory renamed successfully" };
  }

  submissionId(): Document {
    const value = randomUUID();
    this.#submissions.set(value, null);
    return { DATA_TYPE: "submission_id", value };
  }

  submit(type: FakeTask["type"], body: Document): { status: number; document: Document } {
    const submission = String(body.submission_id);
    const before = this.#submissions.get(submission);
    if (before === undefined) throw new Refusal(400, "ClientError.BadRequest", "no such submission_id");
    const items = body.DATA as Item[];
    if (items.length === 0) throw new Refusal(400, "ClientError.BadRequest.NoTransferItems", "A transfer requires at least one item");
    const result = { DATA_TYPE: `${type.toLowerCase()}_result`, submission_id: submission };
    if (before !== null) return { status: 200, document: { ...result, code: "Duplicate", task_id: before } };
    const task: FakeTask = {
      ...{
        id: randomUUID(),
        type,
        label: String(body.label),
        status: "ACTIVE",
        nice: "Queued",
        paused: false,
        faults: 0,
        bytes: 0,
        files: 0,
      },
      ...{ fatal: null, events: [], moved: [] },
    };
    this.#submissions.set(submission, task.id);
    this.tasks.push(task);
    void (type === "TRANSFER" ? this.#transfer(task, body, items) : this.#delete(task, body));
    return { status: 202, document: { ...result, code: "Accepted", task_id: task.id } };
  }

  async #transfer(task: FakeTask, body: Document, items: readonly Item[]): Promise<void> {
    try {
      for (const item of items) {
        const from = this.#path(String(body.source_endpoint), item.source_path);
        const to = this.#path(String(body.destination_endpoint), item.destination_path);
        await this.#move(task, from, to, item, body.verify_checksum === true);
        if (task.status === "FAILED") return;
      }
      task.status = "SUCCEEDED";
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code === "ENOENT" ? "FILE_NOT_FOUND" : (error as Refusal).code;
      this.#fault(task, code, (error as Error).message);
      task.fatal = { code, description: (error as Error).message };
      task.status = "FAILED";
    }
  }

  #fault(task: FakeTask, code: string, details: string): void {
    task.faults += 1;
    task.events.unshift({
      DATA_TYPE: "event",
      code,
      is_error: true,
      description: code.toLowerCase().replaceAll("_", " "),
      details,
      time: "",
    });
  }

  /** Writes under the file's own name, as GridFTP does, and again after a checksum that does not fit. */
  async #move(task: FakeTask, from: string, to: string, item: Item, verify: boolean): Promise<void> {
    for (;;) {
      const [source, destination] = [await open(from, "r"), await open(to, "w")];
      const sums = [createHash("sha256"), createHash("sha256")] as const;
      try {
        await this.#pour(task, source, destination, sums);
      } finally {
        await source.close();
        await destination.close();
      }
      if (task.status === "FAILED") return;
      const [sent, written] = sums.map((sum) => sum.digest("hex"));
      if (verify && sent !== written) {
        this.#fault(task, "VERIFY_CHECKSUM", `checksums of ${item.destination_path} differ`);
        continue;
      }
      if (item.external_checksum !== undefined && item.external_checksum !== written)
        throw new Refusal(0, "VERIFY_CHECKSUM", `the checksum of ${item.destination_path} is not the given one`);
      task.files += 1;
      task.moved.push({
        ...{ DATA_TYPE: "successful_transfer", source_path: item.source_path, destination_path: item.destination_path },
        ...{ checksum: written, checksum_algorithm: item.checksum_algorithm ?? "SHA256", size: (await stat(to)).size },
      });
      return;
    }
  }

  async #pour(
    task: FakeTask,
    source: FileHandle,
    destination: FileHandle,
    [sent, written]: readonly [ReturnType<typeof createHash>, ReturnType<typeof createHash>],
  ) {
    for (;;) {
      const piece = Buffer.alloc(PIECE_BYTES);
      const { bytesRead } = await source.read(piece, 0, PIECE_BYTES);
      const part = piece.subarray(0, bytesRead);
      sent.update(part);
      await this.knobs.piece?.(task, part);
      while (task.paused || task.status === "INACTIVE") await new Promise((later) => setTimeout(later, 5));
      if (task.status === "FAILED" || bytesRead === 0) return;
      written.update(part);
      await destination.write(part);
      task.bytes += bytesRead;
      task.nice = "OK";
      // A disk, and a network.
      await new Promise((later) => setTimeout(later, 1));
    }
  }

  async #delete(task: FakeTask, body: Document): Promise<void> {
    await new Promise((later) => setTimeout(later, 5));
    for (const { path } of body.DATA as { path: string }[])
      rmSync(this.#path(String(body.endpoint), path), { recursive: body.recursive === true, force: body.ignore_missing === true });
    task.status = "SUCCEEDED";
  }

  #taskDocument(task: FakeTask): Document {
    return {
      ...{ DATA_TYPE: "task", task_id: task.id, type: task.type, status: task.status, label: task.label, faults: task.faults },
      ...{ nice_status: task.status === "ACTIVE" ? task.nice : null, nice_status_short_description: task.nice, is_paused: task.paused },
      ...{ bytes_transferred: task.bytes, bytes_checksummed: 0, files_transferred: task.files, fatal_error: task.fatal },
      ...{ canceled_by_admin_message: null },
    };
  }

  #task(id: string): FakeTask {
    const task = this.tasks.find((one) => one.id === id);
    if (task === undefined) throw new Refusal(404, "ClientError.NotFound", `no task ${id}`);
    return task;
  }

  task(id: string, what: string): Document {
    const task = this.#task(id);
    if (what === "event_list") return { DATA_TYPE: "event_list", DATA: task.events, total: task.events.length };
    if (what === "successful_transfers") return { DATA_TYPE: "successful_transfers", marker: 0, next_marker: null, DATA: task.moved };
    if (what === "cancel") {
      if (task.status === "SUCCEEDED" || task.status === "FAILED")
        return { DATA_TYPE: "result", code: "TaskComplete", message: "The task completed before the cancel." };
      task.status = "FAILED";
      task.fatal = { code: "CANCELED", description: "canceled by its owner" };
      return { DATA_TYPE: "result", code: "Canceled", message: "The task has been cancelled successfully." };
    }
    return this.#taskDocument(task);
  }

  list(filter: string): Document {
    const states = /status:([A-Z,]+)/.exec(filter)?.[1]?.split(",") ?? [];
    const found = this.tasks.filter(({ status }) => states.length === 0 || states.includes(status));
    return { DATA_TYPE: "task_list", DATA: found.map((task) => this.#taskDocument(task)), total: found.length };
  }
}

function answerOf(fake: Fake, request: IncomingMessage, url: URL, text: string): { status: number; document: Document } {
  const { authorization } = request.headers;
  if (url.pathname === "/v2/oauth2/token") return { status: 200, document: fake.token(authorization, new URLSearchParams(text)) };
  fake.admit(authorization);
  const body = (text === "" ? {} : JSON.parse(text)) as Document;
  const [, , noun, id = "", second = "", operation = ""] = url.pathname.split("/");
  if (noun === "submission_id") return { status: 200, document: fake.submissionId() };
  if (noun === "transfer" || noun === "delete") return fake.submit(noun === "transfer" ? "TRANSFER" : "DELETE", body);
  if (noun === "task_list") return { status: 200, document: fake.list(url.searchParams.get("filter") ?? "") };
  if (noun === "task") return { status: 200, document: fake.task(id, second) };
  if (noun === "operation") return { status: 200, document: fake.files(second, operation, url.searchParams, body) };
  throw new Refusal(404, "ClientError.NotFound", "no such resource");
}

/** What the file system says, in the words of a collection. */
function refusalOf(error: unknown, operation: string): Refusal {
  if (error instanceof Refusal) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" && /\/(stat|ls)$/.test(operation))
    return new Refusal(404, operation.endsWith("ls") ? "ClientError.NotFound" : "NotFound", `Path not found, ${message}`);
  if (code === "EEXIST") return new Refusal(502, "ExternalError.MkdirFailed.Exists", `Path already exists, ${message}`);
  return new Refusal(502, "EndpointError", `Error, ${message}`);
}

/** Starts it on a free port of loopback. @param collections their folders, by id */
export async function startFakeGlobus(collections: Readonly<Record<string, string>>): Promise<FakeGlobus> {
  const fake = new Fake(collections);
  const requests: string[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const url = new URL(request.url!, "http://fake");
    const { method = "" } = request;
    requests.push(`${method} ${url.pathname}`);
    let answer = fake.knobs.answer?.(method, url.pathname) ?? null;
    try {
      if (answer === null) {
        const { status, document } = answerOf(fake, request, url, Buffer.concat(pieces).toString());
        answer = { status, body: document };
      }
    } catch (error) {
      const { status, code, message } = refusalOf(error, url.pathname);
      const oauth = url.pathname === "/v2/oauth2/token" ? { error: code } : {};
      answer = { status, body: { code, message, request_id: "fake", resource: url.pathname, ...oauth } };
    }
    if (fake.knobs.lose?.(method, url.pathname) === true) return void request.socket.destroy();
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
  };
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    ...{ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tasks: fake.tasks, requests, knobs: fake.knobs },
    expireTokens: () => fake.expireTokens(),
    async close() {
      for (const task of fake.tasks) if (task.status === "ACTIVE" || task.status === "INACTIVE") task.status = "FAILED";
      for (const task of fake.tasks) task.paused = false;
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
