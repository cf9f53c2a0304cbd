/** A real sshd on loopback, started by the tests on a free port with keys and settings of its own, for the user who runs them. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { sshWords } from "../../src/sites/staging/ssh.js";
import { freePort } from "../chaos/free-port.js";

export interface SshServer {
  readonly host: string;
  /** For `ssh -F`. */
  readonly config: string;
  stop(): Promise<void>;
}

const SSHD = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"];
const sshd = (): string | undefined => SSHD.find((path) => existsSync(path));
const has = (program: string): boolean => spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;

function missing(): string[] {
  return [...(sshd() === undefined || !has("ssh") ? ["openssh-server", "openssh-client"] : []), ...(has("rsync") ? [] : ["rsync"])];
}

/** What keeps the tests of rsync from running here, or null; root on a Debian installs it first. */
export function sshObstacle(): string | null {
  if (missing().length > 0 && process.geteuid!() === 0 && existsSync("/usr/bin/apt-get")) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const install = () => spawnSync("apt-get", ["install", "-y", "--no-install-recommends", ...missing()], { env, stdio: "ignore" });
    if (install().status !== 0) {
      spawnSync("apt-get", ["update"], { stdio: "ignore" });
      install();
    }
  }
  const still = missing();
  return still.length === 0 ? null : `rsync over ssh is not tested: install ${still.join(" and ")}`;
}

/** Starts the server; resolves when it answers. */
export async function startSshServer(): Promise<SshServer> {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-sshd-"));
  const file = (name: string) => join(folder, name);
  for (const name of ["host", "user"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(name)]);
  // Where sshd separates privileges, it wants this folder; root alone does that.
  if (process.geteuid!() === 0) mkdirSync("/run/sshd", { recursive: true });
  const port = await freePort();
  const settings = {
    ...{ ListenAddress: `127.0.0.1:${port}`, HostKey: file("host"), PidFile: "none", AuthorizedKeysFile: file("user.pub") },
    ...{ StrictModes: "no", UsePAM: "no", PasswordAuthentication: "no", PermitRootLogin: "prohibit-password", MaxStartups: "100" },
  };
  writeFileSync(
    file("sshd_config"),
    Object.entries(settings)
      .map((pair) => pair.join(" "))
      .join("\n"),
  );
  const client = {
    ...{ HostName: "127.0.0.1", Port: port, User: userInfo().username, IdentityFile: file("user"), IdentitiesOnly: "yes" },
    ...{ UserKnownHostsFile: "/dev/null", StrictHostKeyChecking: "no" },
  };
  const lines = Object.entries(client).map(([name, value]) => `  ${name} ${value}`);
  writeFileSync(file("config"), ["Host beamline", ...lines, ""].join("\n"));
  const server = spawn(sshd()!, ["-D", "-e", "-f", file("sshd_config")], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  server.stderr.on("data", (text) => {
    said = (said + text).slice(-4_000);
  });
  const answers = () => spawnSync("ssh", ["-F", file("config"), "beamline", "true"], { stdio: "ignore" }).status === 0;
  for (let tries = 0; !answers(); tries += 1) {
    if (tries === 50 || server.exitCode !== null) throw new Error(`sshd does not answer: ${said}`);
    await new Promise((later) => setTimeout(later, 50));
  }
  return {
    host: "beamline",
    config: file("config"),
    async stop() {
      const [program, ...words] = sshWords(file("config"));
      spawnSync(program!, [...words, "-O", "exit", "beamline"], { stdio: "ignore" });
      server.kill("SIGTERM");
      if (server.exitCode === null) await new Promise((ended) => server.once("exit", ended));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
