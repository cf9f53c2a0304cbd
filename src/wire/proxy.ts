/** Which proxy leads to a target, and the agent that goes through it (https-proxy-agent, with CONNECT). */
import { HttpsProxyAgent } from "https-proxy-agent";
import { getProxyForUrl } from "proxy-from-env";
import { XpcsError } from "../core/errors.js";
import { isLoopback } from "./loopback.js";

/** URL of a proxy; "environment": `https_proxy`, `http_proxy` and `no_proxy` say. */
export type ProxyChoice = string | "environment";

/** The proxy for a target, or null. What is on this machine is never reached through one. */
export function proxyFor(target: URL, proxy: ProxyChoice | undefined): string | null {
  if (proxy !== "environment") return proxy ?? null;
  if (isLoopback(target.hostname)) return null;
  return getProxyForUrl(target.href.replace(/^ws/, "http")) || null;
}

/** A proxy's URL may hold a password, which belongs in no message. */
export function shownProxy(proxy: string): string {
  return proxy.replace(/\/\/[^@/]*@/, "//");
}

/**
 * The agent for a proxy.
 * @throws INVALID_ARGUMENT it is no URL
 */
export function proxyAgent(proxy: string, options: { readonly keepAlive?: boolean } = {}): HttpsProxyAgent<string> {
  try {
    return new HttpsProxyAgent(proxy, options);
  } catch {
    throw new XpcsError("INVALID_ARGUMENT", `"${shownProxy(proxy)}" is no URL of a proxy: look at https_proxy`);
  }
}
