/**
 * Which peer a client trusts before it shows its token: one whose certificate the system or a given authority vouches for, or the very key that
 * was pinned. A pin is the SHA-256 of the certificate's public key, so a renewed certificate of the same key still fits.
 */
import { createHash, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { XpcsError } from "../core/errors.js";

export interface Trust {
  /** Certificates (PEM) of authorities, in place of the system's. */
  readonly ca?: string;
  /** The one key that is trusted; certificates are not checked further. */
  readonly pin?: string;
}

/** The trust that settings name, which may have more fields. */
export function trustOf({ ca, pin }: { readonly ca?: string | undefined; readonly pin?: string | undefined }): Trust {
  return { ...(ca === undefined ? {} : { ca }), ...(pin === undefined ? {} : { pin }) };
}

const PIN = /^sha256\/[A-Za-z0-9+/]{43}=$/;

/** True for `sha256/` and the digest in base64. */
export function isPin(text: string): boolean {
  return PIN.test(text);
}

/** The pin of a certificate. */
export function pinOf(certificate: X509Certificate | string | Buffer): string {
  const { publicKey } = certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate);
  return `sha256/${createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64")}`;
}

/** Options for a TLS connection under this trust; with a pin, `checkPin` must follow. */
export function tlsOptions({ ca, pin }: Trust): { ca?: string; rejectUnauthorized: boolean } {
  return { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: pin === undefined };
}

/**
 * Checks the peer of an open TLS connection.
 *
 * @throws PERMISSION_DENIED the key is another one
 */
export function checkPin(socket: TLSSocket, pin: string, url: string): void {
  const certificate = socket.getPeerX509Certificate?.();
  const shown = certificate === undefined ? "none" : pinOf(certificate);
  if (shown === pin) return;
  throw new XpcsError(
    "PERMISSION_DENIED",
    `${url} shows the key ${shown}, and ${pin} is pinned: somebody is in between, or central has a new key; ask its operator, and never just change the pin`,
  );
}
