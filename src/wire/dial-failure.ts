/** Why a peer could not be reached, as an error of the project. */
import { XpcsError } from "../core/errors.js";

/** TLS failures that another try does not change, and what to do about them. */
function isCertificateFault(code: unknown): boolean {
  return typeof code === "string" && (/CERT|SIGNATURE|ISSUER/.test(code) || code === "ERR_TLS_CERT_ALTNAME_INVALID");
}

/** PERMISSION_DENIED when the peer cannot prove who it is, else UNAVAILABLE; an error of the project as it is. */
export function dialFailure(url: string, via: string, error: Error & { code?: unknown }): XpcsError {
  if (error instanceof XpcsError) return error;
  const why = error.message === "" ? String(error.code) : error.message;
  if (isCertificateFault(error.code)) {
    return new XpcsError(
      "PERMISSION_DENIED",
      `${url} cannot prove who it is (${why}): give its authority with --ca FILE, or its key with --pin, as central showed it`,
    );
  }
  return new XpcsError("UNAVAILABLE", `cannot reach ${url}${via}: ${why}`);
}
