// One stage-out in a process of its own, so that it can be killed. Arguments: backend, destination, local file, bytes, sha256, epoch.
import { TRANSFERS } from "../../dist/sites/transfers/registry.js";

const [name, path, local, bytes, sha256, epoch] = process.argv.slice(2);
const transfer = TRANSFERS.find((candidate) => candidate.name === name);
const destination = { ref: { path }, job: "j1", overwrite: false };
process.stdout.write("begin\n");
const found = await transfer.inspect(destination);
if (found.kind === "free")
  await transfer.stageOut({
    destination,
    epoch: Number(epoch),
    local: { path: local, bytes: Number(bytes), sha256 },
    seen: found.seen,
    access: {},
    confirm: async () => {},
    signal: new AbortController().signal,
  });
process.stdout.write("done\n");
