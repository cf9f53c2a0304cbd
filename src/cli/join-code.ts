/** A join code as text: where central is, whom to trust, and the code that central exchanges for a token. One word, to be pasted. */
import { z } from "zod";
import { XpcsError } from "../core/errors.js";

const CODE = z.strictObject({
  /** Address of central. */
  url: z.string(),
  site: z.string(),
  /** What central exchanges. */
  code: z.string(),
  pin: z.string().optional(),
  insecure: z.literal(true).optional(),
});
export type JoinCode = z.infer<typeof CODE>;

const PREFIX = "xpcs-join-";

/** The code as one word. */
export function encodeJoinCode(code: JoinCode): string {
  return PREFIX + Buffer.from(JSON.stringify(code)).toString("base64url");
}

/** @throws INVALID_ARGUMENT it is no join code, or not all of one */
export function decodeJoinCode(text: string): JoinCode {
  const word = text.replace(/\s+/g, "");
  try {
    if (!word.startsWith(PREFIX)) throw new Error("prefix");
    return CODE.parse(JSON.parse(Buffer.from(word.slice(PREFIX.length), "base64url").toString("utf8")));
  } catch {
    throw new XpcsError(
      "INVALID_ARGUMENT",
      "this is no join code, or not all of it: copy the whole line that xpcs token create --join printed",
    );
  }
}
