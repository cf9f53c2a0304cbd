/** `xpcs bundle`: this program as one archive that runs on machines without Node, compiler or HDF5. */
import type { Command } from "commander";
import { makeBundle } from "./bundle/make.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";

/** Adds the command to the program. */
export function registerBundle(program: Command, io: CliIo): void {
  const command = program
    .command("bundle")
    .description("Put this program with Node, the native core and their libraries into one archive, for machines that have none of them.")
    .requiredOption("--out <file>", "the archive (.tar.gz); what is there is replaced")
    .action(async ({ out }: { out: string }) => {
      const made = await makeBundle(out, (text) => io.note(text));
      io.result(made, () =>
        [
          `${made.out}: ${(made.bytes / 1e6).toFixed(1)} MB, ${made.files} files, xpcs ${made.version} with Node ${made.node} for ${made.platform}`,
          `sha256 ${made.sha256}`,
          `needs glibc ${made.glibc} or newer (because of ${made.glibcFor})`,
        ].join("\n"),
      );
    });
  withExample(
    command,
    "xpcs bundle --out xpcs.tar.gz",
    "xpcs central --data /var/lib/xpcs --listen 0.0.0.0:7878 --tls --bundle xpcs.tar.gz",
  );
}
