/**
 * A network that sees one address of this machine and nothing else: a namespace of its own, with a cable (veth) to it and no route. What listens on
 * that address is its only way out.
 */
import { spawn, spawnSync } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";

/** Why such a network cannot be made here; null: it can. */
export function networkProblem(): string | null {
  if (process.platform !== "linux") return "it needs Linux";
  if (process.getuid!() !== 0) return "it needs root, to make a network of its own";
  const missing = ["unshare", "nsenter", "ip"].filter((name) => spawnSync("sh", ["-c", 'command -v "$1"', "sh", name]).status !== 0);
  if (missing.length > 0) return `it needs ${missing.join(", ")} (util-linux, iproute2)`;
  const allowed = spawnSync("unshare", ["--net", "ip", "link", "set", "lo", "up"], { encoding: "utf8" });
  return allowed.status === 0 ? null : `this root may not make a network: ${allowed.stderr.trim()}`;
}

export interface LonelyNetwork {
  /** This machine's address, as it is seen from there. */
  readonly host: string;
  /** Words that run what follows them in that network, on this machine's files. */
  readonly inside: readonly string[];
  remove(): void;
}

function ip(words: string, inside: readonly string[] = []): boolean {
  const [program, ...rest] = [...inside, "ip", ...words.split(" ")] as [string, ...string[]];
  return spawnSync(program, rest).status === 0;
}

/** Makes one; `remove` ends it, but not what runs there. */
export async function makeLonelyNetwork(): Promise<LonelyNetwork> {
  const holder = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 3600"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve, reject) => {
    holder.stdout.once("data", resolve);
    holder.once("exit", () => reject(new Error("unshare --net ended")));
  });
  const inside = ["nsenter", "--net", "--target", String(holder.pid), "--"];
  for (let tries = 0; tries < 20; tries += 1) {
    // Of the addresses for tests of networks (RFC 2544).
    const [a, b] = [Math.floor(Math.random() * 256), 4 * Math.floor(Math.random() * 64)];
    const [host, guest] = [`198.18.${a}.${b + 1}`, `198.18.${a}.${b + 2}`];
    const [here, there] = [`xh${a}x${b}`, `xg${a}x${b}`];
    if (!ip(`link add ${here} type veth peer name ${there} netns ${holder.pid}`)) continue;
    const made = [
      ip(`addr add ${host}/30 dev ${here}`),
      ip(`link set ${here} up`),
      ip(`addr add ${guest}/30 dev ${there}`, inside),
      ip(`link set ${there} up`, inside),
    ];
    if (!made.every(Boolean)) throw new Error("the cable between two networks could not be laid");
    await pause(100);
    return {
      host,
      inside,
      remove() {
        // The cable goes with it; this end at once.
        ip(`link del ${here}`);
        holder.kill("SIGKILL");
      },
    };
  }
  holder.kill("SIGKILL");
  throw new Error("no cable between two networks could be made");
}
