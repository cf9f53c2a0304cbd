/** One replay in a process of its own, so that its memory is its own: runs a made-up shift, and says what it took. */
import { parseSynthetic, syntheticShift } from "../../src/replay/synthetic.js";
import { runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";

const [, , what = "", policy = ""] = process.argv;
const startMs = performance.now();
const { tally } = runShift(syntheticShift(parseSynthetic(what)), { policy: POLICIES[policy]! });
const wallS = (performance.now() - startMs) / 1_000;
const { userCPUTime, maxRSS } = process.resourceUsage();
console.log(JSON.stringify({ wallS, userS: userCPUTime / 1e6, peakMb: maxRSS / 1_024, answered: tally.finished }));
