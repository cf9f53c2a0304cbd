/** Central's HTTP interface, as the page calls it: one function, the token of whoever logged in, errors in central's own words. */

export class ApiError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** An error in words: central's own, where they are. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const KEPT = "xpcs-token";

/** The token in use, or null. It is kept until the tab is closed. */
export function savedToken(): string | null {
  return sessionStorage.getItem(KEPT);
}

/** Null forgets it. */
export function saveToken(token: string | null): void {
  if (token === null) sessionStorage.removeItem(KEPT);
  else sessionStorage.setItem(KEPT, token);
}

export interface Ask {
  readonly method?: "GET" | "POST" | "PATCH";
  readonly body?: unknown;
  /** What makes a repeat harmless. */
  readonly key?: string;
  readonly signal?: AbortSignal;
}

/** @throws ApiError what central refuses; UNAVAILABLE: it cannot be reached */
export async function ask(path: string, { method = "GET", body, key, signal }: Ask = {}): Promise<Response> {
  const headers: Record<string, string> = { authorization: `Bearer ${savedToken() ?? ""}` };
  if (key !== undefined) headers["idempotency-key"] = key;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("UNAVAILABLE", "central cannot be reached", 0);
  }
  if (response.ok) return response;
  const answer = (await response.json().catch(() => ({}))) as { error?: { code?: string; message?: string } };
  const { code = "INTERNAL", message = `central answered ${response.status}` } = answer.error ?? {};
  throw new ApiError(code, message, response.status);
}

/** The answer as JSON. */
export async function askJson<T>(path: string, options: Ask = {}): Promise<T> {
  return (await ask(path, options)).json() as Promise<T>;
}

/** `?a=1&b=x&b=y` of what is there. */
export function query(values: Readonly<Record<string, string | number | readonly string[] | undefined>>): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    for (const each of typeof value === "object" ? value : [String(value)]) pairs.append(name, each);
  }
  const text = pairs.toString();
  return text === "" ? "" : `?${text}`;
}
