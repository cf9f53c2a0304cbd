/**
 * The certificate of a central that has none from an authority: made once in DIR/tls, self-signed, and trusted by its key (a pin) and not by its
 * names. When it nears its end it is made anew for the same key, so pins go on to fit.
 */
import { createPrivateKey, createPublicKey, webcrypto, X509Certificate } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { Certificate } from "../wire/http-server.js";

const DAY_MS = 86_400_000;
const VALID_MS = 3_650 * DAY_MS;
/** Made anew when less is left. */
const RENEW_MS = 90 * DAY_MS;
const KEY = { name: "ECDSA", namedCurve: "P-256" } as const;

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new XpcsError("IO_FAILED", `cannot read ${path}: ${(error as Error).message}`);
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  try {
    await writeFile(`${path}.tmp`, text, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  } catch (error) {
    throw new XpcsError("IO_FAILED", `cannot write ${path}: ${(error as Error).message}`);
  }
}

async function newKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(KEY, true, ["sign", "verify"]);
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", privateKey));
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ type: "pkcs8", format: "pem" }).toString();
}

async function selfSigned(key: string, nowMs: number, randomBytes: (size: number) => Uint8Array): Promise<string> {
  // Loading it takes as long as all else of a start, and it is needed once in ten years.
  const { cryptoProvider, SubjectAlternativeNameExtension, X509CertificateGenerator } = await import("@peculiar/x509");
  const pkcs8 = createPrivateKey(key).export({ type: "pkcs8", format: "der" });
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const keys = {
    privateKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, KEY, true, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("spki", spki, KEY, true, ["verify"]),
  };
  cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // A positive number: the first bit is 0.
    serialNumber: `4${Buffer.from(randomBytes(8)).toString("hex")}0`,
    name: "CN=xpcs central",
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + VALID_MS),
    signingAlgorithm: { ...KEY, hash: "SHA-256" },
    keys: keys as Parameters<typeof X509CertificateGenerator.createSelfSigned>[0]["keys"],
    extensions: [
      new SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "dns", value: hostname() },
        { type: "ip", value: "127.0.0.1" },
      ]),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

/**
 * The certificate in `dir`/tls; made if it is not there.
 *
 * @throws IO_FAILED · CORRUPT_DATA a file is there and is no certificate or key
 */
export async function ownCertificate(dir: string, clock: Clock, randomBytes: (size: number) => Uint8Array): Promise<Certificate> {
  const folder = join(dir, "tls");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [keyPath, certPath] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  let key = await readIfThere(keyPath);
  if (key === null) {
    key = await newKey();
    await writeWhole(keyPath, key);
  }
  try {
    const cert = await readIfThere(certPath);
    const nowMs = clock.nowMs();
    if (cert !== null && Date.parse(new X509Certificate(cert).validTo) - nowMs > RENEW_MS) return { cert, key };
    const made = await selfSigned(key, nowMs, randomBytes);
    await writeWhole(certPath, made);
    return { cert: made, key };
  } catch (error) {
    if (error instanceof XpcsError) throw error;
    throw new XpcsError(
      "CORRUPT_DATA",
      `${folder} holds no certificate that can be used (${(error as Error).message}): restore it, or remove both files`,
    );
  }
}

/**
 * A certificate and its key from two files (PEM).
 *
 * @throws NOT_FOUND · IO_FAILED
 */
export async function readCertificate(certPath: string, keyPath: string): Promise<Certificate> {
  const [cert, key] = await Promise.all([certPath, keyPath].map(readIfThere));
  if (cert == null || key == null) throw new XpcsError("NOT_FOUND", `the file ${cert == null ? certPath : keyPath} does not exist`);
  return { cert, key };
}
