/**
 * The kernel host: a child process that runs native work and commands, so that a native fault ends one attempt and never a site.
 * Composition root of that process. It ends at once when its parent does; what it was writing is a temporary file.
 */
import { silentLogger } from "../core/log.js";
import { KERNEL_HOST_METHODS } from "../core/protocols.js";
import { realClock } from "../core/real-clock.js";
import { parentLink } from "../wire/child-link.js";
import { expose } from "../wire/expose.js";
import { createCommandRunner } from "./command-runner.js";
import { contentDigest } from "./content-digest.js";
import { correlateRecorded } from "./correlate.js";
import { checkInput, checkStream } from "./input-roots.js";
import { leaveSignalsToParent } from "./job-signals.js";
import { createKernelActor } from "./kernel-actor.js";
import { runStream } from "./stream-run.js";

leaveSignalsToParent();
const link = parentLink();
const commands = createCommandRunner(process.env, realClock);
link.onClose(() => {
  commands.kill();
  // SIGKILL, not exit: native threads may be at work and must not see the process being taken down around them.
  process.kill(process.pid, "SIGKILL");
});
const actor = createKernelActor({
  clock: realClock,
  commands,
  correlate: async (request, roots, onProgress, signal) => {
    if (roots !== null) await checkInput(request, roots);
    const summary = await correlateRecorded({ request, digest: true, clock: realClock, onProgress, signal });
    return request.contentDigest === true ? { ...summary, contentSha256: contentDigest(request.out) } : summary;
  },
  stream: async (stream, roots, onProgress, stop) => {
    if (roots !== null) await checkStream(stream, roots);
    return runStream({ stream, clock: realClock, onProgress, ...(roots === null ? {} : { roots }), ...stop });
  },
});
expose(actor, KERNEL_HOST_METHODS, link, { logger: silentLogger });
