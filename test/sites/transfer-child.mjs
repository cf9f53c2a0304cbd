// One stage-in or stage-out in a process of its own, so that it can be killed. One argument: JSON of how the backend is opened and what to do.
import { realClock } from "../../dist/core/real-clock.js";
import { openCache } from "../../dist/sites/staging/cache.js";
import { BACKENDS } from "../../dist/sites/transfers/registry.js";

const { opening, out, into } = JSON.parse(process.argv[2]);
const { settings, central, cacheFolder } = opening;
const transfer = BACKENDS.find(({ name }) => name === settings.by).open(settings, {
  site: "here",
  central: () => central,
  cache: openCache({ folder: cacheFolder, bytesMax: 1e9, clock: realClock, boot: "this" }),
  clock: realClock,
  rng: Math.random,
});
const { signal } = new AbortController();
const report = () => {};
process.stdout.write("begin\n");
if (into !== undefined) await transfer.stageIn({ ...into, report, signal });
else {
  const { destination, epoch, local } = out;
  const found = await transfer.inspect(destination);
  if (found.kind === "free")
    await transfer.stageOut({ destination, epoch, local, seen: found.seen, access: {}, confirm: async () => {}, report, signal });
}
process.stdout.write("done\n");
process.exit(0);
