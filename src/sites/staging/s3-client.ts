/**
 * Signed requests to one bucket of an S3 store (aws4fetch signs, src/wire/http-client.ts asks), by path: ENDPOINT/BUCKET/KEY. Payloads are signed by their digest, so a
 * store refuses what was damaged on the way. Credentials are read from a file of the AWS tools' form, and again when the store refuses a request: they may have been replaced.
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { AwsV4Signer } from "aws4fetch";
import { type ErrorCode, XpcsError } from "../../core/errors.js";
import { readSecretFile } from "../../files/secret-file.js";
import { codeOfStatus, createHttpClient, type HttpAnswer, type HttpClient } from "../../wire/http-client.js";
import type { TakePiece } from "../../wire/take-pieces.js";

export interface S3Settings {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** File of credentials. */
  readonly credentials: string;
  readonly profile: string;
  readonly insecure: boolean;
}

export interface S3Ask {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Empty: of the bucket. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
}

/** Each reads the answer to its end: until then its connection serves nobody else. All throw NOT_FOUND · PERMISSION_DENIED · UNAVAILABLE · CHECKSUM_MISMATCH · ALREADY_EXISTS a condition did not hold · IO_FAILED. */
export interface S3Client {
  /** @returns the headers of the answer */
  ask(request: S3Ask): Promise<HttpAnswer["headers"]>;
  /** A small answer as text. */
  text(request: S3Ask): Promise<string>;
  /** Hands the body over piece by piece. @returns the headers of the answer */
  read(request: S3Ask, take: TakePiece): Promise<HttpAnswer["headers"]>;
}

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The fields of one profile of a credentials file. @throws INVALID_ARGUMENT it has none */
export function credentialsOf(text: string, profile: string, path: string): Credentials {
  const fields = new Map<string, string>();
  let section = "";
  for (const line of text.split("\n")) {
    const head = /^\s*\[(?:profile\s+)?([^\]]+)\]\s*$/.exec(line);
    if (head !== null) section = head[1]!.trim();
    const field = /^\s*(aws_\w+)\s*=\s*(\S+)\s*$/.exec(line);
    if (field !== null && section === profile) fields.set(field[1]!, field[2]!);
  }
  const [accessKeyId, secretAccessKey, sessionToken] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"].map((name) =>
    fields.get(name),
  );
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new XpcsError("INVALID_ARGUMENT", `${path} has no aws_access_key_id and aws_secret_access_key for [${profile}]`);
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

async function readCredentials({ credentials: path, profile }: S3Settings): Promise<Credentials> {
  return credentialsOf(await readSecretFile(path, "the credentials of the store"), profile, path);
}

/** Every character but the unreserved ones, as the signature wants it. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ...{ NoSuchKey: "NOT_FOUND", NoSuchBucket: "NOT_FOUND", AccessDenied: "PERMISSION_DENIED", SignatureDoesNotMatch: "PERMISSION_DENIED" },
  ...{ InvalidAccessKeyId: "PERMISSION_DENIED", ExpiredToken: "PERMISSION_DENIED", RequestTimeTooSkewed: "PERMISSION_DENIED" },
  ...{ SlowDown: "UNAVAILABLE", InternalError: "UNAVAILABLE", ServiceUnavailable: "UNAVAILABLE", RequestTimeout: "UNAVAILABLE" },
  ...{ BadDigest: "CHECKSUM_MISMATCH", XAmzContentSHA256Mismatch: "CHECKSUM_MISMATCH", InvalidDigest: "CHECKSUM_MISMATCH" },
  ...{ PreconditionFailed: "ALREADY_EXISTS", ConditionalRequestConflict: "UNAVAILABLE" },
};

/** Of requests that other credentials may get through; an ended token is 400. */
const NOT_TAKEN = [400, 401, 403];

function refusal(what: string, status: number, text: string): XpcsError {
  const name = /<Code>(\w+)<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? "";
  const byStatus = status === 412 ? "ALREADY_EXISTS" : codeOfStatus(status);
  return new XpcsError(
    CODES[name ?? ""] ?? byStatus,
    `${what}: the store says ${status}${name === undefined ? "" : ` ${name}`}${message === "" ? "" : `: ${message}`}`,
  );
}

/** A client for one bucket. @throws REFUSED clear text off loopback */
export function createS3Client(settings: S3Settings): S3Client {
  const { endpoint, bucket, region, insecure } = settings;
  const base = new URL(endpoint);
  const http: HttpClient = createHttpClient({ url: base, insecure, proxy: "environment", speaks: "other" });
  let kept: Credentials | null = null;
  /** Signing keys, one a day: four of the five digests of a signature. */
  const keys = new Map<string, ArrayBuffer>();
  const once = async ({ method, key, query = {}, headers = {}, body, signal }: S3Ask, credentials: Credentials): Promise<HttpAnswer> => {
    const path = `${base.pathname.replace(/\/$/, "")}/${[bucket, ...(key === "" ? [] : key.split("/"))].map(encoded).join("/")}`;
    const words = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
    const place = `${path}${words.length === 0 ? "" : `?${words.join("&")}`}`;
    const digest = createHash("sha256")
      .update(body ?? "")
      .digest("hex");
    const signed = await new AwsV4Signer({
      ...credentials,
      ...{ method, url: `${base.origin}${place}`, service: "s3", region },
      headers: { ...headers, "x-amz-content-sha256": digest },
      cache: keys,
    }).sign();
    const ask = { method, path: place, headers: Object.fromEntries(signed.headers), signal, ...(body === undefined ? {} : { body }) };
    return http.ask(ask);
  };
  const send = async (request: S3Ask): Promise<HttpAnswer> => {
    const known = kept ?? (await readCredentials(settings));
    kept = known;
    let answer = await once(request, known);
    if (answer.status < 400) return answer;
    let text = await answer.text();
    if (NOT_TAKEN.includes(answer.status)) {
      kept = await readCredentials(settings);
      if (!isDeepStrictEqual(kept, known)) {
        answer = await once(request, kept);
        if (answer.status < 400) return answer;
        text = await answer.text();
      }
    }
    throw refusal(`${request.method} s3://${bucket}/${request.key}`, answer.status, text);
  };
  return {
    async ask(request) {
      const answer = await send(request);
      await answer.text();
      return answer.headers;
    },
    text: async (request) => (await send(request)).text(),
    async read(request, take) {
      const answer = await send(request);
      await answer.each(take);
      return answer.headers;
    },
  };
}
