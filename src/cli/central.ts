/** `xpcs central`: the ledger and the router of all jobs. Composition root of central; runs until Ctrl-C or SIGTERM. */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { startCentral } from "../actors/start-central.js";
import { realClock } from "../core/real-clock.js";
import { POLICIES } from "../router/registry.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";
import { createPinoLogger } from "./pino-logger.js";

interface Address {
  readonly host: string;
  readonly port: number;
}

interface CentralOptions {
  readonly data: string;
  readonly listen: Address;
  readonly policy: string;
  readonly insecure?: true;
}

const DEFAULT_LISTEN: Address = { host: "127.0.0.1", port: 7878 };

/** `HOST:PORT` or `[IPV6]:PORT`. */
function addressOption(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535)
    throw new InvalidArgumentError("It must be HOST:PORT, such as 127.0.0.1:7878; port 0 takes any.");
  return { host, port };
}

/** Shown at the first start only. */
function firstTokensText({ operatorToken, siteToken }: { operatorToken: string; siteToken: string }): string[] {
  return [
    "The first tokens; they are shown this once, and kept nowhere:",
    `  operator  ${operatorToken}`,
    `  site      ${siteToken}`,
    "xpcs token create makes more, one for each person and site.",
  ];
}

async function run(options: CentralOptions, io: CliIo): Promise<void> {
  const dir = resolve(options.data);
  const central = await startCentral({
    dir,
    ...options.listen,
    clock: realClock,
    logger: createPinoLogger({ json: io.json }),
    randomBytes,
    policy: options.policy,
    insecure: options.insecure === true,
  });
  const { url, firstTokens } = central;
  io.result({ url, operatorToken: firstTokens?.operatorToken ?? null, siteToken: firstTokens?.siteToken ?? null }, () =>
    [`central listens on ${url}`, ...(firstTokens === null ? [] : firstTokensText(firstTokens))].join("\n"),
  );
  const { signal } = io;
  const interrupted = new Promise<null>((settle) => {
    if (signal.aborted) settle(null);
    else signal.addEventListener("abort", () => settle(null), { once: true });
  });
  const failure = await Promise.race([central.failed, interrupted]);
  await central.stop();
  if (failure !== null) throw failure;
}

/** Adds the command to the program. */
export function registerCentral(program: Command, io: CliIo): void {
  const command = program
    .command("central")
    .description("Keep the ledger of all jobs and give them to sites. Ctrl-C or SIGTERM stops it; it goes on where it was.")
    .requiredOption("--data <folder>", "folder of the ledger and the tokens, made if missing")
    .option("--listen <host:port>", "address to listen on; port 0 takes any", addressOption, DEFAULT_LISTEN)
    .addOption(new Option("--policy <name>", "how a site is chosen for a job").choices(Object.keys(POLICIES)).default("soonest"))
    .option("--insecure", "allow a plain websocket on an address that is not loopback")
    .action((options: CentralOptions) => run(options, io));
  command.options.find(({ long }) => long === "--listen")!.defaultValueDescription = "127.0.0.1:7878";
  withExample(command, "xpcs central --data /var/lib/xpcs --listen 127.0.0.1:7878");
}
