/**
 * Nodes of a cluster on one machine, for schedulers that know hosts by their names: each has a network and a name of its own, and all know one another by a
 * file of hosts. They are on a bridge with this machine.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isInstalled, run } from "./daemons.mjs";

const BRIDGE = "bridge";

/** Why there cannot be any here. @returns {string | null} */
export function nodeNetworksProblem() {
  if (process.geteuid?.() !== 0) return "networks and names of their own need root";
  const missing = ["ip", "unshare", "nsenter", "mount"].filter((name) => !isInstalled(name));
  if (missing.length > 0) return `${missing.join(", ")} missing: apt-get install iproute2 util-linux`;
  const { code } = run("unshare", ["--net", "--mount", "--uts", "ip", "link", "set", "lo", "up"], { allowFailure: true });
  return code === 0 ? null : "this root may not make networks and names";
}

/** Words that run a command with another /etc/hosts. @param {string} hosts */
function withHosts(hosts) {
  return ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh", hosts];
}

/**
 * Makes nodes; what they are made of is noted in `folder`.
 *
 * @param {string} folder
 * @param {readonly string[]} names
 * @returns {Promise<{ here: string[], on: (name: string) => string[] }>} words that run a command on this machine, knowing the nodes, and on a node
 */
export async function makeNodes(folder, names) {
  const hosts = join(folder, "hosts");
  /** @type {Map<string, number>} */
  const holders = new Map();
  for (let tries = 0; ; tries += 1) {
    const net = Math.floor(Math.random() * 256);
    const bridge = `xn${net}`;
    if (run("ip", ["link", "add", bridge, "type", "bridge"], { allowFailure: true }).code !== 0) {
      if (tries > 20) throw new Error("no bridge between networks could be made");
      continue;
    }
    writeFileSync(join(folder, BRIDGE), bridge);
    run("ip", ["addr", "add", `198.19.${net}.1/24`, "dev", bridge]);
    run("ip", ["link", "set", bridge, "up"]);
    const lines = names.map((name, at) => `198.19.${net}.${11 + at} ${name}`);
    writeFileSync(hosts, ["127.0.0.1 localhost", `198.19.${net}.1 ${hostname()}`, ...lines, ""].join("\n"));
    for (const [at, name] of names.entries()) {
      const holder = spawn("unshare", ["--net", "sleep", "86400"], { detached: true, stdio: "ignore" });
      holder.unref();
      const pid = /** @type {number} */ (holder.pid);
      holders.set(name, pid);
      writeFileSync(join(folder, `network-${name}.pid`), String(pid));
      // It has its network when it has become `sleep`.
      while (!readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sleep")) await sleep(20);
      const inside = ["nsenter", "--net", "--target", String(pid), "--", "ip"];
      run("ip", ["link", "add", `${bridge}n${at}`, "type", "veth", "peer", "name", "eth0", "netns", String(pid)]);
      run("ip", ["link", "set", `${bridge}n${at}`, "master", bridge, "up"]);
      for (const words of [`addr add 198.19.${net}.${11 + at}/24 dev eth0`, "link set eth0 up", "link set lo up"])
        run(/** @type {string} */ (inside[0]), [...inside.slice(1), ...words.split(" ")]);
    }
    break;
  }
  return {
    here: withHosts(hosts),
    on: (name) => [
      ...["nsenter", "--net", "--target", String(holders.get(name)), "--", "unshare", "--uts"],
      ...["sh", "-c", 'hostname "$1" && shift && exec "$@"', "sh", name],
      ...withHosts(hosts),
    ],
  };
}

/** Files with the processes that hold the networks of a folder. @param {string} folder */
export function networkHolders(folder) {
  return readdirSync(folder)
    .filter((name) => /^network-.*\.pid$/.test(name))
    .map((name) => join(folder, name));
}

/** Removes the bridge of a folder, if there is one. @param {string} folder */
export function removeBridge(folder) {
  if (!readdirSync(folder).includes(BRIDGE)) return;
  run("ip", ["link", "del", readFileSync(join(folder, BRIDGE), "utf8")], { allowFailure: true });
}
