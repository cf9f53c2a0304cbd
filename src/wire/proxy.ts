/** Which proxy or relay leads to a target, and the agent that goes through it: https-proxy-agent, or relay-agent.ts. */
import type { Agent } from "node:http";
import { HttpsProxyAgent } from "https-proxy-agent";
import { getProxyForUrl } from "proxy-from-env";
import { XpcsError } from "../core/errors.js";
import { isLoopback } from "./loopback.js";
import { type Relay, relayAgent } from "./relay-agent.js";

/** URL of a proxy; "environment": `https_proxy`, `http_proxy` and `no_proxy` say; or the relay of a site. */
export type ProxyChoice = string | "environment" | Relay;

/** The proxy for a target, or null. What is on this machine is never reached through one. */
export function proxyFor(target: URL, proxy: string | undefined): string | null {
  if (proxy !== "environment") return proxy ?? null;
  if (isLoopback(target.hostname)) return null;
  return getProxyForUrl(target.href.replace(/^ws/, "http")) || null;
}

/** A proxy's URL may hold a password, which belongs in no message. */
function shownProxy(proxy: string): string {
  return proxy.replace(/\/\/[^@/]*@/, "//");
}

/** The way to a target that is not straight. */
export interface Detour {
  readonly agent: Agent;
  /** For messages: ` through ...`. */
  readonly via: string;
}

/**
 * The agent for a target, or null: straight.
 * @throws INVALID_ARGUMENT the proxy's URL is none
 */
export function detourFor(target: URL, choice: ProxyChoice | undefined, { keepAlive = false } = {}): Detour | null {
  if (typeof choice === "object") {
    const secure = target.protocol === "https:" || target.protocol === "wss:";
    return { agent: relayAgent(choice, secure, keepAlive), via: ` through the relay ${choice.url}` };
  }
  const proxy = proxyFor(target, choice);
  if (proxy === null) return null;
  try {
    return { agent: new HttpsProxyAgent(proxy, { keepAlive }), via: ` through the proxy ${shownProxy(proxy)}` };
  } catch {
    throw new XpcsError("INVALID_ARGUMENT", `"${shownProxy(proxy)}" is no URL of a proxy: look at https_proxy`);
  }
}
